"""What a report is made of: a study's rows from one moment, as plain values, so that they travel to the process that computes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.store.models import attempts, events, fits, reports, spaces, trials

Row = dict[str, Any]

MOST_POINTS = 2_000_000
"""Points of learning curves that are read; of more the later trials' are left out, and the report says so."""


@dataclass(frozen=True)
class Material:
    """A study: its row, its space, trials, attempts and fits as rows, learning curves as (trial, attempt, step, metrics)."""

    study: Row
    space: dict[str, Any]
    trials: list[Row]
    attempts: list[Row]
    fits: list[Row]
    curves: list[tuple[int, int, int, dict[str, float]]]
    events_hash: str
    now: float
    python: str
    bonanza: str


def read_material(connection: Connection, study: Row, *, now: float, python: str, bonanza: str) -> Material:
    """Everything of a study that a report looks at."""
    key = study["id"]
    spec = connection.execute(sa.select(spaces.c.spec).where(spaces.c.hash == study["space_hash"])).scalar_one()
    columns = [column for column in trials.columns if column.name not in {"explanation", "study_id"}]
    tried = (
        attempts.c.number,
        attempts.c.attempt,
        attempts.c.state,
        attempts.c.kind,
        attempts.c.leased_at,
        attempts.c.ended_at,
    )
    made = (fits.c.version, fits.c.seconds, fits.c.observations, fits.c.diagnostics, fits.c.created_at)

    def rows(query: sa.Select[Any]) -> list[Row]:
        return [dict(row) for row in connection.execute(query).mappings()]

    points = (
        sa.select(reports.c.number, reports.c.attempt, reports.c.step, reports.c.metrics)
        .where(reports.c.study_id == key)
        .order_by(reports.c.number, reports.c.attempt, reports.c.step)
        .limit(MOST_POINTS)
    )
    return Material(
        study=study,
        space=spec,
        trials=rows(sa.select(*columns).where(trials.c.study_id == key).order_by(trials.c.number)),
        attempts=rows(sa.select(*tried).where(attempts.c.study_id == key)),
        fits=rows(sa.select(*made).where(fits.c.study_id == key).order_by(fits.c.version)),
        curves=[tuple(row) for row in connection.execute(points)],
        events_hash=_hash_of_events(connection, key),
        now=now,
        python=python,
        bonanza=bonanza,
    )


def _hash_of_events(connection: Connection, key: int) -> str:
    digest = hashlib.sha256()
    query = sa.select(events.c.seq, events.c.at, events.c.kind, events.c.number, events.c.data)
    update: Callable[[bytes], None] = digest.update
    for row in connection.execute(query.where(events.c.study_id == key).order_by(events.c.seq)):
        update(json.dumps(list(row), sort_keys=True, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()
