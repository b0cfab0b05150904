"""What every executor of fits must hold, on one machine or on a cluster.

Subclass ``ExecutorContract`` with a fixture ``executor`` that has a deadline of ``DEADLINE`` seconds a job and at most ``MEMORY``
bytes of data a process. The functions below are jobs; they are module-level because jobs travel by name.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from concurrent.futures import Executor, Future
from typing import Any

import pytest

DEADLINE = 15.0
MEMORY = 1 << 30
PATIENCE = 60.0


class OddError(Exception):
    """Pickles, but cannot be made again: its ``__init__`` wants two arguments."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


class Unreadable:
    """A result that pickles but raises when it is read back."""

    def __reduce__(self) -> tuple[Any, ...]:
        return explode, ()


def add(a: int, b: int = 0) -> int:
    return a + b


def where() -> int:
    return os.getpid()


def explode() -> None:
    raise ZeroDivisionError("no such number")


def raise_odd() -> None:
    raise OddError("a", "b")


def hang() -> None:
    while True:
        time.sleep(3600)


def segfault() -> None:
    ctypes.string_at(0)


def leave() -> None:
    os._exit(7)


def leave_politely() -> None:
    raise SystemExit(3)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hog() -> int:
    return len(bytearray(4 * MEMORY))


def hog_in_torch() -> None:
    raise RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you ..."
    )


def unpicklable() -> Any:
    return lambda: None


def unreadable() -> Unreadable:
    return Unreadable()


def slowly(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


def wait_for(future: Future[Any]) -> BaseException | None:
    """What the future ended with; fails the test where it does not end."""
    return future.exception(timeout=PATIENCE)


class ExecutorContract:
    """A ``concurrent.futures`` executor in which nothing a job does reaches another job."""

    def test_a_job_returns_its_result(self, executor: Executor) -> None:
        assert executor.submit(add, 2, b=3).result(PATIENCE) == 5

    def test_jobs_run_in_another_process(self, executor: Executor) -> None:
        assert executor.submit(where).result(PATIENCE) != os.getpid()

    def test_map_keeps_the_order(self, executor: Executor) -> None:
        assert list(executor.map(add, range(5), range(5), timeout=PATIENCE)) == [0, 2, 4, 6, 8]

    def test_an_exception_of_the_job_passes_through_with_its_remote_traceback(self, executor: Executor) -> None:
        error = wait_for(executor.submit(explode))
        assert isinstance(error, ZeroDivisionError)
        assert str(error) == "no such number"
        assert any("in explode" in note for note in error.__notes__)

    def test_arguments_that_do_not_pickle_fail_only_their_future(self, executor: Executor) -> None:
        assert wait_for(executor.submit(add, lambda: 1)) is not None  # type: ignore[arg-type]
        assert executor.submit(add, 1).result(PATIENCE) == 1

    @pytest.mark.parametrize(
        "job", [segfault, leave, leave_politely, kill_self, hang, hog, unpicklable, unreadable, raise_odd]
    )
    def test_a_job_that_ends_badly_fails_only_its_own_future(self, executor: Executor, job: Any) -> None:
        before = executor.submit(add, 1)
        bad = executor.submit(job)
        after = [executor.submit(add, number) for number in range(3)]
        assert isinstance(wait_for(bad), Exception)
        assert before.result(PATIENCE) == 1
        assert [future.result(PATIENCE) for future in after] == [0, 1, 2]

    def test_a_queued_job_can_be_cancelled(self, executor: Executor) -> None:
        running = [executor.submit(slowly, 0.2) for _ in range(8)]
        queued = executor.submit(slowly, 0.2)
        assert queued.cancel()
        assert [future.result(PATIENCE) for future in running] == ["done"] * 8

    def test_shutdown_finishes_what_was_taken_and_takes_no_more(self, executor: Executor) -> None:
        futures = [executor.submit(add, number) for number in range(4)]
        executor.shutdown()
        assert [future.result(0) for future in futures] == [0, 1, 2, 3]
        with pytest.raises(RuntimeError, match=r"shut ?down"):
            executor.submit(add, 1)
