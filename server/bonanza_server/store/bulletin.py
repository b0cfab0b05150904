"""The bulletin: server processes on one PostgreSQL tell each other which studies have changed, by LISTEN and NOTIFY.

A change is told after its commit, in a transaction of its own: the first at once, and those of the next ``PAUSE_S`` together. Inside the
transaction of the change it would cost no round trip, but PostgreSQL lets only one transaction that notifies commit at a time, the wait for the
disk included: every study would wait for every other's.

It is a courtesy: whoever dies between its commit and its word, or cannot be heard, is found out by polling (``upkeep``). SQLite has one server
process, which needs none of this.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.store.database import Database

log = logging.getLogger(__name__)

CHANNEL = "bonanza"
PAUSE_S = 0.1
"""Told one by one, the changes of a busy server would cost every other server more than its own requests do."""
MOST_BYTES = 7_000
"""PostgreSQL takes 8,000 bytes a word."""
RECONNECT_S = 1.0
KEEPALIVE: dict[str, Any] = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""A listener sends nothing: without these it would not notice for hours that the other end is gone."""
_TELL = sa.text("SELECT pg_notify(:channel, :word)")


class Bulletin:
    """What this process tells the others, and hears of them. Belongs to the event loop's thread."""

    def __init__(self, database: Database) -> None:
        """Tell what ``database`` has."""
        self.alone = True
        """No other server process is known: nothing is told. Whoever hears another knows better; ``upkeep`` counts the living."""
        self.listening = asyncio.Event()
        self._database = database
        self._server = uuid.uuid4().hex
        self._on_news: Callable[[str, int], None] = lambda _study, _batons: None
        self._untold: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._telling: asyncio.Task[None] | None = None

    def start(self, on_news: Callable[[str, int], None]) -> None:
        """Make this process known to the others, and call ``on_news(study, batons)`` for every change that one of them tells of."""
        self._on_news = on_news
        if not self._database.sqlite:
            self._tasks.append(asyncio.create_task(self._listen(), name="bulletin"))

    async def close(self) -> None:
        """Say what is unsaid, and listen no longer."""
        if self._telling is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await asyncio.wait([self._telling])
            self._telling.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def tell(self, study: str, batons: int) -> None:
        """Tell the others, if there are any, that ``study`` has changed, and how many asks may wake for it; the change must be committed."""
        if self.alone or self._database.sqlite:
            return
        self._untold[study] = max(batons, self._untold.get(study, 0))
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="bulletin-tell")

    async def _tell(self) -> None:
        while self._untold:
            untold, self._untold = self._untold, {}
            try:
                await self._database.write(partial(self._write, untold=untold))
            except Exception as error:  # noqa: BLE001 - they poll; that the database is away is said often enough elsewhere
                log.debug("could not tell the other servers of %s: %s", list(untold), error)
            await asyncio.sleep(PAUSE_S)

    def _write(self, connection: Connection, *, untold: dict[str, int]) -> None:
        word = self._server
        for study, batons in untold.items():
            if len(word) + len(study) > MOST_BYTES:
                connection.execute(_TELL, {"channel": CHANNEL, "word": word})
                word = self._server
            word += f"\n{batons} {study}"
        connection.execute(_TELL, {"channel": CHANNEL, "word": word})

    async def _listen(self) -> None:
        heard = True
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, self._server])
                    heard = True
                    self.listening.set()
                    async for word in connection.notifies():
                        self._hear(word.payload)
            except psycopg.Error as error:
                if heard:
                    log.warning("cannot hear the other servers, polling until that is mended: %s", error)
                heard = False
            finally:
                self.listening.clear()
            await asyncio.sleep(RECONNECT_S)

    async def _connect(self) -> psycopg.AsyncConnection:
        url = self._database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=10, application_name="bonanza bulletin", **KEEPALIVE
        )

    def _hear(self, word: str) -> None:
        server, *changes = word.split("\n")  # without a study it is a greeting
        if server == self._server:
            return
        self.alone = False
        for change in changes:
            batons, _, study = change.partition(" ")
            self._on_news(study, int(batons))
