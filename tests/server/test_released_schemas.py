"""Upgrades from every schema that was ever released, from databases that the code of its time has filled: nothing is lost, and the searches go on."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from bonanza_server.doctor import examine, unsound
from bonanza_server.store import migrate
from bonanza_server.store.database import Database
from bonanza_server.store.models import events, trials
from tests.live import LiveServer

RELEASED = Path(__file__).parent / "released"
REVISIONS = sorted({path.name.partition(".")[0] for path in RELEASED.glob("*.gz")})


def load(url: str, dialect: str, release: str) -> None:
    """Fill an empty database with what is stored of a release."""
    sql = gzip.decompress((RELEASED / f"{release}.{dialect}.sql.gz").read_bytes()).decode()
    if dialect == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(sql)
        return
    lines = [line for line in sql.splitlines() if not line.startswith("\\")]  # psql's own
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("\n".join(lines).encode())


def count(database: Database) -> tuple[int, int]:
    def look(connection: sa.Connection) -> tuple[int, int]:
        query = sa.select(sa.func.count())
        return connection.execute(query.select_from(trials)).scalar_one(), connection.execute(
            query.select_from(events)
        ).scalar_one()

    return database.read_now(look)


def test_there_is_a_database_of_every_schema_that_was_released() -> None:
    assert set(REVISIONS) <= migrate.known()
    assert {"0001", "0002", "0003"} <= set(REVISIONS)


@pytest.mark.parametrize("release", REVISIONS)
def test_a_database_of_a_released_schema_is_upgraded_whole_and_its_searches_go_on(
    new_database: Callable[[], str], dialect: str, release: str
) -> None:
    url = new_database()
    load(url, dialect, release)
    with closing(Database(url)) as database:
        before = count(database)
        steps = migrate.plan(database)
        assert [step.revision for step in steps] == sorted(step for step in migrate.known() if step > release)
        migrate.rehearse(database)
        assert migrate.current(database) == release
        done = migrate.upgrade(database)
        assert done[:2] == (release, migrate.newest())
        assert count(database) == before
        assert unsound(database) == []
        assert [(study.study, study.findings) for study in examine(database)] == [("searched", []), ("small", [])]
        if dialect == "sqlite" and steps:
            assert done.kept is not None
            assert sorted(path.name for path in database.file.parent.glob(f"*{database.file.name}*schema*")) == [
                done.kept.name
            ]
            with closing(Database(f"sqlite:///{done.kept}")) as kept:
                assert (migrate.current(kept), count(kept)) == (release, before)
        else:
            assert done.kept is None
        with LiveServer(url, fit_slots=0) as server:
            assert server.get("/v1/studies/searched")["trials"]["complete"] == 4
            assert server.get("/v1/studies/small")["state"] == "paused"
            server.tell(server.one("searched"), 92.5, "searched")
            best = server.get("/v1/studies/searched/best?k=1")["trials"][0]
            assert best["value"] == 92.5
        assert [study.findings for study in examine(database)] == [[], []]
