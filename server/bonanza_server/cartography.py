"""Atlases of studies, drawn beside the API process and kept until the study has moved on.

A map of a thousand cells takes a second or two, in a process of its own so that pictures of cells need not wait for it: one at a time, for as many
pages as look at it. A study that is told all the time gets a new one at most every ``PATIENCE`` times as long as the last one took.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza.schemas import Atlas
from bonanza_server.catalogue import Catalogue
from bonanza_server.finding import find_study
from bonanza_server.lifecycle.ledger import Row
from bonanza_server.store.database import Database
from bonanza_server.store.models import spaces, trials

MOST_MAPPED = 1_200
"""Trials on a map: the best third of them, then the newest."""
MOST_READ = 10_000
"""Newest trials that effects are computed of."""
PATIENCE = 100.0
"""However often a study is told, and however many watch it, its maps take a hundredth of a core."""
LEAST_S = 2.0
MOST_KEPT = 32
DEADLINE_S = 60.0
MEMORY_BYTES = 2 << 30

R = TypeVar("R")
T = TypeVar("T")
_Rows = list[tuple[int, dict[str, Any], float | None]]


@dataclass
class _Drawn:
    shows: tuple[float, int, int]
    """Of which study, by when it was made, how many results and trials."""
    at: float
    took: float
    answer: str


def process() -> Executor:
    """The process, not started before the first request."""
    from bonanza_server.executor import LocalExecutor

    return LocalExecutor(
        1, deadline_seconds=DEADLINE_S, memory_bytes=MEMORY_BYTES, preload=("bonanza_server.search.atlas",)
    )


class Cartography:
    """Draws and keeps atlases; belongs to the event loop's thread."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        """Read from ``database``; ``catalogue`` draws, in a process that has numpy (``process``)."""
        self._database = database
        self._catalogue = catalogue
        self._drawn: dict[int, _Drawn] = {}
        self._drawing: dict[int, asyncio.Task[_Drawn]] = {}

    async def run(self, work: Callable[[R], T], request: R) -> T:
        """``work(request)`` where numpy and torch may be loaded.

        Raises:
            Refused: what ``work`` refuses; it is too much for the process, or too many wait.
        """
        return await self._catalogue.run(work, request)

    async def atlas(self, name: str) -> str:
        """The JSON of an ``Atlas``, as new as its costs allow.

        Raises:
            Refused: there is no such study, or its space is too much for the process that draws.
        """
        study = await self._database.read(lambda connection: find_study(connection, name))
        key = study["id"]
        known = self._drawn.get(key)
        if known is not None and known.shows[0] == study["created_at"]:
            age = time.monotonic() - known.at
            if known.shows == _shows(study) or age < max(LEAST_S, PATIENCE * known.took):
                return known.answer
        if key not in self._drawing:
            task = self._drawing[key] = asyncio.create_task(self._draw(study), name=f"atlas-{name}")
            task.add_done_callback(partial(self._done, key))
        return (await asyncio.shield(self._drawing[key])).answer

    async def _draw(self, study: Row) -> _Drawn:
        begun = time.monotonic()
        read = await self._database.read(partial(_read, study=study))
        answer = await self._catalogue.run(draw, read)
        drawn = _Drawn(_shows(study), time.monotonic(), time.monotonic() - begun, answer)
        self._drawn[study["id"]] = drawn
        while len(self._drawn) > MOST_KEPT:
            self._drawn.pop(min(self._drawn, key=lambda key: self._drawn[key].at))
        return drawn

    def _done(self, key: int, task: asyncio.Task[_Drawn]) -> None:
        self._drawing.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever wanted to hear it may have gone


def _shows(study: Row) -> tuple[float, int, int]:
    return study["created_at"], study["results"], study["next_number"]


@dataclass(frozen=True)
class _Read:
    space: dict[str, Any]
    rows: _Rows
    mapped: list[int]
    maximize: bool
    results: int


def _read(connection: Connection, *, study: Row) -> _Read:
    maximize = study["objectives"][0]["direction"] == "maximize"
    spec = connection.execute(sa.select(spaces.c.spec).where(spaces.c.hash == study["space_hash"])).scalar_one()
    query = (
        sa.select(trials.c.number, trials.c.architecture, trials.c.value, trials.c.state)
        .where(
            trials.c.study_id == study["id"],
            sa.not_(trials.c.invalidated),
            trials.c.state.in_(("complete", "pending", "running")),
        )
        .order_by(trials.c.number.desc())
        .limit(MOST_READ)
    )
    rows: _Rows = [
        (row.number, row.architecture, row.value if row.state == "complete" else None)
        for row in connection.execute(query)
    ]
    sign = -1.0 if maximize else 1.0
    best = sorted((row for row in rows if row[2] is not None), key=lambda row: sign * (row[2] or 0.0))
    mapped = dict.fromkeys(row[0] for row in best[: MOST_MAPPED // 3])
    for row in rows:
        if len(mapped) >= MOST_MAPPED:
            break
        mapped[row[0]] = None
    return _Read(spec, rows[::-1], sorted(mapped), maximize, study["results"])


def draw(read: _Read) -> str:
    """The JSON of an ``Atlas``; runs where numpy may be loaded."""
    from bonanza_server.search.atlas import Measured, atlas

    made = atlas(read.space, [Measured(*row) for row in read.rows], read.mapped, maximize=read.maximize)
    return Atlas(results=read.results, **made).model_dump_json()
