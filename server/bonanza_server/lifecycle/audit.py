"""Audit: where a study's tables differ from what its events say. They never should; a backup that was cut short, a hand in the database, or a bug may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.lifecycle.replay import BrokenHistory, Row, replay
from bonanza_server.store.models import attempts, events, studies, trials

ATTEMPT_KEY = (attempts.c.number, attempts.c.attempt)


class StudyRows(NamedTuple):
    """Every row of one study, from one moment."""

    study: Row
    trials: list[Row]
    attempts: list[Row]
    events: list[Row]


def read_rows(connection: Connection, study_id: int) -> StudyRows:
    """The whole of a study: for a check now and then, not for every start."""
    [study] = _rows(connection, sa.select(studies).where(studies.c.id == study_id))
    return StudyRows(
        study,
        _rows(connection, sa.select(trials).where(trials.c.study_id == study_id).order_by(trials.c.number)),
        _rows(connection, sa.select(attempts).where(attempts.c.study_id == study_id).order_by(*ATTEMPT_KEY)),
        _rows(connection, sa.select(events).where(events.c.study_id == study_id).order_by(events.c.seq)),
    )


def audit(rows: StudyRows) -> list[str]:
    """What is wrong with a study, one line each; empty when its events, replayed, give its tables."""
    try:
        said = replay(rows.events)
    except BrokenHistory as broken:
        return [str(broken)]
    tried = {(row["number"], row["attempt"]): row for row in rows.attempts}
    return [
        *_differences("the study", said.study, rows.study),
        *_compare("trial {}", said.trials, {row["number"]: row for row in rows.trials}),
        *_compare("trial {0[0]}, attempt {0[1]}", said.attempts, tried),
    ]


def _rows(connection: Connection, query: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _compare(name: str, said: Mapping[Any, Row], rows: Mapping[Any, Row]) -> list[str]:
    found = []
    for key in sorted({*rows, *said}):
        what = name.format(key)
        if key not in rows:
            found.append(f"{what} is missing from its table")
        elif key not in said:
            found.append(f"{what} has no event")
        else:
            found += _differences(what, said[key], rows[key])
    return found


def _differences(what: str, said: Row, row: Row) -> list[str]:
    return [
        f"{what}: {column} is {row[column]!r}, the events say {value!r}"
        for column, value in said.items()
        if row[column] != value
    ]
