"""Where candidates come from: the mutation acquisition optimiser of BANANAS, and unseen samples.

White, Neiswanger, Savani 2021 (arXiv 1910.11858) and naszilla's ``nas_benchmarks.get_candidates``: up to 100 mutants of the best cell;
where fewer of them are new, of the next best, for the five best cells. The original then goes on with however few it has and counts
them as a full batch; here the search is widened instead, to more parents and more edits, then to random cells, then to the list
of what is left of the space, so that there are fewer candidates than asked for only when the space holds no more.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from itertools import islice

import numpy as np

from bonanza.spaces import Architecture, SearchSpace
from bonanza_server.search.history import History

TRIES = 100
"""Mutants tried of one parent."""
MOST_PARENTS = 50
"""Parents mutated when the first ones have too few new mutants."""
PATIENCE = 8
"""Random cells tried for each one wanted, before what is left of the space is listed."""
SHUFFLED = 20_000
"""Spaces up to this size are listed whole; of larger ones no more than is needed."""
MOST_LISTED = 200_000
"""Cells gone through at most when a space is listed."""


def python_random(rng: np.random.Generator) -> random.Random:
    """A generator for the spaces, seeded from ``rng``."""
    return random.Random(int(rng.integers(2**63)))


class Unseen:
    """Collects distinct architectures whose ids are not among those ``seen``, in the order they are offered."""

    def __init__(self, seen: Collection[str]) -> None:
        self.found: list[Architecture] = []
        self._seen = seen
        self._offered: set[Architecture] = set()
        self._ids: set[str] = set()

    def offer(self, architecture: Architecture) -> None:
        """Take ``architecture`` if it is new."""
        if architecture in self._offered:  # most repeats are equal genes, and need no canonical form
            return
        self._offered.add(architecture)
        arch_id = architecture.arch_id
        if arch_id not in self._seen and arch_id not in self._ids:
            self._ids.add(arch_id)
            self.found.append(architecture)


def mutants(history: History, n: int, rng: random.Random, *, parents: int = 5, rate: float = 1.0) -> list[Architecture]:
    """At least ``n`` distinct unseen candidates, fewer only where the space holds no more; best parents' mutants first.

    Args:
        history: The observed cells, parents from the best on, and what was seen.
        n: How many.
        rng: Moved.
        parents: Cells that are mutated at the given rate before the search is widened.
        rate: Handed to the space's ``mutate``; a widened search has twice as many edits, then four times.
    """
    unseen = Unseen(history.seen)
    ranked = [observed.architecture for observed in history.best_first[:MOST_PARENTS]]
    for breed, edits in ((ranked[:parents], rate), (ranked, 2.0 * rate), (ranked, 4.0 * rate)):
        for parent in breed:
            if len(unseen.found) >= n:
                return unseen.found
            for _ in range(TRIES):
                unseen.offer(history.space.mutate(parent, rng, rate=edits))
    _fill(unseen, history.space, n, rng)
    return unseen.found


def unseen_samples(space: SearchSpace, seen: Collection[str], n: int, rng: random.Random) -> list[Architecture]:
    """``n`` distinct unseen architectures drawn as the space samples, fewer only where it holds no more."""
    unseen = Unseen(seen)
    _fill(unseen, space, n, rng)
    return unseen.found[:n]


def filled_up(history: History, found: list[Architecture], n: int, rng: random.Random) -> list[Architecture]:
    """``found``, distinct unseen cells, and as many unseen samples as are missing to ``n``; fewer only where the space holds no more."""
    seen = history.seen.union(cell.arch_id for cell in found)
    return found + unseen_samples(history.space, seen, n - len(found), rng)


def _fill(unseen: Unseen, space: SearchSpace, n: int, rng: random.Random) -> None:
    """Offer random cells, and if that does not bring ``n``, what is left of a finite space."""
    for _ in range(PATIENCE * max(0, n - len(unseen.found)) + TRIES):
        if len(unseen.found) >= n:
            return
        unseen.offer(space.sample(rng))
    if space.size is None:
        return
    drawn = len(unseen.found)
    for architecture in islice(space.enumerate(), MOST_LISTED):
        # A small space is listed to its end, so that what is left of it can be taken in random order.
        if space.size > SHUFFLED and len(unseen.found) >= n:
            break
        unseen.offer(architecture)
    left = unseen.found[drawn:]
    rng.shuffle(left)
    unseen.found[drawn:] = left
