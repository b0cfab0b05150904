"""A search must be worth its model: a small gate, with fixed seeds. The real one is tests/benchmarks/regret.py."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza.worker.tabular import load_nasbench201
from bonanza_server.search.history import History, Observation
from bonanza_server.search.strategy import Strategy, strategy_from_spec

SEQUENCE = space_from_spec(
    {"kind": "sequence", "positions": [{"name": f"stage {i}", "choices": [1, 2, 3, 4, 5, 6]} for i in range(8)]}
)


def search(
    strategy: Strategy,
    space: SearchSpace,
    measure: dict[str, float] | None,
    *,
    trials: int,
    batch: int,
    seed: int,
    maximize: bool,
) -> float:
    """The best value found when ``batch`` cells at a time are measured; the initial design is the same for every strategy."""
    rng, generator = random.Random(seed), np.random.default_rng(seed)
    observed: dict[str, Observation] = {}

    def tell(cell: Architecture) -> None:
        value = measure[cell.text] if measure is not None else loss(cell)
        observed.setdefault(cell.arch_id, Observation(cell, (value,), len(observed)))

    while len(observed) < 10:
        tell(space.sample(rng))
    while len(observed) < trials:
        history = History(space, maximize, tuple(observed.values()), (), frozenset(observed))
        for proposal in strategy.propose(history, min(batch, trials - len(observed)), generator):
            tell(proposal.architecture)
    values = [one.value for one in observed.values()]
    return max(values) if maximize else min(values)


def loss(cell: Architecture) -> float:
    """A loss whose optimum, 0, has every stage one larger than the one before, from 1, then falling."""
    wanted = (1, 2, 3, 4, 5, 6, 5, 4)
    chosen = cell.json["choices"]
    return float(sum(abs(a - b) for a, b in zip(chosen, wanted, strict=True)))


def test_bananas_beats_random_on_the_real_table_of_nasbench201() -> None:
    """Over four seeds: a processor that rounds otherwise searches otherwise, and one search in seven ends 0.48 below the optimum."""
    table = load_nasbench201("cifar10")
    accuracies = {text: cell.mean for text, cell in table.items()}
    space = space_from_spec({"kind": "nasbench201"})

    def regret(name: str, seed: int) -> float:
        strategy = strategy_from_spec({"name": name})
        return table.optimum.mean - search(strategy, space, accuracies, trials=60, batch=5, seed=seed, maximize=True)

    regrets = {name: np.mean([regret(name, seed) for seed in range(4)]) for name in ("bananas", "random")}
    assert regrets["bananas"] < regrets["random"]
    assert regrets["bananas"] < 0.4


@pytest.mark.parametrize("seed", range(3))
def test_bananas_minimises_a_loss_over_a_sequence_far_below_random(seed: int) -> None:
    found = {
        name: search(strategy_from_spec({"name": name}), SEQUENCE, None, trials=60, batch=5, seed=seed, maximize=False)
        for name in ("bananas", "random")
    }
    assert found["bananas"] < found["random"] - 1.0
