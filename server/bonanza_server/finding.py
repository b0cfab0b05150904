"""Rows by what a request calls them: a study by its name, a trial by its number. Nothing is locked; a change goes through ``lifecycle.ledger``."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.access import visible
from bonanza_server.errors import no_study, no_trial
from bonanza_server.lifecycle.ledger import Row
from bonanza_server.store.models import attempts, studies, trials


def find_study(connection: Connection, name: str) -> Row:
    """A study's row as it stands, not locked.

    Raises:
        Refused: there is none.
    """
    row = (
        connection.execute(sa.select(studies).where(visible(studies.c.project, studies.c.name), studies.c.name == name))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise no_study(name)
    return dict(row)


def find_trial(connection: Connection, study: Row, number: int) -> Row:
    """A trial's row.

    Raises:
        Refused: there is none.
    """
    row = (
        connection.execute(sa.select(trials).where(trials.c.study_id == study["id"], trials.c.number == number))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise no_trial(study["name"], number)
    return dict(row)


def live_attempts(connection: Connection, study_id: int, numbers: list[int]) -> dict[int, Row]:
    """The leased attempts of these trials, by trial."""
    if not numbers:
        return {}
    query = sa.select(attempts).where(
        attempts.c.study_id == study_id, attempts.c.number.in_(numbers), attempts.c.state == "leased"
    )
    return {row["number"]: dict(row) for row in connection.execute(query).mappings()}


def best_architectures(connection: Connection, keys: list[tuple[int, int]]) -> dict[int, dict[str, Any]]:
    """The architecture of a trial of each study: ``keys`` are (study, number)."""
    if not keys:
        return {}
    query = sa.select(trials.c.study_id, trials.c.architecture).where(
        sa.tuple_(trials.c.study_id, trials.c.number).in_(keys)
    )
    return {row.study_id: row.architecture for row in connection.execute(query)}
