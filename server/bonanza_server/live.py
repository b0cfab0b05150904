"""What runs now: attempts with the curves they report, and the workers behind them; and the attempts of one trial as they went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza.schemas import AttemptList, AttemptRecord, Curve, Live, StudyWorker
from bonanza_server.answers import moment
from bonanza_server.columns import thinned
from bonanza_server.engine import Engine
from bonanza_server.finding import find_study, find_trial
from bonanza_server.store.database import Database
from bonanza_server.store.models import attempts, reports

MOST_STEPS = 200
MOST_CURVES = 256
"""Attempts under way whose curves are read; the newest."""


class Attempts:
    """Reads attempts."""

    def __init__(self, database: Database, engine: Engine) -> None:
        """Read from ``database``; the time is the engine's."""
        self._database = database
        self._engine = engine

    async def live(self, name: str) -> Live:
        """The attempts under way in a study, the newest first, and its workers, the last seen first.

        Raises:
            Refused: there is no such study.
        """

        def work(connection: Connection) -> Live:
            study = find_study(connection, name)
            query = (
                sa.select(*(column for column in attempts.c if column is not attempts.c.log_tail))
                .where(attempts.c.study_id == study["id"], attempts.c.state == "leased")
                .order_by(attempts.c.leased_at.desc())
                .limit(MOST_CURVES)
            )
            rows = connection.execute(query).all()
            return Live(
                now=datetime.fromtimestamp(self._engine.now(), UTC),
                attempts=_records(connection, study["id"], rows),
                workers=_workers(connection, study["id"]),
            )

        return await self._database.read(work)

    async def of_trial(self, name: str, number: int) -> AttemptList:
        """The attempts at a trial, first to last.

        Raises:
            Refused: there is no such study or trial.
        """

        def work(connection: Connection) -> AttemptList:
            study = find_study(connection, name)
            find_trial(connection, study, number)
            query = sa.select(attempts).where(attempts.c.study_id == study["id"], attempts.c.number == number)
            rows = connection.execute(query.order_by(attempts.c.attempt)).all()
            return AttemptList(attempts=_records(connection, study["id"], rows))

        return await self._database.read(work)


def _records(connection: Connection, study_id: int, rows: Sequence[Any]) -> list[AttemptRecord]:
    points: dict[tuple[int, int], list[Any]] = {}
    if rows:
        keys = [(row.number, row.attempt) for row in rows]
        query = (
            sa.select(reports.c.number, reports.c.attempt, reports.c.step, reports.c.metrics)
            .where(reports.c.study_id == study_id, sa.tuple_(reports.c.number, reports.c.attempt).in_(keys))
            .order_by(reports.c.number, reports.c.attempt, reports.c.step)
        )
        for point in connection.execute(query):
            points.setdefault((point.number, point.attempt), []).append(point)
    return [_record(row, points.get((row.number, row.attempt), [])) for row in rows]


def _record(row: Any, points: list[Any]) -> AttemptRecord:
    told = row.told or {}
    return AttemptRecord.model_validate(
        {
            "number": row.attempt,
            "trial": row.number,
            "worker_id": row.worker_id,
            "state": row.state,
            "kind": row.kind,
            "leased_at": moment(row.leased_at),
            "heartbeat_at": moment(row.heartbeat_at),
            "expires_at": moment(row.expires_at),
            "ended_at": moment(row.ended_at),
            "progress": row.progress,
            "outcome": told.get("outcome"),
            "value": told.get("value"),
            "error": told.get("error"),
            "log_tail": getattr(row, "log_tail", None),
            "curve": _curve(points),
        }
    )


def _curve(points: list[Any]) -> Curve:
    kept = thinned(points, MOST_STEPS)
    names = list(dict.fromkeys(name for point in kept for name in point.metrics))
    return Curve(
        step=[point.step for point in kept],
        metrics={name: [point.metrics.get(name) for point in kept] for name in names},
    )


def _workers(connection: Connection, study_id: int) -> list[StudyWorker]:
    seen = sa.func.max(sa.func.coalesce(attempts.c.ended_at, attempts.c.heartbeat_at, attempts.c.leased_at))
    query = (
        sa.select(
            attempts.c.worker_id,
            attempts.c.state,
            sa.func.count().label("times"),
            seen.label("seen"),
            sa.func.coalesce(sa.func.sum(attempts.c.ended_at - attempts.c.leased_at), 0.0).label("busy"),
        )
        .where(attempts.c.study_id == study_id)
        .group_by(attempts.c.worker_id, attempts.c.state)
    )
    counts: dict[str | None, dict[str, int]] = {}
    last: dict[str | None, float] = {}
    busy: dict[str | None, float] = {}
    for row in connection.execute(query):
        counts.setdefault(row.worker_id, {})[row.state] = row.times
        last[row.worker_id] = max(last.get(row.worker_id, 0.0), row.seen)
        busy[row.worker_id] = busy.get(row.worker_id, 0.0) + row.busy
    held: dict[str | None, list[int]] = {}
    live = sa.select(attempts.c.worker_id, attempts.c.number).where(
        attempts.c.study_id == study_id, attempts.c.state == "leased"
    )
    for row in connection.execute(live.order_by(attempts.c.number)):
        held.setdefault(row.worker_id, []).append(row.number)
    return [
        StudyWorker(
            worker_id=worker,
            trials=held.get(worker, []),
            last_seen_at=datetime.fromtimestamp(last[worker], UTC),
            succeeded=counts[worker].get("succeeded", 0) + counts[worker].get("pruned", 0),
            failed=counts[worker].get("failed", 0),
            lost=counts[worker].get("expired", 0) + counts[worker].get("superseded", 0),
            released=counts[worker].get("released", 0),
            busy_s=round(busy[worker], 2),
        )
        for worker in sorted(counts, key=lambda worker: -last[worker])
    ]
