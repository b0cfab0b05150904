"""The wheel: both packages, the migrations where the server looks for them, the licence, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """What is in it."""
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(opened.read(name).decode())


def tracked(folder: str) -> set[str]:
    """The files of ``folder`` that belong to the repository, from there on."""
    return {
        path.relative_to(ROOT / folder).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".pyc", ".db"}
    }


def test_the_wheel_has_two_packages_and_nothing_else_at_its_top(names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bonanza", "bonanza_server"}
    assert len(tops) == 3


def test_the_packages_are_whole(names: set[str]) -> None:
    ours = {f"bonanza/{name}" for name in tracked("client/bonanza")}
    ours |= {f"bonanza_server/{name}" for name in tracked("server/bonanza_server")}
    ours |= {f"bonanza_server/migrations/{name}" for name in tracked("migrations")}
    assert {name for name in names if ".dist-info/" not in name} == ours
    assert {"bonanza/py.typed", "bonanza_server/migrations/env.py"} <= ours


def test_the_licence_the_readme_and_the_command_are_in_the_metadata(wheel: Path, names: set[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    described = metadata(wheel)
    assert (described["Name"], described["Version"]) == ("bonanza", project["version"])
    assert described["License-Expression"] == "Apache-2.0"
    assert described.get_all("License-File") == ["LICENSE"]
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert described.get_payload().strip() == (ROOT / "README.md").read_text().strip()
    assert set(described.get_all("Provides-Extra") or []) == set(project["optional-dependencies"])
    base = [need for need in described.get_all("Requires-Dist") or [] if "extra ==" not in need]
    assert {need.split(">")[0] for need in base} == {"httpx", "pydantic", "rich", "typer"}


def test_the_installed_server_makes_its_schema_from_the_migrations_in_the_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path / "site")
    script = "from bonanza_server.store.migrate import migrations_folder; print(migrations_folder())"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(tmp_path / "site" / "bonanza_server" / "migrations")
    url = f"sqlite:///{tmp_path}/study.db"
    command = [sys.executable, "-m", "bonanza.cli", "db", "upgrade", "--database", url]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    newest = max(path.name[:4] for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))
    assert f"from no schema to schema {newest}" in made.stdout


def test_nothing_but_the_packages_is_importable_from_the_roots() -> None:
    assert not (ROOT / "client" / "__init__.py").exists()
    assert not (ROOT / "server" / "__init__.py").exists()
