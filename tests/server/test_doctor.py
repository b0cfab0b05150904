"""The doctor: a sound database is called so, and each invariant that a hand in the tables breaks is named with study, trial and rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from bonanza.cli import app
from bonanza_server.cli import CannotStart
from bonanza_server.doctor import examine
from bonanza_server.store.database import Database
from bonanza_server.store.models import attempts, studies, trials
from tests.live import LiveServer


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a study of two results, a trial under way and a report."""
    file = tmp_path_factory.mktemp("doctor") / "study.db"
    with LiveServer(f"sqlite:///{file}", fit_slots=0) as server:
        server.study("good")
        server.study("s", budget={"max_trials": 3, "max_parallel": 2})
        for value in (90.0, 91.0):
            server.tell(server.one(worker_id="a"), value)
        server.one(worker_id="b")
    return file


@pytest.fixture
def database(searched: Path, tmp_path: Path) -> Iterator[Database]:
    """A copy to break."""
    file = tmp_path / "study.db"
    file.write_bytes(searched.read_bytes())
    with closing(Database(f"sqlite:///{file}")) as opened:
        yield opened


S = 2  # the key of the study s

CASES = [
    (
        "two leased attempts",
        [
            "DROP INDEX uq_attempts_live",
            f"UPDATE attempts SET state = 'leased' WHERE study_id = {S} AND number = 1",
        ],
        1,
        "is complete with live attempt None, and the attempts [1] are leased",
        "attempts 1/1",
    ),
    (
        "one cell, two trials",
        [
            "DROP INDEX uq_trials_cell",
            f"UPDATE trials SET arch_id = (SELECT arch_id FROM trials WHERE study_id = {S} AND number = 0) WHERE study_id = {S} AND number = 1",
        ],
        0,
        "trials 0, 1 are of one cell",
        "trials 1",
    ),
    (
        "beyond the budget",
        [
            f"UPDATE events SET data = json_set(data, '$.budget.max_trials', 2) WHERE study_id = {S} AND kind = 'study.created'",
        ],
        2,
        "was started beyond max_trials: 3 of 2",
        "trials 2",
    ),
    (
        "too many at once",
        [
            f"UPDATE events SET data = json_set(data, '$.budget.max_parallel', 0) WHERE study_id = {S} AND kind = 'study.created'",
        ],
        0,
        "was started beyond max_parallel: 1 of 0",
        "trials 0",
    ),
    (
        "a change without an event",
        [f"UPDATE trials SET value = 99.5 WHERE study_id = {S} AND number = 1"],
        1,
        "value is 99.5, the events say 91.0",
        "trials 1",
    ),
    ("a missing event", [f"DELETE FROM events WHERE study_id = {S} AND seq = 3"], None, "event 3 is missing", "events"),
    (
        "an event twice",
        [
            f"INSERT INTO events SELECT study_id, 100 + seq, at, kind, number, data FROM events WHERE study_id = {S} AND seq = 3",
        ],
        None,
        "event 7 is missing",
        "events",
    ),
    (
        "a counter",
        [f"UPDATE studies SET complete = 7 WHERE id = {S}"],
        None,
        "complete is 7, the events say 2",
        f"studies {S}",
    ),
    (
        "a lost trial",
        [f"DELETE FROM trials WHERE study_id = {S} AND number = 1"],
        1,
        "trial 1 is missing from its table",
        "trials 1",
    ),
    (
        "a fit that is not there",
        [f"UPDATE studies SET fit_id = 77 WHERE id = {S}"],
        None,
        "its fit of version 0 is not where it says",
        "fits 77",
    ),
    (
        "reports of nobody",
        [f"INSERT INTO reports VALUES ({S}, 1, 9, 1, '{{}}', 1.0)"],
        1,
        "attempt 9, which nothing has leased, has reports",
        "reports 1/9",
    ),
]


@pytest.mark.parametrize(("broken", "statements", "trial", "says", "row"), CASES, ids=[case[0] for case in CASES])
def test_each_broken_invariant_is_named_with_its_trial_and_rows(
    database: Database, broken: str, statements: list[str], trial: int | None, says: str, row: str
) -> None:
    assert [study.findings for study in examine(database)] == [[], []]
    with database.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    [good, bad] = examine(database)
    assert (good.study, good.findings) == ("good", [])
    told = [found for found in bad.findings if says in found.violation.what]
    assert told, bad.findings
    assert (told[0].study, told[0].violation.trial) == ("s", trial)
    assert row in told[0].violation.rows


def test_the_command_exits_with_1_and_says_each_violation(database: Database) -> None:
    run = CliRunner()
    sound = run.invoke(app, ["db", "doctor", "--database", database.label])
    assert (sound.exit_code, "healthy" in sound.output, "2 studies, 3 trials" in sound.output) == (0, True, True)
    with database.engine.begin() as connection:
        connection.execute(sa.update(studies).where(studies.c.name == "s").values(complete=7))
        connection.execute(sa.delete(attempts).where(attempts.c.study_id == S, attempts.c.number == 0))
    found = run.invoke(app, ["db", "doctor", "--database", database.label])
    assert found.exit_code == 1
    assert "s: the study: complete is 7, the events say 2" in found.output
    assert "3 violations" in found.output
    lines = run.invoke(app, ["db", "doctor", "--json", "--database", database.label]).stdout.splitlines()
    assert {
        "study": "s",
        "trial": 0,
        "rows": ["attempts 0/1"],
        "what": "trial 0, attempt 1 is missing from its table",
    } in map(json.loads, lines)


def test_a_row_that_belongs_to_nothing_and_a_damaged_file_are_found(database: Database) -> None:
    run = CliRunner()
    with closing(sqlite3.connect(database.file, isolation_level=None)) as connection:  # which minds no foreign keys
        connection.execute(f"DELETE FROM trials WHERE study_id = {S} AND number = 1")
    found = run.invoke(app, ["db", "doctor", "--database", database.label])
    assert "a row of attempts belongs to no row of trials" in found.output
    with closing(sqlite3.connect(database.file, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'ix_trials_state'")
    database.disconnect()
    broken = run.invoke(app, ["db", "check", "--database", database.label])
    assert isinstance(broken.exception, CannotStart)
    assert "damaged" in str(broken.exception)


def test_a_study_whose_tables_are_wrong_is_mended_by_export_and_import(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.update(trials).where(trials.c.study_id == S, trials.c.number == 1).values(value=99.5))
        connection.execute(sa.update(studies).where(studies.c.id == S).values(complete=7, best_value=99.5))
    with LiveServer(database.label, fit_slots=0) as server:
        exported = server.http.get("/v1/studies/s/export").content
        headers = {"Content-Type": "application/x-ndjson"}
        assert server.http.post("/v1/studies/mended/import", content=exported, headers=headers).status_code == 201
        assert server.get("/v1/studies/mended")["best"]["value"] == 91.0
    assert {study.study: bool(study.findings) for study in examine(database)} == {
        "good": False,
        "s": True,
        "mended": False,
    }
