"""What a server does by the clock: ends overdue leases, signs that it lives, starts late fits, has waiting asks look again, forgets what is not kept for ever.

On its start, when the database is back after it was not, and when it was itself held up (a process stopped, a machine put to sleep), it gives
every live lease the length of the outage back: the workers could not be heard, so their silence says nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from bonanza_server import meters
from bonanza_server.access import place
from bonanza_server.engine import Engine
from bonanza_server.errors import Refused
from bonanza_server.lifecycle.claim import SILENCE_S, drop_dead
from bonanza_server.lifecycle.lease import expire, extend_all, overdue
from bonanza_server.lifecycle.ledger import open_ledger
from bonanza_server.store.bulletin import Bulletin
from bonanza_server.store.database import Database
from bonanza_server.store.models import servers
from bonanza_server.store.retention import Retention, forget
from bonanza_server.waiting import WaitingRoom

log = logging.getLogger(__name__)

SIGN_OF_LIFE_S = 2.0
HELD_UP_S = 30.0
"""A server that could give no sign of life for so long has heard nobody either. Leases of the usual length outlive anything shorter."""
FORGET_S = 3600.0


class Upkeep:
    """The clockwork of one server process."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        waiting: WaitingRoom,
        bulletin: Bulletin,
        *,
        clock: Callable[[], float],
        interval_s: float,
        poll_s: float,
        retention: Retention,
    ) -> None:
        """Look at the leases every ``interval_s`` seconds, have whoever waits look every ``poll_s``, and once an hour forget what ``retention`` does not keep."""
        self._database = database
        self._bulletin = bulletin
        self._engine = engine
        self._waiting = waiting
        self._clock = clock
        self._interval = interval_s
        self._poll = poll_s
        self._retention = retention
        self._id = engine.server_id
        self._deaf = True
        self._awake_at = awake_s()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Extend the leases by the outage, then keep going until ``close``."""
        await self._sign()
        for work, seconds in (
            (self.look_after_leases, self._interval),
            (self._sign, SIGN_OF_LIFE_S),
            (self._nudge, self._poll),
            (self.forget_the_old, FORGET_S),
        ):
            self._tasks.append(asyncio.create_task(self._every(work, seconds)))

    async def close(self) -> None:
        """Stop, with a last sign of life."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(Exception):  # the database may be what is failing
            await self._sign()

    async def look_after_leases(self) -> None:
        """End the leases that ran out, and start fits that nobody started."""
        if self._deaf or self._was_held_up():
            await self._sign()
        now = self._clock()
        try:
            found = await self._database.read(partial(overdue, now=now))
        except Exception:
            self._deaf = True
            raise
        for (project, name), leases in found.items():
            work = partial(_expire_all, project=project, name=name, leases=leases, now=now)
            try:
                ended = await self._database.write(work, study=place(project, name))
            except Refused:
                continue  # the study was deleted meanwhile
            if ended:
                meters.EXPIRED.inc(ended)
                log.info("study %s: %d lease(s) ran out", name, ended)
                self._waiting.announce(place(project, name))
        await self._engine.sweep()

    def silent_s(self) -> float:
        """Seconds since this server could last sign that it lives."""
        return awake_s() - self._awake_at

    def _was_held_up(self) -> bool:
        return self.silent_s() > HELD_UP_S

    async def _sign(self) -> None:
        deaf = self._deaf or self._was_held_up()
        try:
            outage, others = await self._database.write(partial(self._alive, deaf=deaf))
        except Exception:
            self._deaf = True
            raise
        self._deaf, self._awake_at = False, awake_s()
        self._bulletin.alone = others == 0
        if outage > SIGN_OF_LIFE_S:
            log.info("no server was there for %.0f s: live leases were extended by as much", outage)

    def _alive(self, connection: Connection, *, deaf: bool) -> tuple[float, int]:
        """Sign that this server lives; if it was ``deaf``, extend the leases by the seconds that none did.

        Return these seconds, and how many other servers live.
        """
        now, outage = self._clock(), 0.0
        if deaf:
            newest = connection.execute(sa.select(sa.func.max(servers.c.alive_at))).scalar_one()
            outage = 0.0 if newest is None else max(0.0, now - newest)
            if outage > 0:
                extend_all(connection, outage)
            # A SQLite file has one server process: whoever else signed is dead, however short a time ago.
            dead = sa.true() if self._database.sqlite else servers.c.alive_at < now - FORGET_S
            connection.execute(sa.delete(servers).where(dead))
        mine = sa.update(servers).where(servers.c.id == self._id).values(alive_at=now)
        if connection.execute(mine).rowcount == 0:
            connection.execute(sa.insert(servers), {"id": self._id, "alive_at": now})
        drop_dead(connection, now)
        alive = sa.and_(servers.c.id != self._id, servers.c.alive_at > now - SILENCE_S)
        others = connection.execute(sa.select(sa.func.count()).select_from(servers).where(alive)).scalar_one()
        return outage, others

    async def _nudge(self) -> None:
        """Wake every line: what it waits for may have come of time, or of another process that could not be heard."""
        for study in self._waiting.studies():
            self._waiting.wake(study)

    async def forget_the_old(self) -> None:
        """Drop what is not kept for ever and is old enough."""
        forgotten = await forget(self._database, self._retention, now=self._clock())
        if forgotten:
            log.info("forgot %d reports and idempotency keys that were old enough", forgotten)

    async def _every(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except (OperationalError, InterfaceError) as error:
                log.warning("the database cannot be used, trying again in %g s: %s", seconds, error.orig)
            except Exception:
                log.exception("upkeep failed, trying again in %g s", seconds)


def awake_s() -> float:
    """Seconds of a clock that nobody sets and that goes on while the machine sleeps, where there is such a clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _expire_all(connection: Connection, *, project: str, name: str, leases: list[tuple[int, int]], now: float) -> int:
    with open_ledger(connection, project, name, now) as ledger:
        return sum(expire(ledger, number, attempt) for number, attempt in leases)
