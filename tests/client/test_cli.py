"""The command line as people meet it: what it prints, and that what goes wrong is one red line and exit code 1."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import bonanza
from bonanza.cli import main
from bonanza.cli.options import spec
from tests.live import LiveServer, ServerProcess, free_port


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; its exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bonanza", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


Run = Callable[..., tuple[int, str, str]]


def one_red_line(err: str) -> str:
    """The message, once it is known to be one line that says error."""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("command", [[], ["study"], ["space"], ["db"]])
def test_a_command_without_arguments_shows_what_there_is(command: list[str], run: Run):
    _, out, err = run(*command)
    shown = out + err
    wanted = {
        "study": ["create", "list", "show", "best"],
        "space": ["show", "sample", "validate"],
        "db": ["upgrade", "check"],
    }
    for name in wanted.get("".join(command), ["serve", "worker", "study", "space", "demo", "db", "version"]):
        assert re.search(rf"│ {name} +\w", shown)


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "worker",
        "demo",
        "version",
        "db upgrade",
        "db check",
        "study create",
        "study list",
        "study show",
        "study best",
        "study features",
        "score",
        "space show",
        "space sample",
        "space validate",
    ],
)
def test_every_command_explains_itself_and_every_option(command: str, run: Run):
    code, out, _ = run(*command.split(), "--help")
    assert code == 0
    assert len(out.splitlines()) > 6
    for option in re.findall(r"│ \*? +(--[a-z-]+)(.*)│", out):
        assert re.search(r"[A-Za-z]{3}", option[1]), option


@pytest.mark.parametrize("command", ["version", "--version"])
def test_the_version_is_printed(command: str, run: Run):
    assert run(command) == (0, f"bonanza {bonanza.__version__}\n", "")


def test_a_study_is_made_once_and_found_after_that(live: LiveServer, run: Run):
    command = [
        "study",
        "create",
        "first",
        "--space",
        "nasbench201",
        "--strategy",
        "random",
        "--max-trials",
        "5",
        "--seed",
        "3",
        "--server",
        live.url,
    ]
    code, out, err = run(*command)
    assert (code, err) == (0, "")
    assert "created study first: random on nasbench201, maximize accuracy, 5 trials, seed 3" in out
    assert f"bonanza worker --server {live.url} --study first" in out
    code, out, _ = run(*command)
    assert code == 0
    assert "already there" in out
    with bonanza.Client(live.url) as client:
        info = client.study("first").info
    assert (info.budget.max_trials, info.seed, info.strategy["name"]) == (5, 3, "random")


def test_features_of_a_file_are_told_and_shown(live: LiveServer, run: Run, tmp_path: Path):
    live.study("first")
    at = ["study", "features", "first", "--server", live.url]
    code, out, _ = run(*at)
    assert code == 0
    assert "knows no features yet" in out
    file = tmp_path / "scores.jsonl"
    cells = [{"edges": ["nor_conv_3x3"] * 5 + [op]} for op in ("none", "skip_connect", "nor_conv_1x1")]
    lines = [json.dumps({"architecture": cell, "features": {"synflow": 10.0**n}}) for n, cell in enumerate(cells)]
    file.write_text("\n".join([*lines, ""]))
    code, out, err = run(*at[:3], str(file), *at[3:])
    assert (code, err) == (0, "")
    assert "told 3 architectures, of 3 something new" in out
    assert re.search(r"synflow +3 +0 +–", out)
    assert "random does not learn from features; bonanza does" in out
    code, out, _ = run(*at, "--json")
    assert json.loads(out)["features"][0]["cells"] == 3
    fine = json.dumps({"architecture": {"edges": ["skip_connect"] * 6}, "features": {"more": 1}})
    for wrong in (
        '{"architecture": 3}',
        '{"architecture": {"edges": []}, "features": {"more": 1}}',
        lines[0][:-4] + "NaN}}",
    ):
        file.write_text("\n".join([fine, wrong]))
        code, _, err = run(*at[:3], str(file), *at[3:])
        assert code == 1
        assert "line 2" in one_red_line(err)
        assert '"more"' not in run(*at, "--json")[1], "all of it or nothing"


def test_scores_of_a_space_are_what_a_study_takes_for_features(live: LiveServer, run: Run, tmp_path: Path):
    live.study("first")
    file = tmp_path / "scores.jsonl"
    code, out, _ = run("score", "nasbench201", "-n", "6", "--image", "3x8x8", "--out", str(file))
    assert code == 0
    assert f"bonanza study features NAME {file}" in out
    code, out, _ = run("study", "features", "first", str(file), "--server", live.url)
    assert code == 0
    assert "told 6 architectures" in out
    before = file.read_bytes()
    code, _, err = run("score", '{"kind": "recurrent", "nodes": 8}', "--out", str(file))
    assert code == 1
    assert "networks for text" in one_red_line(err)
    assert file.read_bytes() == before


def test_a_study_that_differs_is_refused_with_the_fields(live: LiveServer, run: Run):
    live.study("first")
    code, _, err = run(
        "study",
        "create",
        "first",
        "--space",
        "nasbench201",
        "--strategy",
        "random",
        "--seed",
        "1",
        "--server",
        live.url,
    )
    assert code == 1
    assert "seed" in one_red_line(err)


@pytest.fixture
def searched(live: LiveServer) -> LiveServer:
    live.study("s", budget={"max_trials": 7})
    for value in (88.5, 91.25, 90.0):
        live.tell(live.one(), value)
    return live


def test_studies_are_listed(searched: LiveServer, run: Run):
    searched.study("empty")
    code, out, _ = run("study", "list", "--server", searched.url)
    assert code == 0
    rows = [re.split(r" {2,}", line.strip()) for line in out.splitlines()]
    assert rows[0][:7] == ["study", "state", "strategy", "complete", "of", "best", "model lag"]
    assert rows[1][:6] == ["empty", "running", "random", "0", "–", "–"]
    assert rows[2][:7] == ["s", "running", "random", "3", "7", "91.25", "–"]  # no model, so none that is behind


def test_a_server_without_studies_says_how_to_make_one(live: LiveServer, run: Run):
    _, out, _ = run("study", "list", "--server", live.url)
    assert f"bonanza study create first --space nasbench201 --server {live.url}" in out


def test_the_best_architectures_are_printed_as_official_strings(searched: LiveServer, run: Run):
    code, out, _ = run("study", "best", "s", "-k", "2", "--server", searched.url)
    assert code == 0
    rows = out.splitlines()[1:]
    assert [row.split()[:2] for row in rows] == [["1", "91.25"], ["2", "90.00"]]
    assert all(re.search(r"\|\w+~0\|\+\|\w+~0\|\w+~1\|\+\|\w+~0\|\w+~1\|\w+~2\|$", row.strip()) for row in rows)


def test_a_study_is_shown_with_its_best(searched: LiveServer, run: Run):
    code, out, _ = run("study", "show", "s", "--server", searched.url)
    assert code == 0
    for fact in ("maximize accuracy", '{"kind": "nasbench201"}', "3 complete", "none: random", "Best so far", "91.25"):
        assert fact in out


def test_programs_get_the_json_of_the_api(searched: LiveServer, run: Run):
    def read(*command: str) -> dict[str, object]:
        code, out, err = run("study", *command, "--json", "--server", searched.url)
        assert (code, err) == (0, "")
        return json.loads(out)

    assert [study["name"] for study in read("list")["studies"]] == ["s"]
    assert read("show", "s")["trials"]["complete"] == 3
    assert [trial["value"] for trial in read("best", "s", "-k", "3")["trials"]] == [91.25, 90.0, 88.5]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["study", "show", "nowhere"], "there is no study 'nowhere'"),
        (["study", "create", "x", "--space", "nasbench202"], "/space/kind"),
        (["study", "create", "x", "--space", "nasbench201", "--strategy", '{"name": "magic"}'], "/strategy"),
        (["study", "create", "x", "--space", '{"kind":'], "no JSON"),
        (["study", "create", "x", "--space", "@/nowhere/space.json"], "cannot read /nowhere/space.json"),
    ],
)
def test_a_problem_is_one_red_line(command: list[str], said: str, live: LiveServer, run: Run):
    code, out, err = run(*command, "--server", live.url)
    assert (code, out) == (1, "")
    assert said in one_red_line(err)


def test_a_server_that_is_not_there_is_one_red_line_with_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BONANZA_SERVER", f"http://127.0.0.1:{free_port()}")
    code, _, err = run("study", "list")
    assert code == 1
    assert "bonanza serve" in one_red_line(err)
    code, _, err = run("study", "list", "--server", "localhost:8423")
    assert code == 1
    assert "http://127.0.0.1:8423" in one_red_line(err)


def test_the_key_is_read_from_the_environment(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch):
    with LiveServer(f"sqlite:///{tmp_path}/locked.db", fit_slots=0, admin_key="an admin key of length") as locked:
        code, _, err = run("study", "list", "--server", locked.url)
        assert code == 1
        assert "key" in one_red_line(err)
        monkeypatch.setenv("BONANZA_KEY", "an admin key of length")
        assert run("study", "list", "--server", locked.url)[0] == 0


def test_a_space_is_a_word_json_or_a_file(tmp_path: Path):
    (tmp_path / "space.json").write_text('{"kind": "sequence", "positions": []}')
    assert spec("nasbench201", "kind") == {"kind": "nasbench201"}
    assert spec(' {"kind": "x"}', "kind") == {"kind": "x"}
    assert spec(f"@{tmp_path}/space.json", "kind") == {"kind": "sequence", "positions": []}
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(bonanza.InvalidRequest, match="object"):
        spec(f"@{tmp_path}/list.json", "kind")


def test_a_worker_that_cannot_work_exits_with_the_reason(live: LiveServer):
    command = [sys.executable, "-m", "bonanza.cli", "worker", "--server", live.url]
    done = subprocess.run(
        [*command, "--study", "nowhere", "--evaluator", "tabular:nasbench201/cifar10"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "there is no study 'nowhere'" in done.stderr
    assert "Traceback" not in done.stderr


MISSING = "import sys; sys.modules[{name!r}] = None; sys.argv = ['bonanza', *{command!r}]; from bonanza.cli import main; main()"


@pytest.mark.parametrize(
    ("command", "name"), [(["serve"], "fastapi"), (["serve"], "pydantic_settings"), (["db", "check"], "sqlalchemy")]
)
def test_a_base_install_says_how_to_get_the_server(name: str, command: list[str], tmp_path: Path):
    script = MISSING.format(name=name, command=command)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "pip install 'bonanza[server]'" in one_red_line(done.stderr)


def test_serve_says_where_it_listens_on_which_database_and_what_to_do_next(tmp_path: Path, run: Run):
    log = tmp_path / "serve.log"
    server = ServerProcess(f"sqlite:///{tmp_path}/served.db", log, BONANZA_FIT_SLOTS="0")
    server.start()
    try:
        said = log.read_text()
        assert f"listens on {server.url}" in said
        assert f"{tmp_path}/served.db" in said
        commands = [line.strip() for line in said.splitlines() if line.strip().startswith(("bonanza ", "curl "))]
        made = subprocess.run(commands[1], shell=True, capture_output=True, text=True, check=True)
        assert json.loads(made.stdout)["name"] == "first"
        code, out, _ = run(*commands[0].split()[1:])
        assert code == 0
        assert "already there" in out  # both lines make the same study
        port = str(server.port)
        code, _, err = run("serve", "--port", port, "--database", f"sqlite:///{tmp_path}/other.db")
        assert code == 1
        assert f"port {port} of 127.0.0.1 is taken" in one_red_line(err)
        for command in (["serve", "--port", str(free_port())], ["db", "upgrade"]):
            code, _, err = run(*command, "--database", f"sqlite:///{tmp_path}/served.db")
            assert code == 1
            assert "another server" in one_red_line(err)
    finally:
        server.stop()


def test_serve_refuses_to_listen_beyond_this_machine_without_a_key(tmp_path: Path, run: Run):
    for host in ("0.0.0.0", "::", "192.0.2.1", socket.gethostname()):
        code, out, err = run("serve", "--host", host, "--database", f"sqlite:///{tmp_path}/x.db")
        assert (code, out) == (1, "")
        assert "export BONANZA_ADMIN_KEY=$(" in err
    assert list(tmp_path.glob("x.db*")) == []


def test_serve_with_a_key_listens_everywhere_and_says_so(tmp_path: Path):
    log = tmp_path / "serve.log"
    server = ServerProcess(
        f"sqlite:///{tmp_path}/x.db",
        log,
        BONANZA_FIT_SLOTS="0",
        BONANZA_ADMIN_KEY="an admin key of length",
        BONANZA_HOST="0.0.0.0",
    )
    server.start()
    try:
        assert f"http://{socket.gethostname()}:{server.port}" in log.read_text()
        assert "Authorization: Bearer $BONANZA_ADMIN_KEY" in log.read_text()
        assert "an admin key" not in log.read_text()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("BONANZA_ADMIN_KEY", "short", "BONANZA_ADMIN_KEY"),
        ("BONANZA_UPKEEP_S", "often", "BONANZA_UPKEEP_S"),
        ("BONANZA_DATABASE_URL", "mysql://host/name", "no support for mysql"),
        ("BONANZA_DATABASE_URL", "sqlite:////nowhere/x.db", "cannot write beside /nowhere/x.db"),
        ("BONANZA_HOST", "999.1.1.1", "999.1.1.1"),
    ],
)
def test_a_setting_that_is_wrong_is_named(
    setting: str, value: str, said: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BONANZA_PORT", str(free_port()))
    monkeypatch.setenv(setting, value)
    if setting == "BONANZA_HOST":
        monkeypatch.setenv("BONANZA_ADMIN_KEY", "an admin key of length")
    code, _, err = run("serve")
    assert code == 1
    assert said in one_red_line(err)
    assert "short" not in err


def test_the_database_is_checked_and_upgraded(tmp_path: Path, run: Run):
    url = f"sqlite:///{tmp_path}/x.db"
    code, _, err = run("db", "check", "--database", url)
    assert code == 1
    assert f"bonanza db upgrade --database {url}" in one_red_line(err)
    assert list(tmp_path.glob("x.db*")) == []
    code, out, _ = run("db", "upgrade", "--database", url)
    assert code == 0
    assert "no schema" in out
    assert run("db", "check", "--database", url)[0] == 0
    code, out, _ = run("db", "upgrade", "--database", url)
    assert code == 0
    assert "what this code needs" in out


def test_a_pipe_that_closes_early_ends_the_command_quietly(searched: LiveServer):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "bonanza.cli", "study", "show", "s", "--server", searched.url],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert "Traceback" not in done.stderr
    assert done.returncode in {1, -signal.SIGPIPE}
