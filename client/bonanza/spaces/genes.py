"""Fixed-length vectors of categorical genes, and how they are drawn, changed and mixed.

Every family whose architectures are so many independent choices is built on one ``Genome``. A gene is the index of
its choice.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

Genes = tuple[int, ...]


def edited(free: list[int], rng: random.Random, *, rate: float) -> list[int]:
    """Which of the n genes ``free`` to change: each with probability rate/n; where that gives none, one uniformly.

    Raises:
        ValueError: ``rate`` is not a finite number above 0.
    """
    if not 0 < rate < math.inf:
        raise ValueError(f"the mutation rate is the expected number of edits, above 0, not {rate}")
    if not free:
        return []
    chance = rate / len(free)
    return [k for k in free if rng.random() < chance] or [rng.choice(free)]


@dataclass(frozen=True, slots=True)
class Genome:
    """All vectors whose gene k is one of 0 .. sizes[k] - 1."""

    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many vectors there are."""
        return math.prod(self.sizes)

    def sample(self, rng: random.Random) -> Genes:
        """A vector, uniformly."""
        return tuple([rng.randrange(size) for size in self.sizes])

    def mutate(self, genes: Genes, rng: random.Random, *, rate: float) -> Genes:
        """A copy where each of the n genes that has a choice is changed, to another choice, with probability rate/n.

        Where that would change none, one gene drawn uniformly is changed (``edited``): so there are ``rate`` changes on
        average plus the chance of none, 1.33 at rate 1 with 6 genes. Deviations from BANANAS on NAS-Bench-201 (naszilla
        cell_201.py), which has rate/4 for each of 6 genes, 1.5 changes, and may return the parent. If no gene has a
        choice, the parent.

        Raises:
            ValueError: ``rate`` is not a finite number above 0.
        """
        child = list(genes)
        for k in edited([k for k, size in enumerate(self.sizes) if size > 1], rng, rate=rate):
            other = rng.randrange(self.sizes[k] - 1)
            child[k] = other + (other >= genes[k])
        return tuple(child)

    def neighbors(self, genes: Genes) -> Iterator[Genes]:
        """Every vector that differs in one gene; by gene, then by choice."""
        for k, size in enumerate(self.sizes):
            for choice in range(size):
                if choice != genes[k]:
                    yield (*genes[:k], choice, *genes[k + 1 :])

    def crossover(self, a: Genes, b: Genes, rng: random.Random) -> Genes:
        """A vector with each gene from ``a`` or from ``b``, with equal chances (uniform crossover)."""
        return tuple([y if rng.random() < 0.5 else x for x, y in zip(a, b, strict=True)])

    def enumerate(self) -> Iterator[Genes]:
        """Every vector, in lexicographic order."""
        return itertools.product(*map(range, self.sizes))
