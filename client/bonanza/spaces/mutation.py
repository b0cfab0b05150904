"""Mutations that change the network and not only its spelling.

Many edits are silent: an op that the output never sees, an edge that is pruned. A search that trains the child of a
silent edit trains its parent again.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from bonanza.spaces.base import Architecture

TRIES = 100
"""Children drawn before the parent's neighbours are listed; a dead cell of NAS-Bench-201 needs four on average."""


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
