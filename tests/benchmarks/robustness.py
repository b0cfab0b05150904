"""Never worse than random: strategies against random search where there is nothing, little or something odd to learn.

    python -m tests.benchmarks.robustness [--seeds 10] [--trials 60] [--strategies bonanza,bananas,bonas,nasbot,surrogate] [--cases outlier,darts]

Each case is a made-up objective on a real space; no table is needed. A search ends after ``trials`` results, and its score is the true value
of the cell whose measured value is best, in percent of the cells of a fixed random sample that are worse: 50 is as good as one random
cell, 100 the best of all. Both searches of a seed have the same initial design. ``worse`` is the share of seeds in which the strategy ends
below random, ties apart; p is that of the paired sign-flip test of the mean difference.
"""

from __future__ import annotations

import argparse
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza_server.bench.report import grid, sign_flip, spread
from bonanza_server.search.history import History, Observation
from bonanza_server.search.spec import n_initial, strategy_spec
from bonanza_server.search.strategy import Strategy, strategy_from_spec

CELLS: Mapping[str, Any] = {"kind": "edge_cell", "nodes": 4, "ops": ["none", "skip_connect", "conv", "pool"]}
"""4,096 spellings; nothing was tuned on it."""
REFERENCE = 1_000
"""Cells that a score is a percentage of."""
NOTICEABLE = 0.01
"""The p-value below which a strategy that ends below random is worse than random."""


def chance(*of: object) -> float:
    """A number in [0, 1) that only the arguments decide."""
    return zlib.crc32(repr(of).encode()) / 2**32


def quality(cell: Architecture) -> float:
    """What can be learned: every op and pair of ops of the live network is good or bad, as chance has it; about 0 ± 3."""
    graph = cell.space.canonical(cell)
    ops = sum(chance("op", label) - 0.5 for label in graph.labels)
    pairs = sum(chance(graph.labels[v], graph.labels[w]) - 0.5 for v, w in graph.edges)
    return float(2.0 * (ops + pairs) / max(1.0, len(graph.edges)) ** 0.5)


def noise(cell: Architecture, seed: int) -> float:
    """Of one measurement: about normal, 0 ± 1."""
    return sum(chance(cell.arch_id, seed, k) for k in range(12)) - 6.0


@dataclass(frozen=True)
class Case:
    """An objective: the truth of a cell, and what a measurement with a seed gives (None: it fails)."""

    space: Mapping[str, Any]
    truth: Callable[[Architecture], float]
    measure: Callable[[Architecture, int], float | None]
    maximize: bool = True


def usual(cell: Architecture, seed: int) -> float:
    """The truth and a little noise."""
    return quality(cell) + 0.1 * noise(cell, seed)


def failing(cell: Architecture, seed: int) -> float | None:
    """Three cells in ten fail, whichever the seed."""
    return None if chance("fails", cell.arch_id) < 0.3 else usual(cell, seed)


def outlying(cell: Architecture, seed: int) -> float:
    """The first result is 1e9 for no reason."""
    return 1e9 if seed % 1_000 == 0 else usual(cell, seed)


CASES: Mapping[str, Case] = {
    "constant": Case(CELLS, lambda _: 1.0, lambda _cell, _seed: 1.0),
    "noise": Case(CELLS, lambda _: 0.0, noise),
    "failures": Case(CELLS, quality, failing),
    "outlier": Case(CELLS, quality, outlying),
    "minimise": Case(CELLS, quality, usual, maximize=False),
    "three cells": Case({"kind": "edge_cell", "nodes": 2, "ops": ["a", "b", "c"]}, quality, usual),
    "darts": Case({"kind": "darts"}, quality, usual),
    "recurrent": Case({"kind": "recurrent", "nodes": 8}, quality, usual),
    "layers": Case({"kind": "layer_graph", "flavour": "cnn"}, quality, usual),
}


def search(strategy: Strategy | None, case: Case, *, seed: int, trials: int, initial: int) -> Architecture | None:
    """The cell whose measured value is best after so many trials, of all that there are if they are fewer; None: random search.

    An outlier is no cell to choose: a person would look at 1e9 and take the next.
    """
    space = space_from_spec(case.space)
    draw = random.Random(f"initial design of {seed}")
    observed: list[Observation] = []
    seen: set[str] = set()
    for number in range(trials):
        if strategy is None or number < initial:
            cell = unseen(space, seen, draw)
        else:
            history = History(space, case.maximize, tuple(observed), (), frozenset(seen))
            proposals = strategy.propose(history, 1, np.random.default_rng([seed, number]))
            cell = proposals[0].architecture if proposals else None
        if cell is None:
            break
        assert cell.arch_id not in seen
        seen.add(cell.arch_id)
        value = case.measure(cell, 1_000 * seed + number)
        if value is not None:
            observed.append(Observation(cell, (value,), number))
    sign = 1.0 if case.maximize else -1.0
    ranked = [one for one in observed if one.value < 1e9]
    return max(ranked, key=lambda one: sign * one.value).architecture if ranked else None


def unseen(space: SearchSpace, seen: set[str], draw: random.Random) -> Architecture | None:
    """A cell that is not among those ``seen``; None where a thousand draws gave none."""
    drawn = (space.sample(draw) for _ in range(1_000))
    return next((cell for cell in drawn if cell.arch_id not in seen), None)


def score(case: Case, cell: Architecture | None, reference: list[float]) -> float:
    """The percentage of the reference cells that are worse, ties counting half; 0 for none."""
    if cell is None:
        return 0.0
    sign = 1.0 if case.maximize else -1.0
    own = sign * case.truth(cell)
    worse = sum((sign * one < own) + 0.5 * (one * sign == own) for one in reference)
    return 100.0 * worse / len(reference)


def compare(
    spec: Mapping[str, Any], case: Case, *, seeds: range, trials: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The scores of a strategy and of random search, (seeds,) each."""
    strategy, initial = strategy_from_spec(spec), n_initial(spec) or 10
    space, draw = space_from_spec(case.space), random.Random(0)
    reference = [case.truth(space.sample(draw)) for _ in range(REFERENCE)]

    def scores(one: Strategy | None) -> np.ndarray[Any, Any]:
        found = (search(one, case, seed=seed, trials=trials, initial=initial) for seed in seeds)
        return np.array([score(case, cell, reference) for cell in found])

    return scores(strategy), scores(None)


def main() -> None:
    """Print a line a strategy and case; exit 1 if a strategy is worse than random by more than noise."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.robustness", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--strategies", default="bonanza,bananas,bonas,nasbot,surrogate")
    parser.add_argument("--cases", default=",".join(CASES))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lost = []
    print(grid(["strategy", "case", "score", "of random", "worse", "p"], []), flush=True)
    for name in arguments.strategies.split(","):
        for label in arguments.cases.split(","):
            ours, baseline = compare(
                strategy_spec({"name": name}), CASES[label], seeds=range(arguments.seeds), trials=arguments.trials
            )
            p = sign_flip(ours - baseline)
            worse = f"{int((ours < baseline).sum())} of {len(ours)}"
            print(f"| {name} | {label} | {spread(ours, 1)} | {spread(baseline, 1)} | {worse} | {p:.3f} |", flush=True)
            if ours.mean() < baseline.mean() and p < NOTICEABLE:
                lost.append(f"{name} on {label}")
    if lost:
        raise SystemExit(f"worse than random by more than noise: {', '.join(lost)}")


if __name__ == "__main__":
    main()
