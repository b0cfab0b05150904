"""docker-compose.yml and the Dockerfiles, held against the command line, the settings and the distribution they speak of."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import typer.main
import yaml
from typer.core import TyperGroup
from typer.exceptions import TyperException

from bonanza import spool
from bonanza.cli import app
from bonanza_server.settings import Settings, refusal_to_listen
from tests.live import LiveServer

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BUILT = ("server", "worker")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GIVEN = {"POSTGRES_PASSWORD": "0123456789abcdef", "BONANZA_ADMIN_KEY": "a key of at least 16 characters"}
"""What the first lines of the compose file tell its user to export."""
PORT = Settings.model_fields["port"].default


class Instruction(NamedTuple):
    """One instruction of a Dockerfile."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


def dockerfile(service: str) -> list[Instruction]:
    """The instructions of the Dockerfile that a service is built by."""
    lines = (ROOT / SERVICES[service]["build"]["dockerfile"]).read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def all_of(service: str, name: str) -> list[list[str]]:
    return [instruction.words for instruction in dockerfile(service) if instruction.name == name]


def one_of(service: str, name: str) -> list[str]:
    (words,) = all_of(service, name)
    return words


def interpolated(text: str) -> str:
    """``text`` with ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?why}`` filled in, as docker compose does it."""

    def value(match: re.Match[str]) -> str:
        name, operator, rest = match[1], match[2], match[3]
        if name in GIVEN:
            return GIVEN[name]
        assert operator == ":-", f"{name} is not among what the user is told to export, and has no default"
        return rest

    return re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, text)


def environment(service: str) -> dict[str, str]:
    """What a container of this service sees: the image's own variables, then compose's."""
    of_image = dict(word.split("=", 1) for words in all_of(service, "ENV") for word in words)
    return of_image | {name: interpolated(text) for name, text in SERVICES[service].get("environment", {}).items()}


def parse(words: list[str]) -> Any:
    """The options of the command that ``bonanza`` would run.

    Raises:
        TyperException: a command, an option or a value is not one.
    """
    assert words[0] in PROJECT["scripts"]
    command: Any = typer.main.get_command(app)
    name, *rest = words
    while isinstance(command, TyperGroup) and not (command.invoke_without_command and rest[0].startswith("-")):
        name, *rest = rest
        if name not in command.commands:
            raise TyperException(f"there is no command {name}")
        command = command.commands[name]
    return command.make_context(name, rest).params | {"command": name}


def variables(command: Any) -> set[str]:
    """The environment variables of all options of a command and those below it."""
    found = {parameter.envvar for parameter in command.params if parameter.envvar is not None}
    below = command.commands.values() if isinstance(command, TyperGroup) else []
    return found.union(*(variables(inner) for inner in below))


def test_every_command_is_one_that_the_command_line_takes() -> None:
    for service in BUILT:
        entry = one_of(service, "ENTRYPOINT")
        given = [interpolated(word) for word in SERVICES[service]["command"]]
        assert parse(entry + given)["command"] == {"server": "serve", "worker": "worker"}[service]
    server = parse(one_of("server", "ENTRYPOINT") + one_of("server", "CMD"))
    assert server["host"] == "0.0.0.0"
    with pytest.raises(typer.Exit):
        parse(one_of("worker", "ENTRYPOINT") + one_of("worker", "CMD"))  # --help


@pytest.mark.parametrize(
    "wrong", [["bonanza", "sevre"], ["bonanza", "serve", "--prot", "1"], ["bonanza", "serve", "--port", "http"]]
)
def test_a_command_that_does_not_exist_would_be_found(wrong: list[str]) -> None:
    with pytest.raises(TyperException):
        parse(wrong)


def test_the_commands_in_the_first_lines_exist_and_export_what_is_needed() -> None:
    comments = [line[1:].strip() for line in (ROOT / "docker-compose.yml").read_text().splitlines() if line[:1] == "#"]
    exported = {found[1] for line in comments if (found := re.match(r"export (\w+)=\$\((.+)\)$", line))}
    assert exported == set(GIVEN)
    needed = set(re.findall(r"\$\{(\w+)(?!\w|:-)", (ROOT / "docker-compose.yml").read_text()))
    assert needed == exported
    (create,) = [line for line in comments if "bonanza study" in line]
    inside = shlex.split(create.partition(" server ")[2])
    assert parse(inside)["space"] == "nasbench201"
    worker = [interpolated(word) for word in SERVICES["worker"]["command"]]
    assert parse(inside)["name"] == parse(["bonanza", "worker", *worker])["study"]


def test_every_environment_variable_is_read_by_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    options = variables(typer.main.get_command(app))
    settings = {f"BONANZA_{name.upper()}" for name in Settings.model_fields}
    for service in BUILT:
        for name, value in environment(service).items():
            if name == "BONANZA_SPOOL":
                monkeypatch.setenv(name, value)
                assert spool.default_folder() == Path(value)
            elif name.startswith("BONANZA_"):
                assert name in (settings if service == "server" else options), name
            else:
                assert name == "PYTHONUNBUFFERED"
    assert set(environment("worker")) >= {"BONANZA_SERVER", "BONANZA_KEY"}


def test_the_settings_take_the_servers_environment_and_let_it_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment("server").items():
        monkeypatch.setenv(name, value)
    settings = Settings(host=parse(["bonanza", *SERVICES["server"]["command"]])["host"])
    assert refusal_to_listen(settings, has_key=False) is None
    assert settings.database_url == f"postgresql://bonanza:{GIVEN['POSTGRES_PASSWORD']}@postgres/bonanza"
    assert environment("worker")["BONANZA_KEY"] == GIVEN["BONANZA_ADMIN_KEY"]


def test_the_database_in_the_url_is_the_one_that_postgres_makes() -> None:
    given = {name: interpolated(text) for name, text in SERVICES["postgres"]["environment"].items()}
    user, database = given["POSTGRES_USER"], given["POSTGRES_DB"]
    url = f"postgresql://{user}:{given['POSTGRES_PASSWORD']}@postgres/{database}"
    assert environment("server")["BONANZA_DATABASE_URL"] == url
    assert SERVICES["postgres"]["healthcheck"]["test"][-4:] == ["--username", user, "--dbname", database]


def test_one_port_is_listened_on_published_checked_and_used() -> None:
    assert one_of("server", "EXPOSE") == [str(PORT)]
    assert parse(["bonanza", *SERVICES["server"]["command"]])["port"] == PORT
    assert SERVICES["server"]["ports"] == [f"{PORT}:{PORT}"]
    assert environment("worker")["BONANZA_SERVER"] == f"http://server:{PORT}"
    assert f"127.0.0.1:{PORT}/" in SERVICES["server"]["healthcheck"]["test"][-1]


def test_the_health_check_of_the_server_tells_a_server_that_works_from_none(tmp_path: Path) -> None:
    kind, python, *arguments, script = SERVICES["server"]["healthcheck"]["test"]
    assert (kind, python) == ("CMD", "python")
    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=0, admin_key=GIVEN["BONANZA_ADMIN_KEY"]) as server:
        check = [sys.executable, *arguments, script.replace(f":{PORT}", f":{server.port}")]
        assert subprocess.run(check, check=False).returncode == 0
    assert subprocess.run(check, check=False, capture_output=True).returncode != 0


def test_the_worker_starts_only_where_a_gpu_is_asked_for_and_gets_it() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"postgres", "server"}
    assert SERVICES["worker"]["profiles"] == ["gpu"]
    (device,) = SERVICES["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_whoever_depends_on_a_service_waits_for_its_health_check() -> None:
    for service in SERVICES.values():
        for needed, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[needed]


def test_what_must_outlive_a_container_is_on_a_volume() -> None:
    mounted = {
        volume.split(":")[0]: volume.split(":")[1]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    }
    assert set(mounted) == set(COMPOSE["volumes"]) == {"postgres", "spool"}
    assert mounted["spool"] == environment("worker")["BONANZA_SPOOL"] == one_of("worker", "VOLUME")[0]
    database = dict(word.split("=", 1) for word in one_of("server", "ENV"))["BONANZA_DATABASE_URL"]
    assert database.startswith(f"sqlite:///{one_of('server', 'VOLUME')[0]}/")


def test_images_are_named_without_a_host_and_pinned_to_a_release() -> None:
    bases = [SERVICES["postgres"]["image"], *(one_of(service, "FROM")[0] for service in BUILT)]
    assert all(re.fullmatch(r"[a-z]+:\d+(\.\d+)*(-slim)?", base) for base in bases)
    assert {one_of(service, "FROM")[0] for service in BUILT} == {"python:3.11-slim"}
    assert PROJECT["requires-python"] == ">=3.11"


def test_no_container_runs_as_root() -> None:
    for service in BUILT:
        names = [instruction.name for instruction in dockerfile(service)]
        user = one_of(service, "USER")[0]
        assert user not in {"root", "0"}
        assert any(
            f" {user}" in instruction.text and "useradd" in instruction.text for instruction in dockerfile(service)
        )
        assert names.index("USER") < names.index("ENTRYPOINT")
        assert "RUN" not in names[names.index("USER") :]


def test_what_is_installed_is_what_the_distribution_offers_at_the_pinned_versions() -> None:
    wanted = {"server": {"server", "dask"}, "worker": {"worker", "bench"}}
    for service in BUILT:
        torch, ours = [words for words in all_of(service, "RUN") if words[:2] == ["pip", "install"]]
        for words in (torch, ours):
            assert words[2:5] == ["--no-cache-dir", "--constraint", "/src/constraints.txt"]
        assert torch[-1] == "torch"
        extras = re.fullmatch(r"/src\[([\w,]+)\]", ours[-1])
        assert extras is not None
        assert set(extras[1].split(",")) == wanted[service] <= set(PROJECT["optional-dependencies"])
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_build_arguments_are_declared_in_the_dockerfiles() -> None:
    for service in BUILT:
        assert SERVICES[service]["build"]["args"] == [words[0] for words in all_of(service, "ARG")]


@pytest.mark.parametrize("service", BUILT)
def test_what_is_copied_into_the_image_is_enough_to_install_from(service: str, tmp_path: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    source = tmp_path / "src"
    for *paths, target in all_of(service, "COPY"):
        for path in paths:
            assert not any(fnmatch(path, pattern.removeprefix("**/")) for pattern in ignored), path
            if (ROOT / path).is_dir():
                assert target == f"/src/{path}"
                shutil.copytree(ROOT / path, source / path, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                assert target == "/src/"
                source.mkdir(exist_ok=True)
                shutil.copy(ROOT / path, source)
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert len(list(tmp_path.glob("bonanza-*.whl"))) == 1
