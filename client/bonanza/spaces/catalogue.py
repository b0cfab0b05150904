"""Every network of a space of node cells, each in one spelling: counted, listed, drawn uniformly."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from bonanza.spaces.genes import Genes
from bonanza.spaces.structures import Structure, structures


@dataclass(frozen=True)
class Catalogue:
    """The networks of 2 to ``max_vertices`` vertices, at most ``max_edges`` edges and one of ``ops`` on each vertex."""

    max_vertices: int
    max_edges: int
    ops: int

    @property
    def size(self) -> int:
        """How many there are."""
        return self._up_to[-1]

    def enumerate(self) -> Iterator[Genes]:
        """Each once: the smallest first, then by structure, then by ops."""
        for structure in self._structures:
            for labels in structure.labellings(self.ops):
                yield structure.triangle + labels

    def sample(self, rng: random.Random) -> Genes:
        """One of them, each with the same chance, as ``enumerate`` spells it."""
        structure = self._structures[bisect_right(self._up_to, rng.randrange(self.size))]
        while True:
            labels = tuple([rng.randrange(self.ops) for _ in range(structure.vertices - 2)])
            # A network has as many labellings as the symmetries have images of one: all together get one chance.
            if rng.randrange(len(structure.symmetries)) < structure.fixing(labels):
                return structure.triangle + structure.first(labels)

    @property
    def _structures(self) -> tuple[Structure, ...]:
        return structures(self.max_vertices, self.max_edges)

    @cached_property
    def _up_to(self) -> list[int]:
        """The networks of the first 1, 2, .. structures."""
        return list(accumulate(structure.count(self.ops) for structure in self._structures))
