"""What a refit costs, and how it grows with the history.

    python -m tests.benchmarks.fit [--strategies bonanza,bananas,bonas] [--spaces nasbench201,nasbench101,darts] [--observations 200,1000,2000]

As on the server: a process of its own with one thread runs ``fit`` on a history that grows by one result from fit to fit, and ranks 64 proposals as a
batch and 256 more. The first fit of a process, which imports torch, meets every cell anew and trains the default's networks, stands by itself, and so does
the next one in which they are trained again (``network_mean.trained_on``); the columns between are of those that remember them. Values are additive over the ops of a cell's
graph, with noise. The server's fits give way to whatever else the machine does: where it is busy, the seconds by the clock are many times those of the processor. Exits 1 where the default strategy takes longer, or more memory, than is promised.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import time
from collections.abc import Sequence
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bonanza.spaces import Architecture, space_from_spec, space_kinds
from bonanza_server.executor import LocalExecutor
from bonanza_server.fitting import FitJob, fit
from bonanza_server.search.fit import POOL
from bonanza_server.search.network_mean import trained_on

PROMISED_S = {200: 1.5, 1_000: 6.0, 2_000: 20.0}
"""95 % of the default's fits, by the number of observations."""
PROMISED_MB = 1_000


def landscape(cells: Sequence[Architecture], rng: np.random.Generator) -> list[float]:
    """A value for each cell, around 90."""
    weights: dict[tuple[int, str], float] = {}
    values = []
    for cell in cells:
        labels = enumerate(cell.space.graph(cell).labels)
        values.append(90.0 + sum(weights.setdefault(place, rng.normal()) for place in labels) + 0.3 * rng.normal())
    return values


def spec_of(kind: str) -> dict[str, Any]:
    """The example of a kind of space."""
    return next(dict(known.example) for known in space_kinds() if known.name == kind)


def distinct(kind: str, count: int) -> list[Architecture]:
    """That many random cells of a space."""
    space, rng = space_from_spec(spec_of(kind)), random.Random(0)
    found: dict[str, Architecture] = {}
    while len(found) < count:
        cell = space.sample(rng)
        found.setdefault(cell.arch_id, cell)
    return list(found.values())


def peak_mb() -> float:
    """The most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(job: FitJob) -> tuple[float, float, int]:
    """Seconds of a fit, by the clock and of the processor, and how many proposals it made."""
    began, cpu = time.perf_counter(), time.process_time()
    proposals = len(fit(job).proposals)
    return time.perf_counter() - began, time.process_time() - cpu, proposals


def measured(
    strategy: str, kind: str, observations: int, repeats: int, proposals: int
) -> tuple[NDArray[np.float64], float]:
    """Seconds by the clock and of the processor of the first fit, of ``repeats`` after it and of one that trains, (repeats + 2, 2), and the peak memory in MB.

    All of one process; the ``repeats`` are those after the first in which no network is trained.
    """
    sizes = list(islice((n for n in count(observations + 1) if trained_on(n) == trained_on(n - 1)), repeats))
    sizes = [observations, *sizes, next(n for n in count(sizes[-1] + 1) if trained_on(n) != trained_on(n - 1))]
    cells = distinct(kind, sizes[-1])
    values = landscape(cells, np.random.default_rng(0))
    told: list[tuple[int, dict[str, Any], list[float]]] = [
        (number, cell.json, [value]) for number, (cell, value) in enumerate(zip(cells, values, strict=True))
    ]
    executor = LocalExecutor(1)
    try:
        seconds = []
        for n in sizes:
            job = FitJob(
                space=spec_of(kind),
                strategy={"name": strategy},
                seed=0,
                seq=n,
                maximize=True,
                observations=told[:n],
                pending=[],
                excluded=[],
                pool_size=proposals,
            )
            *took, made = executor.submit(timed, job).result()
            assert made == proposals
            seconds.append(took)
        return np.array(seconds), executor.submit(peak_mb).result()
    finally:
        executor.shutdown()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", default="bonanza,bananas,bonas")
    parser.add_argument("--spaces", default="nasbench201,nasbench101,darts")
    parser.add_argument("--observations", default="200,1000,2000")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--proposals", type=int, default=POOL)
    given = parser.parse_args()
    print(
        f"torch {torch.__version__}, {os.cpu_count()} cores, {given.repeats} fits of {given.proposals} proposals each\n"
    )
    print(
        "| strategy | space | observations | first, s | median, s | 95 %, s | median of CPU, s | trains, s | peak MB |\n|---|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    missed = False
    for strategy in given.strategies.split(","):
        for kind in given.spaces.split(","):
            for observations in map(int, given.observations.split(",")):
                seconds, peak = measured(strategy, kind, observations, given.repeats, given.proposals)
                median, cpu = np.median(seconds[1:-1], axis=0)
                late = float(np.quantile(seconds[1:-1, 0], 0.95))
                print(
                    f"| `{strategy}` | {kind} | {observations:,} | {seconds[0, 0]:.2f} | {median:.2f} | {late:.2f} | {cpu:.2f} | {seconds[-1, 0]:.2f} | {peak:.0f} |",
                    flush=True,
                )
                if strategy == "bonanza":
                    missed |= late > PROMISED_S.get(observations, np.inf) or peak > PROMISED_MB
    sys.exit(missed)


if __name__ == "__main__":
    main()
