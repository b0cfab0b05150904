"""The faults of the chaos campaign. Each does its harm and, where it lasts, mends it some seconds later."""

from __future__ import annotations

import random
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil

from tests.benchmarks.chaos_site import Site, postgres_backends

LASTS_S = (0.5, 3.0)
SUPERVISED = 20
"""How often a server that does not come up is started."""
UNLIMITED = resource.RLIM_INFINITY


class Faults:
    """One at random at a time, none of them knowing of the others."""

    def __init__(self, site: Site, rng: random.Random) -> None:
        self._site, self._rng = site, rng
        self.done: Counter[str] = Counter()
        self._mending: list[threading.Thread] = []
        kinds: list[Callable[[], None]] = [
            self.kill_server, self.kill_fitter, self.kill_worker, self.cut_connections, self.delay_requests,
            self.double_requests, self.jump_a_clock, self.fill_a_spool, self.hang_a_fit, self.starve_a_fit,
        ]  # fmt: skip
        if site.sqlite:
            kinds.append(self.fill_the_database_disk)
        else:
            kinds.append(self.crash_postgresql)
        if site.cluster is not None:
            kinds.append(self.kill_dask_worker)
        self.kinds = kinds

    def strike(self) -> None:
        """One fault."""
        kind = self._rng.choice(self.kinds)
        with suppress(psutil.NoSuchProcess, ProcessLookupError, IndexError):  # what was to be harmed has just ended
            kind()
            self.done[kind.__name__] += 1

    def end(self) -> None:
        """Wait until all that lasted is mended."""
        for thread in self._mending:
            thread.join(180)

    def _later(self, mend: Callable[[], None]) -> None:
        def run() -> None:
            time.sleep(self._rng.uniform(*LASTS_S))
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                mend()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._mending.append(thread)

    def kill_server(self) -> None:
        number = self._rng.randrange(len(self._site.servers))
        server, lock = self._site.servers[number], self._site.locks[number]
        if not lock.acquire(blocking=False):
            raise IndexError  # it is down already

        server.kill()

        def again() -> None:
            try:
                for _ in range(
                    SUPERVISED - 1
                ):  # as a supervisor would: the database may be away, the disk full, or both in turn
                    with suppress(RuntimeError):
                        return server.start(timeout=120)
                    server.kill()
                server.start(timeout=120)
            finally:
                lock.release()

        self._later(again)

    def kill_fitter(self) -> None:
        self._rng.choice(self._site.slots()).kill()

    def kill_dask_worker(self) -> None:
        assert self._site.cluster is not None
        self._rng.choice(self._site.cluster.workers()).kill()

    def kill_worker(self) -> None:
        self._site.workers.kill(self._rng)

    def crash_postgresql(self) -> None:
        self._rng.choice(postgres_backends()).kill()

    def cut_connections(self) -> None:
        self._site.proxy.cut(self._rng.uniform(0.2, 1.0))

    def delay_requests(self) -> None:
        self._site.proxy.delay_s = 1.0
        self._later(lambda: setattr(self._site.proxy, "delay_s", 0.0))

    def double_requests(self) -> None:
        self._site.proxy.duplicated = 0.3
        self._later(lambda: setattr(self._site.proxy, "duplicated", 0.0))

    def jump_a_clock(self) -> None:
        self._site.workers.any(self._rng).send_signal(signal.SIGUSR1)

    def fill_a_spool(self) -> None:
        """No file of a worker's can grow: what a full disk is to it."""
        self._limit_files(self._site.workers.any(self._rng).pid, 0)

    def fill_the_database_disk(self) -> None:
        process = self._site.servers[0].process
        assert process is not None
        self._limit_files(process.pid, 64 << 10)

    def _limit_files(self, pid: int, size: int) -> None:
        victim = psutil.Process(pid)  # by its start time too: a process with its number later is another
        victim.rlimit(psutil.RLIMIT_FSIZE, (size, UNLIMITED))
        self._later(lambda: victim.rlimit(psutil.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED)))

    def hang_a_fit(self) -> None:
        """It stands still; its deadline has to end it."""
        self._rng.choice(self._site.slots()).send_signal(signal.SIGSTOP)

    def starve_a_fit(self) -> None:
        """It has all the memory it may have: its next array is one too many, as in a fit that takes 3 GB of the 2 it is allowed."""
        slot = self._rng.choice(self._site.slots())
        hard = slot.rlimit(psutil.RLIMIT_DATA)[1]
        slot.rlimit(psutil.RLIMIT_DATA, (min(slot.memory_info().data, hard), hard))
