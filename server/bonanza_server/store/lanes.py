"""The threads that write: the transactions of one study in one line, those of other studies beside them.

Transactions of one study wait for its lock, whatever they wait with. Here they do it before they begin, and hold neither a thread nor a connection
meanwhile; with eight threads at one study PostgreSQL's answers took a fifth longer, and the other studies' had no thread left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Lanes:
    """``number`` threads, each with a line of its own. ``run`` belongs to the event loop's thread; ``close`` when done."""

    def __init__(self, number: int) -> None:
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix=f"sql-write-{lane}") for lane in range(number)]
        self._load = [0] * number
        self._studies: dict[
            str, tuple[int, int]
        ] = {}  # the lane of each study that is at work, and how much it has there

    async def run(self, study: str | None, work: Callable[[], T]) -> T:
        """``work()``, after whatever was given for the same study before; without a study, on the lane with the least to do."""
        lane, _ = self._studies.get(study or "", (min(range(len(self._load)), key=self._load.__getitem__), 0))
        self._count(study, lane, 1)
        future = asyncio.get_running_loop().run_in_executor(self._threads[lane], work)
        future.add_done_callback(lambda _: self._count(study, lane, -1))
        return await future

    def _count(self, study: str | None, lane: int, change: int) -> None:
        self._load[lane] += change
        if study is None:
            return
        count = self._studies.pop(study, (lane, 0))[1] + change
        if count:
            self._studies[study] = lane, count

    def close(self) -> None:
        """Finish what is in the lines."""
        for thread in self._threads:
            thread.shutdown(wait=True)
