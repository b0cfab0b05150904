"""Candidates of a space too large to be listed: near the best cells, between them, and anywhere.

All one-edit neighbours of the best few cells come first, because a search that does not look at them is beaten by local search; then
mutants of more cells with one edit and with several, children of two good cells, and random cells. ``acqopt`` makes sure that there
are enough of them where the space holds enough.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import Unseen, mutants
from bonanza_server.search.history import History

PARENTS = 4
"""Best cells whose neighbours are all candidates."""
MOST_NEIGHBOURS = 300
"""Neighbours taken of one parent, drawn at random where it has more."""
MOST_LISTED = 5_000
"""Neighbours gone through at most."""
BREED = 20
"""Best cells that are mutated and crossed."""


def candidates(
    history: History, n: int, rng: random.Random, promising: Sequence[Architecture] = ()
) -> list[Architecture]:
    """About ``n`` distinct unseen candidates and the neighbours of the best; at least ``n`` unless the space holds fewer.

    Args:
        history: At least one observed cell.
        n: How many.
        rng: Moved.
        promising: Candidates for other reasons.
    """
    space = history.space
    unseen = Unseen(history.seen)
    for cell in promising:
        unseen.offer(cell)
    ranked = [observed.architecture for observed in history.best_first[:BREED]]
    for parent in ranked[:PARENTS]:
        neighbours = list(islice(space.neighbors(parent), MOST_LISTED))
        if len(neighbours) > MOST_NEIGHBOURS:
            neighbours = rng.sample(neighbours, MOST_NEIGHBOURS)
        for neighbour in neighbours:
            unseen.offer(neighbour)
    for k in range(n // 4):
        unseen.offer(space.mutate(_good(ranked, rng), rng, rate=(1.0, 2.0, 4.0)[k % 3]))
        unseen.offer(space.crossover(_good(ranked, rng), _good(ranked, rng), rng))
        unseen.offer(space.sample(rng))
    if len(unseen.found) >= n:
        return unseen.found
    for mutant in mutants(history, n, rng):
        unseen.offer(mutant)
    return unseen.found


def _good(ranked: list[Architecture], rng: random.Random) -> Architecture:
    """One of the ranked cells, the better the likelier: the best of two draws."""
    return ranked[min(rng.randrange(len(ranked)), rng.randrange(len(ranked)))]
