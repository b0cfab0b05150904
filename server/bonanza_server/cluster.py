"""Fits on a Dask cluster: the local executor's slots, with a scheduler between them and the server.

Each Dask worker runs its job in a slot of its own, so deadline, memory bound, and what a job may come to are those of one machine. What a slot cannot
see, Dask does: a worker that is lost with its job is replaced by another one, up to ``distributed.scheduler.allowed-failures`` times.

``distributed`` is imported when the first connection is made, and only then.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import multiprocessing
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache, partial
from typing import Any

from bonanza.version import __version__
from bonanza_server.jobs import JobExecutor
from bonanza_server.slot import LOST, JobCrashed, JobLost, Limits, Slot, value_of

log = logging.getLogger(__name__)

CONNECT_S = 10.0
WATCH_S = 0.5
"""How often a Dask worker looks whether its job is still wanted."""
Versions = dict[str, str]


class ClusterUnavailable(JobLost):
    """The scheduler cannot be reached."""


class VersionsDiffer(JobLost):
    """A worker would fit with other software than the server replays with."""


class DaskExecutor(JobExecutor):
    """Runs each job in a slot of some worker of a cluster; jobs queue at its scheduler.

    Jobs and results travel as with :class:`~bonanza_server.executor.LocalExecutor`, and what can befall one is the same :class:`JobLost`. A job that
    is cancelled is killed wherever it runs; so are all of them when this process dies. A connection that is lost is made again by the next job.
    """

    def __init__(
        self,
        address: str,
        *,
        deadline_seconds: float = 300.0,
        memory_bytes: int = 4 << 30,
        preload: tuple[str, ...] = ("bonanza_server.search.fit",),
    ) -> None:
        """Send to the scheduler at ``address``, ``tcp://host:port``; connect with the first job."""
        super().__init__()
        self.address = address
        self._limits = Limits(deadline_seconds, memory_bytes, preload)
        self._client: Any = None
        # Connecting and sending may wait for the network, and whoever submits runs an event loop.
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="dask")
        self._unfinished: set[Future[Any]] = set()

    def connect(self) -> None:
        """Connect now, and look at every worker that there is.

        Raises:
            ClusterUnavailable: the scheduler does not answer.
            VersionsDiffer: a worker has other software.
        """
        self._sender.submit(self._connected).result()

    def _queue(self, payload: bytes, future: Future[Any]) -> None:
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        self._sender.submit(self._send, payload, future)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs, finish those taken (or kill them, with ``cancel_futures``), leave the cluster.

        Without ``wait`` this returns before that is done.
        """
        with self._lock:
            self._closed = True
        if cancel_futures:
            for future in list(self._unfinished):
                future.cancel()
        if wait:
            self._leave()
        else:
            threading.Thread(target=self._leave, name="dask-leave", daemon=True).start()

    def _leave(self) -> None:
        wait(list(self._unfinished))
        self._sender.shutdown(wait=True)
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> Any:
        if self._client is not None and self._client.status in {"running", "connecting"}:
            return self._client
        from distributed import Client

        connect: Any = Client  # it has no types
        try:
            client = connect(self.address, timeout=CONNECT_S, name="bonanza", set_as_default=False)
        except Exception as error:
            raise ClusterUnavailable(
                f"no Dask scheduler answers at {self.address} ({error}): start one there (dask scheduler), or mend BONANZA_EXECUTOR"
            ) from error
        try:
            for worker, found in client.run(versions, on_error="return").items():
                if isinstance(found, ImportError):
                    fix = "pip install 'bonanza[server,dask]' there"
                    raise VersionsDiffer(f"the Dask worker {worker} cannot run Bonanza ({found}): {fix}")
                if isinstance(found, dict):  # else it ended this moment
                    check(found, where=f"the Dask worker {worker}")
        except JobLost:
            client.close()
            raise
        except Exception as error:
            client.close()
            raise ClusterUnavailable(f"the Dask scheduler at {self.address} was lost again: {error!r}") from error
        if not client.scheduler_info()["workers"]:
            log.warning("the Dask cluster at %s has no workers: fits wait for the first", self.address)
        self._client = client
        return client

    def _send(self, payload: bytes, future: Future[Any]) -> None:
        if future.cancelled():
            return
        try:
            remote = self._connected().get_executor(pure=False).submit(perform, payload, self._limits, versions())
        except Exception as error:  # noqa: BLE001 - the future is whose it is
            _settle(future, error=error)
            return

        def withdraw(ended: Future[Any]) -> None:
            if ended.cancelled():
                with contextlib.suppress(RuntimeError):  # leaving the cluster withdraws all
                    self._sender.submit(remote.cancel)

        remote.add_done_callback(partial(_arrived, future))
        future.add_done_callback(withdraw)


def _arrived(future: Future[Any], remote: Future[bytes]) -> None:
    """A job has ended over there: so does its future."""
    if remote.cancelled():
        _settle(future, error=ClusterUnavailable("the connection to the Dask scheduler was lost, and the job with it"))
        return
    error = remote.exception()
    if error is not None:
        lost = JobCrashed if type(error).__name__ == "KilledWorker" else JobLost
        _settle(future, error=lost(f"the cluster could not run the job: {error}"))
        return
    try:
        value = value_of(remote.result())
    except BaseException as raised:  # noqa: BLE001 - the future is whose it is
        _settle(future, error=raised)
    else:
        _settle(future, value=value)


def _settle(future: Future[Any], *, value: Any = None, error: BaseException | None = None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


# Below: what a Dask worker runs.

_here = threading.local()


def perform(payload: bytes, limits: Limits, wanted: Versions) -> bytes:
    """The answer of a job, run in this thread's slot. What befalls it is in the answer: a raised one Dask would take for its own."""
    try:
        check(versions(), wanted=wanted, where="this Dask worker")
        with _slot(limits) as slot:
            return slot.run(payload)
    except JobLost as lost:
        return LOST + pickle.dumps(lost)


@contextlib.contextmanager
def _slot(limits: Limits) -> Iterator[Slot]:
    """This thread's slot, killed once nobody wants the job any more."""
    slot: Slot | None = getattr(_here, "slot", None)
    if slot is None or slot.killed or slot.limits != limits:
        if slot is not None:
            slot.discard()
        # A nanny's worker is a daemon, which multiprocessing lets have no children. A slot dies with its parent, however that ends.
        multiprocessing.process.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which the slot inherits: Ctrl-C is the worker's
        slot = _here.slot = Slot(limits)
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(slot, *_task(), ended), name="watch", daemon=True)
    watch.start()
    try:
        yield slot
    finally:
        ended.set()
        watch.join()


def _task() -> tuple[Any, Any]:
    from distributed import get_worker

    worker = get_worker()
    return worker, worker.get_current_task()


def _watch(slot: Slot, worker: Any, key: Any, ended: threading.Event) -> None:
    """Kill the slot when the scheduler has let go of the task: its client has cancelled it or is gone."""
    while not ended.wait(WATCH_S):
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            slot.kill()
            return


@cache
def versions() -> Versions:
    """What the predictions and the pickles of this process depend on."""
    found = {"bonanza": __version__, "python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for package in ("numpy", "torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package).partition("+")[0]  # torch's CUDA is told behind the +
    return found


def check(found: Versions, *, where: str, wanted: Versions | None = None) -> None:
    """That ``found`` is what the server has.

    Raises:
        VersionsDiffer: it is not; the message says what to install.
    """
    wanted = versions() if wanted is None else wanted
    wrong = [
        f"{name} {found.get(name, 'missing')} instead of {version}"
        for name, version in wanted.items()
        if found.get(name) != version
    ]
    if wrong:
        pins = " ".join(f"{name}=={version}" for name, version in wanted.items() if name != "python")
        raise VersionsDiffer(
            f"{where} has {', '.join(wrong)}. A study replays only where its fits are made with one set of versions: "
            f"under Python {wanted['python']}, pip install {pins}"
        )
