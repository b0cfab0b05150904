"""The doctor: whether a database holds what it must, study by study, each from one moment; a server may go on meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.lifecycle.audit import Violation, audit, read_rows
from bonanza_server.store.database import Database
from bonanza_server.store.models import attempts, fits, reports, studies


class Finding(NamedTuple):
    """One violation, and the study it is of (None: of the database)."""

    study: str | None
    violation: Violation

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {"study": self.study, **self.violation._asdict()}


class Examined(NamedTuple):
    """A study that was looked at, how much of it, and what was found."""

    study: str
    trials: int
    events: int
    findings: list[Finding]


def unsound(database: Database) -> list[Finding]:
    """What is wrong with the file itself, by SQLite's own checks; PostgreSQL does these all the time."""
    if not database.sqlite:
        return []

    def look(connection: Connection) -> list[Finding]:
        said = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
        lost = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return [
            *(Finding(None, Violation(f"the file is damaged: {what}")) for what in said if what != "ok"),
            *(
                Finding(
                    None, Violation(f"a row of {row[0]} belongs to no row of {row[2]}", rows=(f"{row[0]} {row[1]}",))
                )
                for row in lost
            ),
        ]

    return database.read_now(look)


def examine(database: Database) -> Iterator[Examined]:
    """Every study in turn; one that is deleted meanwhile is passed over."""
    every = database.read_now(
        lambda connection: connection.execute(sa.select(studies.c.id).order_by(studies.c.id)).scalars().all()
    )
    for key in every:
        found = database.read_now(lambda connection, key=key: _examine(connection, key))  # type: ignore[misc]
        if found is not None:
            yield found


def _examine(connection: Connection, key: int) -> Examined | None:
    if connection.execute(sa.select(studies.c.id).where(studies.c.id == key)).first() is None:
        return None
    rows = read_rows(connection, key)
    name = rows.study["name"]
    found = [*audit(rows), *_fit_in_use(connection, rows.study), *_reports_of_nobody(connection, key)]
    return Examined(name, len(rows.trials), len(rows.events), [Finding(name, violation) for violation in found])


def _fit_in_use(connection: Connection, study: dict[str, Any]) -> Iterator[Violation]:
    if study["fit_id"] is None:
        return
    query = sa.select(fits.c.study_id, fits.c.version).where(fits.c.id == study["fit_id"])
    found = connection.execute(query).one_or_none()
    if found is None or tuple(found) != (study["id"], study["fit_version"]):
        shown = (f"studies {study['id']}", f"fits {study['fit_id']}")
        yield Violation(f"the study: its fit of version {study['fit_version']} is not where it says", rows=shown)


def _reports_of_nobody(connection: Connection, key: int) -> Iterator[Violation]:
    mine = sa.and_(
        attempts.c.study_id == reports.c.study_id,
        attempts.c.number == reports.c.number,
        attempts.c.attempt == reports.c.attempt,
    )
    query = (
        sa.select(reports.c.number, reports.c.attempt)
        .distinct()
        .where(reports.c.study_id == key, ~sa.exists().where(mine))
    )
    for number, attempt in connection.execute(query):
        yield Violation(
            f"trial {number}: attempt {attempt}, which nothing has leased, has reports",
            number,
            (f"reports {number}/{attempt}",),
        )
