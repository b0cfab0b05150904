"""Fits on a Dask cluster of two worker processes: the contract of every executor, and what only a cluster can show."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bonanza_server import cluster
from bonanza_server.cluster import ClusterUnavailable, DaskExecutor, VersionsDiffer
from bonanza_server.executor import JobCrashed, JobLost, JobOutOfMemory, ResultUnpicklable
from bonanza_server.settings import Settings
from tests.contracts import executor as jobs
from tests.contracts.executor import DEADLINE, MEMORY, PATIENCE, ExecutorContract, wait_for
from tests.live import free_port
from tests.search.test_executor import gone, until

ROOT = Path(__file__).parents[2]


def linger(folder: str) -> int:
    """Leave a note of who runs this, and wait for ``folder/go``."""
    Path(folder, f"{os.getppid()}-{os.getpid()}").touch()
    while not Path(folder, "go").exists():
        time.sleep(0.02)
    return os.getppid()


def notes(folder: Path) -> list[tuple[int, int]]:
    """(Dask worker, slot) of each start of ``linger``."""
    found = [note.name.partition("-") for note in folder.iterdir() if "-" in note.name]
    return [(int(worker), int(slot)) for worker, _, slot in found]


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster with two workers, each under a nanny that replaces it."""
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    shared = ["--scheduler-file", str(file), "--no-dashboard"]
    worker = ["--nthreads", "1", "--memory-limit", "0", "--local-directory", str(folder)]
    commands = [
        ["distributed.cli.dask_scheduler", *shared, "--host", "127.0.0.1", "--port", "0"],
        ["distributed.cli.dask_worker", *shared, *worker, "--host", "127.0.0.1", "--nworkers", "2"],
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with (folder / "log").open("wb") as log:
        processes = [
            subprocess.Popen([sys.executable, "-m", *command], env=environment, stdout=log, stderr=log)
            for command in commands
        ]
    try:
        assert until(lambda: file.exists() and bool(file.read_text()))
        yield json.loads(file.read_text())["address"]
    finally:
        family = [child for process in processes for child in psutil.Process(process.pid).children(recursive=True)]
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
        assert all(until(lambda: gone(child.pid), 20.0) for child in family)  # noqa: B023 - used at once


@pytest.fixture
def dask(scheduler: str) -> Iterator[DaskExecutor]:
    executor = DaskExecutor(scheduler, deadline_seconds=DEADLINE, memory_bytes=MEMORY, preload=())
    yield executor
    executor.shutdown(cancel_futures=True)


class TestDaskExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self, dask: DaskExecutor) -> DaskExecutor:
        return dask


@pytest.mark.parametrize(
    ("job", "kind", "says"),
    [
        (jobs.kill_self, JobCrashed, "SIGKILL"),
        (jobs.hog, JobOutOfMemory, "1 GiB"),
        (jobs.unpicklable, ResultUnpicklable, "result cannot be pickled"),
    ],
)
def test_each_bad_end_is_told_as_on_one_machine(dask: DaskExecutor, job: Any, kind: type[JobLost], says: str) -> None:
    error = wait_for(dask.submit(job))
    assert type(error) is kind
    assert says in str(error)


def test_two_workers_work_at_once(dask: DaskExecutor, tmp_path: Path) -> None:
    both = [dask.submit(linger, str(tmp_path)) for _ in range(2)]
    assert until(lambda: len(notes(tmp_path)) == 2)
    (tmp_path / "go").touch()
    assert len({future.result(PATIENCE) for future in both}) == 2


def test_a_worker_that_is_lost_with_its_job_costs_time_and_no_more(dask: DaskExecutor, tmp_path: Path) -> None:
    lasting = DaskExecutor(dask.address, preload=())
    future = lasting.submit(linger, str(tmp_path))
    assert until(lambda: len(notes(tmp_path)) == 1)
    [(worker, slot)] = notes(tmp_path)
    os.kill(worker, signal.SIGKILL)
    assert until(lambda: len(notes(tmp_path)) == 2)
    assert until(lambda: gone(slot))
    (tmp_path / "go").touch()
    assert future.result(PATIENCE) != worker
    lasting.shutdown()


@pytest.mark.parametrize("how", ["cancel", "shutdown"])
def test_a_job_that_nobody_wants_is_killed_where_it_runs(scheduler: str, tmp_path: Path, how: str) -> None:
    executor = DaskExecutor(scheduler, preload=())
    future = executor.submit(linger, str(tmp_path))
    assert until(lambda: len(notes(tmp_path)) == 1)
    [(_, slot)] = notes(tmp_path)
    if how == "cancel":
        assert future.cancel()
    executor.shutdown(cancel_futures=True)
    assert future.cancelled()
    assert until(lambda: gone(slot))


def test_a_worker_with_other_software_is_refused_with_what_to_install(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = cluster.versions()
    executor = DaskExecutor(scheduler, preload=())
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "versions", lambda: ours | {"torch": "1.0"})
        error = wait_for(executor.submit(jobs.add, 1))
    assert isinstance(error, VersionsDiffer)
    assert f"has torch {ours['torch']} instead of 1.0" in str(error)
    assert f"pip install bonanza=={ours['bonanza']} numpy=={ours['numpy']} torch==1.0" in str(error)
    assert executor.submit(jobs.add, 1).result(PATIENCE) == 1
    executor.shutdown()


def test_a_scheduler_that_is_not_there_fails_the_job_and_says_where_it_was_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.2)
    executor = DaskExecutor(f"tcp://127.0.0.1:{free_port()}")
    error = wait_for(executor.submit(jobs.add, 1))
    executor.shutdown()
    assert isinstance(error, ClusterUnavailable)
    assert "start one there (dask scheduler), or mend BONANZA_EXECUTOR" in str(error)


def test_nothing_of_dask_is_loaded_until_it_is_used() -> None:
    code = (
        "import sys, bonanza_server.app, bonanza_server.cluster;"
        "print({'distributed', 'dask', 'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_address_is_one_of_a_scheduler() -> None:
    assert Settings(executor="dask://host:8786").scheduler == "tcp://host:8786"
    assert Settings(executor="dask+tls://host:8786").scheduler == "tls://host:8786"
    assert Settings().scheduler is None
    for wrong in ("dask", "dask://host", "tcp://host:1", "ray://host:1"):
        with pytest.raises(ValueError, match="executor"):
            Settings(executor=wrong)
