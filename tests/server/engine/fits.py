"""Fits as a test wants them: quick, held back, or coming to grief. Imports no server, so that a process that runs them is there at once."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from bonanza.spaces import Architecture, space_from_spec
from bonanza_server.fitting import FitJob, FitResult

DRAWS = 20


def quick_fit(job: FitJob) -> FitResult:
    """Ranks unseen cells by the edits between them and the best one seen: a strategy of a millisecond, and a pure function as a fit must be."""
    space = space_from_spec(job.space)
    rng = random.Random(f"{job.seed}/{job.seq}")
    sign = 1 if job.maximize else -1
    best = space.validate(max(job.observations, key=lambda seen: (sign * seen[2][0], -seen[0]))[1])
    known = {space.validate(json).arch_id for _, json, _ in job.observations}
    known |= {space.validate(json).arch_id for json in job.pending} | set(job.excluded)
    found: dict[str, Architecture] = {}
    for _ in range(DRAWS * job.pool_size):
        cell = space.sample(rng)
        if cell.arch_id not in known:
            found.setdefault(cell.arch_id, cell)
        if len(found) == job.pool_size:
            break

    def edits(cell: Architecture) -> int:
        return sum(a != b for a, b in zip(cell.genes, best.genes, strict=True))

    proposals = [
        {
            "architecture": cell.json,
            "arch_id": cell.arch_id,
            "mean": 90.0 - edits(cell),
            "std": 1.0 + edits(cell),
            "acquisition": float(-edits(cell)),
        }
        for cell in sorted(found.values(), key=edits)
    ]
    return FitResult(proposals=proposals, seconds=0.001, diagnostics={"observations": len(job.observations)})


class Fits(Executor):
    """Runs every fit on a thread of its own; a study is told by its seed.

    ``jobs`` are those that were sent, ``at_once`` the most that ever ran together, by seed.
    """

    def __init__(self) -> None:
        self.jobs: list[FitJob] = []
        self.at_once: Counter[int] = Counter()
        self._running: Counter[int] = Counter()
        self._gates: dict[int, threading.Semaphore] = {}
        self._perils: dict[int, deque[Callable[[], object]]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(8)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        (job,) = args
        with self._lock:
            self.jobs.append(job)
        return self._threads.submit(self._work, job)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for gate in list(self._gates.values()):
            gate.release(1000)
        self._threads.shutdown(wait, cancel_futures=cancel_futures)

    def of(self, seed: int) -> list[FitJob]:
        """The fits of one study."""
        with self._lock:
            return [job for job in self.jobs if job.seed == seed]

    @contextmanager
    def held(self, seed: int) -> Iterator[threading.Semaphore]:
        """Fits of the study that start within the body end when it ends, or when the semaphore lets one go."""
        gate = self._gates[seed] = threading.Semaphore(0)
        try:
            yield gate
        finally:
            del self._gates[seed]
            gate.release(1000)

    def spoil(self, seed: int, *perils: Callable[[], object]) -> None:
        """The study's next fits do these instead, one each."""
        self._perils[seed].extend(perils)

    def _work(self, job: FitJob) -> FitResult:
        with self._lock:
            self._running[job.seed] += 1
            self.at_once[job.seed] = max(self.at_once[job.seed], self._running[job.seed])
            gate = self._gates.get(job.seed)
            peril = self._perils[job.seed].popleft() if self._perils[job.seed] else None
        try:
            if gate is not None:
                assert gate.acquire(timeout=60)
            if peril is not None:
                peril()
            return quick_fit(job)
        finally:
            with self._lock:
                self._running[job.seed] -= 1


class Perilous(Executor):
    """Real processes, in which the next fits meet the perils given and later ones are quick."""

    def __init__(self, local: Executor, *perils: Callable[[], object]) -> None:
        self._local = local
        self._perils = deque(perils)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._local.submit(self._perils.popleft()) if self._perils else self._local.submit(quick_fit, *args)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._local.shutdown(wait, cancel_futures=cancel_futures)
