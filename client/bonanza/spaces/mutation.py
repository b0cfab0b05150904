"""Mutations that change the network and not only its spelling.

Many edits are silent: an op that the output never sees, an edge that is pruned. A search that trains the child of a
silent edit trains its parent again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from bonanza.spaces.base import Architecture

TRIES = 100
"""Children drawn before the parent's neighbours are listed; a dead cell of NAS-Bench-201 needs four on average."""
MOST_STEPS = 32
"""Steps of a walk at most: by then it has forgotten where it began."""


def mutated(
    parent: Architecture, rng: random.Random, draw: Callable[[], Architecture], *, silent: bool
) -> Architecture:
    """The first child that ``draw`` makes of ``parent`` whose id is another; with ``silent``, the first child.

    Where all of ``TRIES`` children are the parent's network, a neighbour that is not, uniformly; where there is none
    either, the last child: the space then has no other network within reach.
    """
    child = draw()
    if silent:
        return child
    for _ in range(TRIES):
        if child.arch_id != parent.arch_id:
            return child
        child = draw()
    others = [other for other in parent.space.neighbors(parent) if other.arch_id != parent.arch_id]
    return rng.choice(others) if others else child


def walked(parent: Architecture, rng: random.Random, *, rate: float) -> Architecture:
    """Where ``rate`` steps from ``parent`` lead, each to a neighbour drawn uniformly; the walk never comes back to it.

    For spaces whose architectures are no vectors of one length. The whole number of steps has the mean ``rate``, but is
    at least 1 and at most ``MOST_STEPS``; the parent itself only where it has no neighbour.

    Raises:
        ValueError: ``rate`` is not a finite number above 0.
    """
    if not 0 < rate < math.inf:
        raise ValueError(f"the mutation rate is the expected number of edits, above 0, not {rate}")
    whole = int(min(rate, MOST_STEPS))
    steps = max(1, whole + (rng.random() < rate - whole)) if rate < MOST_STEPS else MOST_STEPS
    here = parent
    for _ in range(steps):
        around = [neighbour for neighbour in parent.space.neighbors(here) if neighbour != parent]
        if not around:
            break
        here = rng.choice(around)
    return here
