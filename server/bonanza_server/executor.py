"""Where fits run on one machine: supervised processes, each with a deadline and a memory bound.

``LocalExecutor`` is a ``concurrent.futures.Executor``, so that a cluster's can stand in its place. It loads neither numpy nor torch: the
API process holds it, its slots do the work.

The standard ProcessPoolExecutor cannot kill a hung job and breaks for everybody when one worker dies; pebble 5.2 kills and replaces,
but its pool ends for good when an idle worker dies (an OOM killer picks whom it likes) or a result does not unpickle. Here each slot is
one thread that owns one process and talks to it over one pipe, so nothing that happens to a process reaches another slot.
"""

from __future__ import annotations

import atexit
import contextlib
import queue
import signal
import threading
import weakref
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from bonanza_server.jobs import JobExecutor
from bonanza_server.slot import (
    JobCrashed,
    JobLost,
    JobOutOfMemory,
    JobTimedOut,
    Limits,
    ResultUnpicklable,
    Slot,
    value_of,
)

__all__ = ["JobCrashed", "JobLost", "JobOutOfMemory", "JobTimedOut", "LocalExecutor", "ResultUnpicklable"]


@dataclass(frozen=True)
class _Job:
    payload: bytes
    future: Future[Any]


class LocalExecutor(JobExecutor):
    """Runs each job in one of ``slots`` spawned processes; jobs queue when all are busy.

    Functions, arguments and results travel by pickle, as in any process pool. An exception of the job's own passes through, with the
    remote traceback as a note. Everything else that can befall a job is a :class:`JobLost` of its own future only. Processes die with
    their parent, however it ends, inherit none of its descriptors, and never see Ctrl-C.
    """

    def __init__(
        self,
        slots: int = 1,
        *,
        deadline_seconds: float = 300.0,
        memory_bytes: int = 4 << 30,
        preload: tuple[str, ...] = ("bonanza_server.search.fit",),
    ) -> None:
        """Start nothing yet: processes come with :meth:`warm` or the first job."""
        if slots < 1:
            raise ValueError(f"an executor needs at least one slot, not {slots}")
        super().__init__()
        self._slots = [Slot(Limits(deadline_seconds, memory_bytes, preload)) for _ in range(slots)]
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        _living.add(self)

    def warm(self) -> None:
        """Start the processes and load their modules in the background; returns at once. The first job then need not wait for torch."""
        with self._lock:
            if self._closed or self._threads:
                return
            for number, slot in enumerate(self._slots):
                thread = threading.Thread(target=self._serve, args=(slot,), name=f"slot-{number}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _queue(self, payload: bytes, future: Future[Any]) -> None:
        self._jobs.put(_Job(payload, future))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs, finish those taken, end the processes.

        With ``cancel_futures`` queued jobs are cancelled and running ones killed: unlike a thread a process can be, and a server that
        stops has no use for their results. Without ``wait`` this returns before that is done.
        """
        with self._lock:
            self._closed = True
            if cancel_futures:
                with contextlib.suppress(queue.Empty):
                    while job := self._jobs.get_nowait():
                        job.future.cancel()
                for slot in self._slots:
                    slot.kill()
            for _ in self._threads:
                self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _serve(self, slot: Slot) -> None:
        """The life of a slot's thread."""
        # A child inherits its parent thread's mask: Ctrl-C ends the server in order, and reaches no fit at any moment of its life.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        slot.prepare()
        while job := self._jobs.get():
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                result = value_of(slot.run(job.payload))
            except BaseException as error:  # noqa: BLE001 - the future is whose it is
                job.future.set_exception(error)
            else:
                job.future.set_result(result)
            if not self._closed:
                slot.prepare()
        slot.discard()


_living: weakref.WeakSet[LocalExecutor] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """Where a program ends without a shutdown: multiprocessing ends the processes too, but then waits for those that replace them."""
    for executor in list(_living):
        executor.shutdown(cancel_futures=True)
