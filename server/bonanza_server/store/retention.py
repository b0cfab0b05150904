"""Retention: what is not kept for ever goes, a little in each transaction, so that nobody waits for it.

A learning curve goes with all its points, once its trial has ended long enough ago; what a pruner goes on comparing with stays while its study is not finished, and
the short curve that a trial of such a study keeps stays always. No state hangs on either, so there is no event.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.store import keys
from bonanza_server.store.database import Database
from bonanza_server.store.models import idempotency, reports, studies, trials

TRIALS_AT_ONCE = 200
KEYS_AT_ONCE = 2_000


class Retention(NamedTuple):
    """Seconds that learning curves are kept after their trial's end (None: for ever), and idempotency keys after their answer."""

    reports: float | None = None
    keys: float = 86_400.0


async def forget(database: Database, retention: Retention, *, now: float) -> int:
    """Delete what is old enough, and what is over of keys; return how many rows of the first."""
    total = await _until_none_is_left(database, partial(_keys, before=now - retention.keys))
    if retention.reports is not None:
        for study in await database.read(_without_comparisons):
            total += await _until_none_is_left(database, partial(_reports, study=study, before=now - retention.reports))
    await database.write(partial(keys.purge, now=now))
    return total


async def _until_none_is_left(database: Database, work: partial[int]) -> int:
    total = 0
    while gone := await database.write(work):
        total += gone
    return total


def _keys(connection: Connection, *, before: float) -> int:
    old = sa.select(idempotency.c.project, idempotency.c.key).where(idempotency.c.created_at < before)
    named = sa.tuple_(idempotency.c.project, idempotency.c.key)
    gone = sa.delete(idempotency).where(named.in_(old.limit(KEYS_AT_ONCE)))
    return int(connection.execute(gone).rowcount)


def _without_comparisons(connection: Connection) -> list[int]:
    """The studies whose curves no report to come is compared with."""
    free = sa.or_(studies.c.state == "finished", studies.c.pruner["name"].as_string() == "none")
    return list(connection.execute(sa.select(studies.c.id).where(free)).scalars())


def _reports(connection: Connection, *, study: int, before: float) -> int:
    has = sa.exists().where(reports.c.study_id == trials.c.study_id, reports.c.number == trials.c.number)
    old = sa.select(trials.c.number).where(trials.c.study_id == study, trials.c.finished_at < before, has)
    numbers = connection.execute(old.limit(TRIALS_AT_ONCE)).scalars().all()
    if not numbers:
        return 0
    gone = sa.delete(reports).where(reports.c.study_id == study, reports.c.number.in_(numbers))
    return int(connection.execute(gone).rowcount)
