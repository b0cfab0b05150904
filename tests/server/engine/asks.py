"""Asks that are under way."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from bonanza_server.waiting import Ticket
from tests.server.engine.searches import Search, until
from tests.server.lab import Json

STILL_S = 0.3
"""An ask not answered within this is waiting."""


class Asks:
    """Asks that are under way, in the order they came in."""

    def __init__(self, search: Search, threads: ThreadPoolExecutor) -> None:
        self.search = search
        self._threads = threads

    def wait(self, **fields: Any) -> Future[Json]:
        """One more ask, once it has looked in vain and waits (or was answered)."""
        before = self.line()
        ask = self._threads.submit(self.search.ask, **{"wait_s": 30} | fields)
        until(lambda: ask.done() or not before.issuperset(self.line()))
        return ask

    def line(self) -> set[Ticket]:
        """The asks of the study that wait. A new one is told by itself and not by their number: another may leave at the same moment."""
        return set(self.search.server.app.state.service.waiting.waiting(self.search.name))

    def in_line(self) -> int:
        """How many asks of the study wait."""
        return len(self.line())


def still_waits(ask: Future[Json]) -> bool:
    """Whether an ask has not been answered, and is not about to be."""
    time.sleep(STILL_S)
    return not ask.done()


def numbers(answer: Json) -> list[int]:
    """The trials of an answer."""
    return [trial["number"] for trial in answer["trials"]]
