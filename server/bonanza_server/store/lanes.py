"""The threads that write: the transactions of one study in one line, those of other studies beside them.

Transactions of one study wait for its lock, whatever they wait with. Here they do it before they begin, and hold neither a thread nor a connection
meanwhile; with eight threads at one study PostgreSQL's answers took a fifth longer, and the other studies' had no thread left. And because they wait here, those
that wait together are written together: one transaction, one commit, one wait for the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy.engine import Connection

T = TypeVar("T")

MOST_TOGETHER = 16
"""Jobs in one transaction at most, so that the first of them does not wait for a crowd."""


class Job(NamedTuple, Generic[T]):
    """What is to be done in a transaction, and what it came to."""

    work: Callable[[Connection], T]
    future: Future[T]


class Lanes:
    """``number`` threads, each with a line of its own. ``run`` belongs to the event loop's thread; ``close`` when done."""

    def __init__(self, number: int, settle: Callable[[Sequence[Job[Any]]], None]) -> None:
        """Have ``settle``, on a lane's thread, do the jobs that waited together, in order, and set every one's future."""
        self._threads = [ThreadPoolExecutor(1, thread_name_prefix=f"sql-write-{lane}") for lane in range(number)]
        self._settle = settle
        self._load = [0] * number
        self._studies: dict[
            str, tuple[int, int]
        ] = {}  # the lane of each study that is at work, and how much it has there
        self._waiting: dict[str, deque[Job[Any]]] = {}

    async def run(self, study: str | None, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns, done after whatever was given for the same study before; without a study, on the lane with the least to do."""
        lane, _ = self._studies.get(study or "", (min(range(len(self._load)), key=self._load.__getitem__), 0))
        self._count(study, lane, 1)
        job: Job[T] = Job(work, Future())
        waiting: deque[Job[Any]] = deque() if study is None else self._waiting.setdefault(study, deque())
        waiting.append(job)
        self._threads[lane].submit(
            self._drain, waiting
        )  # once a job: the later ones find that an earlier took theirs along
        future = asyncio.wrap_future(job.future)
        future.add_done_callback(lambda _: self._count(study, lane, -1))
        return await future

    def _drain(self, waiting: deque[Job[Any]]) -> None:
        jobs: list[Job[Any]] = []
        while waiting and len(jobs) < MOST_TOGETHER:
            job = waiting.popleft()
            if job.future.set_running_or_notify_cancel():  # false: whoever wanted it is gone, and nothing was begun
                jobs.append(job)
        if jobs:
            self._settle(jobs)

    def _count(self, study: str | None, lane: int, change: int) -> None:
        self._load[lane] += change
        if study is None:
            return
        count = self._studies.pop(study, (lane, 0))[1] + change
        if count:
            self._studies[study] = lane, count
        else:
            self._waiting.pop(study, None)

    def close(self) -> None:
        """Finish what is in the lines."""
        for thread in self._threads:
            thread.shutdown(wait=True)
