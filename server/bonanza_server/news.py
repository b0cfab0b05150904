"""News of studies for whoever watches: one look at the database for all streams of this process, however many tabs are open.

While anybody watches, the process looks every ``INTERVAL_S`` seconds whether the studies watched have new events, or their workers have beaten;
so a change by another server process is seen like one of our own, and a tell does nothing for it. New events are read once and written once,
and handed to every stream. A stream that is further behind (it reconnects with its Last-Event-ID) reads what it missed from the log itself,
so none is lost and none comes twice. While nobody watches nothing is done.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza.schemas import Event
from bonanza_server.access import acting, in_project, place, project
from bonanza_server.errors import Refused
from bonanza_server.reading import EVENTS_A_READ, Reading
from bonanza_server.store.database import Database
from bonanza_server.store.models import attempts, studies

log = logging.getLogger(__name__)

INTERVAL_S = 0.4
KEEP_ALIVE_S = 15.0
"""How often a silent stream says that it lives: a connection that died says nothing, and no proxy keeps a silent one for long."""
KEPT = 512
"""Newest events that are handed on without another look at the log."""
MOST_STREAMS = 1_000


class Gone(Exception):
    """The study was deleted."""


@dataclass
class _Watched:
    """What is known of a study that is watched."""

    project: str
    name: str
    created_at: float = 0.0
    seq: int = 0
    beat: tuple[float | None, bool] = (None, False)
    beats: int = 0
    gone: bool = False
    recent: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=KEPT))
    streams: set[asyncio.Event] = field(default_factory=set)

    def wake(self) -> None:
        for stream in self.streams:
            stream.set()


class News:
    """The streams of this process; belongs to the event loop's thread."""

    def __init__(self, database: Database, reading: Reading) -> None:
        """Look at ``database``; what a stream has missed comes from ``reading``."""
        self._database = database
        self._reading = reading
        self._watched: dict[str, _Watched] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def events(self, study: str, after: int) -> AsyncIterator[str]:
        """Server-sent events without end: the study's events after ``after``, as they come, with their numbers as ids.

        Between them ``event: beat`` without an id, when a worker has beaten or reported or a fit has begun or ended: what no event tells.
        The stream ends when the study is deleted or the server stops.
        """
        with self._watch(study) as (watched, woken):
            beats = watched.beats
            yield "retry: 1000\n\n"
            while not self._closed:
                woken.clear()
                text, after = await self._news(watched, study, after)
                if watched.gone:
                    return
                if watched.beats != beats:
                    beats = watched.beats
                    text += f'event: beat\ndata: {{"refitting": {"true" if watched.beat[1] else "false"}}}\n\n'
                if text:
                    yield text
                    continue
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        await woken.wait()
                except TimeoutError:
                    yield ": still here\n\n"

    async def _news(self, watched: _Watched, study: str, after: int) -> tuple[str, int]:
        if watched.seq and watched.seq <= after:
            return "", after
        if watched.recent and watched.recent[0][0] <= after + 1:
            text = "".join(text for seq, text in watched.recent if seq > after)
            return text, watched.recent[-1][0]
        try:
            page = await self._reading.events(study, after)
        except Refused:
            watched.gone = True
            return "", after
        return "".join(map(_message, page)), page[-1].seq if page else after

    def close(self) -> None:
        """The server stops: end every stream; their clients connect to the next server and go on where they were."""
        self._closed = True
        for watched in self._watched.values():
            watched.wake()
        if self._task is not None:
            self._task.cancel()

    @contextmanager
    def _watch(self, study: str) -> Iterator[tuple[_Watched, asyncio.Event]]:
        if sum(len(watched.streams) for watched in self._watched.values()) >= MOST_STREAMS:
            raise Refused(
                "unavailable", "too many streams of events are open: close some, or read them without", retry_after_s=30
            )
        at = place(project(), study)
        watched = self._watched.setdefault(at, _Watched(project(), study))
        woken = asyncio.Event()
        watched.streams.add(woken)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look(), name="news")
        try:
            yield watched, woken
        finally:
            watched.streams.discard(woken)
            if not watched.streams and self._watched.get(at) is watched:
                del self._watched[at]

    async def _look(self) -> None:
        while self._watched:
            try:
                await self._look_once()
            except Exception:  # the database may be away; the streams stay, and go on when it is back
                log.warning("could not look for news; trying again", exc_info=True)
                await asyncio.sleep(1.0)
            await asyncio.sleep(INTERVAL_S)

    async def _look_once(self) -> None:
        places = list(self._watched)
        of = [(watched.project, watched.name) for watched in self._watched.values()]
        found = await self._database.read(lambda connection: _standing(connection, of))
        for at in places:
            watched = self._watched.get(at)
            if watched is None:
                continue
            row = found.get((watched.project, watched.name))
            if row is None or watched.created_at not in {0.0, row.created_at}:
                watched.gone = True  # deleted, and perhaps made anew: its numbers begin again
                watched.wake()
                continue
            first = watched.created_at == 0.0
            watched.created_at = row.created_at
            beat = (row.heartbeat_at, row.fit_server is not None)
            if first:
                watched.seq, watched.beat = row.last_event, beat
                watched.wake()
                continue
            if row.last_event > watched.seq:
                with acting(in_project(watched.project)):
                    page = await self._reading.events(watched.name, watched.seq)
                if len(page) == EVENTS_A_READ:
                    watched.recent.clear()  # a flood: each stream reads the log at its own pace
                else:
                    watched.recent.extend((event.seq, _message(event)) for event in page)
                watched.seq = max(row.last_event, page[-1].seq if page else 0)
                watched.wake()
            if beat != watched.beat:
                watched.beat = beat
                watched.beats += 1
                watched.wake()


def _standing(connection: Connection, of: list[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    beaten = (
        sa.select(sa.func.max(attempts.c.heartbeat_at))
        .where(attempts.c.study_id == studies.c.id, attempts.c.state == "leased")
        .scalar_subquery()
        .label("heartbeat_at")
    )
    query = sa.select(
        studies.c.project, studies.c.name, studies.c.created_at, studies.c.last_event, studies.c.fit_server, beaten
    ).where(sa.tuple_(studies.c.project, studies.c.name).in_(of))
    return {(row.project, row.name): row for row in connection.execute(query)}


def _message(event: Event) -> str:
    return f"id: {event.seq}\ndata: {event.model_dump_json()}\n\n"
