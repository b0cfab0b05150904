"""Readiness: whether this server can do its work, and what keeps it from it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable

import sqlalchemy as sa

from bonanza.schemas import Readiness
from bonanza_server.engine import Engine
from bonanza_server.store import migrate
from bonanza_server.store.database import Database, DatabaseError
from bonanza_server.upkeep import Upkeep

LITTLE_FREE, NO_ROOM = 64 << 20, 4 << 20
"""Bytes beside the SQLite file: with fewer than the first it is about to refuse results, with fewer than the second it does."""
SILENT_S = 60.0
"""A server whose upkeep could do nothing for so long does not look after its leases."""

DRAINING = "draining: it was told to stop and answers what still comes; send new requests to another"
OK, DEGRADED = "ok", "degraded: "
"""What begins with the second is for people to mend, while work goes on: to send nobody here any more would make it worse."""


async def readiness(database: Database, engine: Engine, upkeep: Upkeep, *, draining: bool) -> Readiness:
    """Each part by name, and whether all of them together can serve studies; not while the server is ``draining``."""
    checks = {"server": DRAINING} if draining else {}
    checks["database"] = await _database(database)
    if checks["database"] == OK:
        checks["schema"] = await _asked(lambda: migrate.check(database))
    checks["engine"] = _engine(engine, upkeep)
    if database.sqlite:
        checks["disk"] = await asyncio.to_thread(_disk, database)
    return judged(checks)


def judged(checks: dict[str, str]) -> Readiness:
    """The checks with what they come to: ``ready``, ``degraded``, or ``unavailable`` where one says that it cannot work."""
    said = set(checks.values()) - {OK}
    worst = "degraded" if all(what.startswith(DEGRADED) for what in said) else "unavailable"
    return Readiness(status=worst if said else "ready", checks=checks)


async def _database(database: Database) -> str:
    try:
        await database.read(lambda connection: connection.execute(sa.text("SELECT 1")))
    except sa.exc.DBAPIError as error:
        return f"does not answer: {str(error.orig).strip().splitlines()[0]}"
    except sa.exc.TimeoutError as error:
        return f"has no connection left: {error}"
    return OK


async def _asked(work: Callable[[], object]) -> str:
    try:
        await asyncio.to_thread(work)
    except (DatabaseError, sa.exc.DBAPIError) as error:
        return str(error).splitlines()[0]
    return OK


def _disk(database: Database) -> str:
    free = shutil.disk_usage(database.file.parent).free
    if free >= LITTLE_FREE:
        return OK
    what = f"{free >> 20} MB are free beside {database.file.name}: make room, or results will be refused"
    return what if free < NO_ROOM else DEGRADED + what


def _engine(engine: Engine, upkeep: Upkeep) -> str:
    if (silent := upkeep.silent_s()) > SILENT_S:
        return f"nothing was looked after for {silent:.0f} s, leases among it: the log says why; restart the server if it does not mend"
    if (lost := engine.trouble()) is not None:
        return f"{DEGRADED}{lost}; asks are served without new models"
    return OK
