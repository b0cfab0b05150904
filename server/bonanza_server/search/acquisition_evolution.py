"""The evolutionary optimiser of an acquisition function, of NASBOT.

Kandasamy et al. 2018 (arXiv 1802.07191), section 4, and the released code: parents are drawn with a probability proportional to exp((f - mean) / (2 std)), f being
their acquisition and mean and std over all that were tried; children are the space's mutants, as many an epoch as 3 sqrt(evaluations), from 5 to 100.

Deviations: the original begins at a dozen networks built by hand, again at every step; here it begins at those evaluated. Children that are equal to a
network seen before are dropped. Where few are new, as in a small space, the rest are drawn from the space.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import Unseen, unseen_samples
from bonanza_server.search.history import History

Array = NDArray[np.float64]
Score = Callable[[Sequence[Architecture]], Array]

TRIES = 4
"""Mutants tried for each child of an epoch."""
BARREN = 5
"""Epochs without a new child after which the rest is drawn from the space."""


def evolve(
    history: History,
    parents: Sequence[Architecture],
    fitness: Array,
    score: Score,
    evaluations: int,
    rng: random.Random,
    *,
    rate: float,
) -> list[Architecture]:
    """As many distinct unseen networks as ``evaluations``, in the order they were tried; fewer only where the space holds no more.

    Args:
        history: What was seen, and the space.
        parents: Networks to begin with, at least one.
        fitness: Their log acquisition; (parents,).
        score: The log acquisition of further ones.
        evaluations: How many are scored.
        rng: Moved.
        rate: Handed to the space's ``mutate``.
    """
    unseen = Unseen(history.seen)
    population = list(parents)
    barren = 0
    while len(unseen.found) < evaluations and barren < BARREN:
        before = len(unseen.found)
        most = min(evaluations, before + offspring(evaluations))
        drawn = rng.choices(population, list(selection(fitness)), k=TRIES * (most - before))
        for parent in drawn:
            if len(unseen.found) == most:
                break
            unseen.offer(history.space.mutate(parent, rng, rate=rate * (1 + barren)))
        children = unseen.found[before:]
        barren = 0 if children else barren + 1
        if children and len(unseen.found) < evaluations:  # the last epoch has no children to choose parents for
            population += children
            fitness = np.concatenate((fitness, score(children)))
    found = unseen.found
    seen = history.seen.union(cell.arch_id for cell in found)
    return found + unseen_samples(history.space, seen, evaluations - len(found), rng)


def offspring(evaluations: int) -> int:
    """Children of an epoch."""
    return int(np.clip(3.0 * np.sqrt(evaluations), 5, 100))


def selection(log_acquisition: Array) -> Array:
    """The chances of parents to be drawn, up to a factor; (parents,).

    A factor common to all acquisitions does not matter to them, so the greatest is taken as 1: far from the best, EI is too small to be
    a floating-point number.
    """
    f = np.exp(log_acquisition - log_acquisition.max())
    std = float(f.std())
    return np.asarray(np.exp((f - f.max()) / (2.0 * std)) if std > 0.0 else np.ones(len(f)))
