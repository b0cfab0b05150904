"""Workers: what each daemon said last of itself, and when. No trial hangs on it: leases are what counts."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from bonanza.schemas import Worker, WorkerReport
from bonanza_server.access import caller, project, visible
from bonanza_server.errors import Refused
from bonanza_server.lifecycle.ledger import Row, open_ledger
from bonanza_server.service import Service
from bonanza_server.store.models import workers

FORGET_S = 7 * 86_400.0
"""A worker that was silent for so long is forgotten."""

_UPSERT = {
    name: statement.on_conflict_do_update(
        index_elements=["project", "id"],
        set_={"report": statement.excluded.report, "seen_at": statement.excluded.seen_at},
    )
    for name, statement in (("sqlite", sqlite.insert(workers)), ("postgresql", postgresql.insert(workers)))
}


class Workers:
    """The list of workers."""

    def __init__(self, service: Service) -> None:
        """Kept in the service's database, dated by its clock."""
        self._database = service.database
        self._clock = service.clock

    async def put(self, worker: str, report: WorkerReport) -> Worker:
        """Register a worker, or replace what it said of itself.

        Raises:
            Refused: the caller's key is for another study than the worker's.
        """
        only = caller().study
        if only is not None and report.study != only:
            raise Refused(
                "forbidden", f"this key is for the study {only!r} alone, so a worker under it is of that study"
            )

        def work(connection: Connection) -> Row:
            now = self._clock()
            before = connection.execute(_one(worker)).mappings().one_or_none()
            connection.execute(sa.delete(workers).where(workers.c.seen_at < now - FORGET_S))
            row = {
                "project": project(),
                "id": worker,
                "report": report.model_dump(mode="json"),
                "registered_at": now,
                "seen_at": now,
            }
            connection.execute(_UPSERT[connection.dialect.name], row)
            _note_quarantine(connection, worker, report, {} if before is None else before["report"], now)
            return dict(connection.execute(_one(worker)).mappings().one())

        return self._answer(await self._database.write(work))

    async def get(self, worker: str) -> Worker:
        """One worker.

        Raises:
            Refused: none of that name was heard of lately.
        """
        rows = await self._database.read(lambda connection: connection.execute(_one(worker)).mappings().all())
        if not rows:
            raise Refused(
                "not-found", f"no worker {worker!r} was heard of in the last week: GET /v1/workers lists them"
            )
        return self._answer(dict(rows[0]))

    async def list(self, study: str | None) -> list[Worker]:
        """The workers heard of lately, or those of one study, by name."""
        query = sa.select(workers).where(_visible(), workers.c.seen_at >= self._clock() - FORGET_S)
        rows = await self._database.read(
            lambda connection: connection.execute(query.order_by(workers.c.id)).mappings().all()
        )
        return [self._answer(dict(row)) for row in rows if study is None or row["report"]["study"] == study]

    def _answer(self, row: Row) -> Worker:
        return Worker.model_validate(
            row["report"]
            | {
                "id": row["id"],
                "registered_at": row["registered_at"],
                "seen_at": row["seen_at"],
                "silent_s": max(0.0, self._clock() - row["seen_at"]),
            }
        )


def _one(worker: str) -> sa.Select[tuple[object, ...]]:
    return sa.select(workers).where(_visible(), workers.c.id == worker)


def _note_quarantine(connection: Connection, worker: str, report: WorkerReport, before: Row, now: float) -> None:
    """An event of the worker's study for each slot that has gone into quarantine since its last report."""
    already = {slot["name"] for slot in before.get("slots", []) if slot["state"] == "quarantined"}
    gone = [slot for slot in report.slots if slot.state == "quarantined" and slot.name not in already]
    if not gone or report.study is None:
        return
    with (
        suppress(Refused),
        open_ledger(connection, project(), report.study, now) as ledger,
    ):  # a study that is not there
        for slot in gone:
            ledger.record("worker.quarantined", worker=worker, slot=slot.name, error=slot.error)


def _visible() -> sa.ColumnElement[bool]:
    return visible(workers.c.project, workers.c.report["study"].as_string())
