"""The local executor: the contract, and what only processes on this machine can show."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psutil
import pytest

from bonanza_server.executor import (
    JobCrashed,
    JobLost,
    JobOutOfMemory,
    JobTimedOut,
    LocalExecutor,
    ResultUnpicklable,
)
from tests.contracts import executor as jobs
from tests.contracts.executor import DEADLINE, MEMORY, PATIENCE, ExecutorContract, wait_for

ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether ``condition`` came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def descriptors() -> list[str]:
    links = Path("/proc/self/fd").iterdir()
    return [str(link.readlink()) for link in links if link.is_symlink()]


def loaded() -> list[str]:
    return sorted(sys.modules)


def circumstances() -> tuple[int, bool, str | None]:
    blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return os.getpriority(os.PRIO_PROCESS, 0), blocked, os.environ.get("OMP_NUM_THREADS")


@pytest.fixture
def local() -> Iterator[LocalExecutor]:
    executor = LocalExecutor(1, deadline_seconds=DEADLINE, memory_bytes=MEMORY, preload=())
    yield executor
    executor.shutdown(cancel_futures=True)


class TestLocalExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, local: LocalExecutor) -> LocalExecutor:
        return local


class TestTwoSlots(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Iterator[LocalExecutor]:
        executor = LocalExecutor(2, deadline_seconds=DEADLINE, memory_bytes=MEMORY, preload=())
        yield executor
        executor.shutdown(cancel_futures=True)

    def test_a_hung_job_does_not_hold_up_the_other_slot(self, executor: LocalExecutor) -> None:
        hung = executor.submit(jobs.hang)
        assert executor.submit(jobs.add, 1).result(DEADLINE) == 1 or hung.done()
        assert isinstance(wait_for(hung), JobTimedOut)


@pytest.mark.parametrize(
    ("job", "kind", "says"),
    [
        (jobs.segfault, JobCrashed, "SIGSEGV"),
        (jobs.kill_self, JobCrashed, "SIGKILL"),
        (jobs.leave, JobCrashed, "exit code 7"),
        (jobs.leave_politely, JobCrashed, "exit code 3"),
        (jobs.hang, JobTimedOut, f"{DEADLINE:g} s"),
        (jobs.hog, JobOutOfMemory, "1 GiB"),
        (jobs.hog_in_torch, JobOutOfMemory, "can't allocate memory"),
        (jobs.unpicklable, ResultUnpicklable, "result cannot be pickled"),
        (jobs.unreadable, ResultUnpicklable, "no such number"),
        (jobs.raise_odd, ResultUnpicklable, "OddError"),
    ],
)
def test_each_bad_end_has_a_type_and_says_what_happened(
    local: LocalExecutor, job: Any, kind: type[JobLost], says: str
) -> None:
    error = wait_for(local.submit(job))
    assert type(error) is kind
    assert says in str(error)


def test_a_process_is_kept_between_jobs_and_replaced_after_a_crash(local: LocalExecutor) -> None:
    first = local.submit(jobs.where).result(PATIENCE)
    assert local.submit(jobs.where).result(PATIENCE) == first
    wait_for(local.submit(jobs.leave))
    assert local.submit(jobs.where).result(PATIENCE) != first


def test_an_idle_process_that_is_killed_costs_no_job(local: LocalExecutor) -> None:
    first = local.submit(jobs.where).result(PATIENCE)
    os.kill(first, signal.SIGKILL)
    assert local.submit(jobs.where).result(PATIENCE) != first


def test_shutdown_with_cancel_kills_what_runs_and_cancels_what_waits() -> None:
    executor = LocalExecutor(1, preload=())
    pid = executor.submit(jobs.where).result(PATIENCE)
    running, waiting = executor.submit(jobs.hang), executor.submit(jobs.add, 1)
    assert until(running.running)
    executor.shutdown(cancel_futures=True)
    assert isinstance(wait_for(running), JobCrashed)
    assert "shut" in str(wait_for(running))
    assert waiting.cancelled()
    assert until(lambda: gone(pid))


def test_an_executor_needs_a_slot() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        LocalExecutor(0)


def test_slots_are_nice_deaf_to_ctrl_c_and_single_threaded(local: LocalExecutor) -> None:
    niceness, blocked, threads = local.submit(circumstances).result(PATIENCE)
    assert niceness == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
    assert blocked
    assert threads == "1"


def test_slots_inherit_no_descriptors(tmp_path: Path, local: LocalExecutor) -> None:
    secret = tmp_path / "secret"
    with secret.open("w") as file, socket.socket() as listening:
        os.set_inheritable(file.fileno(), True)
        listening.set_inheritable(True)
        held = local.submit(descriptors).result(PATIENCE)
        ours = {str(Path(f"/proc/self/fd/{listening.fileno()}").readlink()), str(secret)}
    assert not ours & set(held)


def test_warm_loads_modules_before_the_first_job(tmp_path: Path) -> None:
    executor = LocalExecutor(1, preload=("wave", "no_such_module_at_all"))
    executor.warm()
    try:
        assert "wave" in executor.submit(loaded).result(PATIENCE)
    finally:
        executor.shutdown(cancel_futures=True)


def test_the_executor_loads_neither_numpy_nor_torch() -> None:
    code = "import sys, bonanza_server.executor; print({'numpy', 'torch', 'sqlalchemy'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "set()"
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_slots_die_with_their_parent_however_it_ends(tmp_path: Path, how: signal.Signals) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        textwrap.dedent("""
            import signal
            import time
            from bonanza_server.executor import LocalExecutor
            from tests.contracts.executor import hang, where

            if __name__ == "__main__":
                # A shell that starts a suite in the background has it ignore Ctrl-C, and so this process.
                signal.signal(signal.SIGINT, signal.default_int_handler)
                executor = LocalExecutor(2, preload=())
                executor.submit(hang)
                print(executor.submit(where).result(), flush=True)
                lasting = executor.submit(hang)
                while not lasting.done():  # no wait for a lock: a signal just before it would be seen only after it
                    time.sleep(0.05)
        """)
    )
    server = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with server:
        assert server.stdout is not None
        known = int(server.stdout.readline())
        family = {child.pid for child in psutil.Process(server.pid).children(recursive=True)}
        assert known in family
        server.send_signal(how)
        try:
            assert until(lambda: all(gone(pid) for pid in family), 20.0)
            server.wait(20.0)
        finally:
            server.kill()


def test_many_jobs_from_many_threads_all_come_back(local: LocalExecutor) -> None:
    futures: list[Future[int]] = [local.submit(jobs.add, number, number) for number in range(200)]
    assert [future.result(PATIENCE) for future in futures] == [2 * number for number in range(200)]
