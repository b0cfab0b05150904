"""The genes of cells with ops on vertices: an upper triangle of 0 and 1, row by row, then an op for each inner vertex.

A cell may have fewer vertices than the largest, and vertices on no path from input to output. Not every vector is a
cell: there must be such a path, and at most so many edges on such paths.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from math import comb, isqrt

from bonanza.spaces.genes import Genes, Genome
from bonanza.spaces.wiring import Edge, live_edges, live_vertices, triangle

TRIES = 30
"""Invalid vectors drawn before something else is tried."""


def vertices_of(genes: Genes) -> int:
    """How many vertices the cell has, input and output included: n (n - 1) / 2 + n - 2 genes."""
    return (isqrt(8 * len(genes) + 17) - 1) // 2


def edges_of(genes: Genes) -> tuple[Edge, ...]:
    """The edges, sorted."""
    return tuple(compress(triangle(vertices_of(genes)), genes))


def ops_of(genes: Genes) -> Genes:
    """The ops of the vertices between input and output."""
    return genes[comb(vertices_of(genes), 2) :]


@dataclass(frozen=True)
class NodeGenome:
    """Cells of 2 to ``max_vertices`` vertices with up to ``max_edges`` live edges and one of ``ops`` on each vertex."""

    max_vertices: int
    max_edges: int
    ops: int

    def holds(self, genes: Genes) -> bool:
        """Whether the genes, of a fitting number and size each, are a cell."""
        n, edges = vertices_of(genes), edges_of(genes)
        if len(edges) <= self.max_edges:
            return live_vertices(n, edges) > 0
        return 0 < len(live_edges(n, edges)) <= self.max_edges

    def half_edge(self, rng: random.Random) -> Genes:
        """A cell of the most vertices, each edge there with chance 1/2, its ops uniform: drawn until it is valid."""
        genome = self._vectors[self.max_vertices]
        while not self.holds(genes := genome.sample(rng)):
            pass
        return genes

    def mutate(self, genes: Genes, rng: random.Random, *, rate: float) -> Genes:
        """A valid cell of the most vertices with about ``rate`` other edges and ops, at least one (``Genome.mutate``).

        A cell that has fewer vertices is spread among dead ones first, at random, so that cells grow. Invalid children
        are drawn again, after ``TRIES`` of them with half the rate, as a rate beyond what the edge limit leaves room
        for needs. If no edit at all is valid, the parent.

        Deviations from naszilla (cell_101.py): there each of 21 edges changes with chance rate/21 and each of 5 ops
        with chance rate/5, 2 edits at rate 1, and the code ignores the rate; here all 26 have an equal chance.

        Raises:
            ValueError: ``rate`` is not a finite number above 0.
        """
        if self.max_vertices == 2:
            return Genome(()).mutate(genes, rng, rate=rate)  # the only cell
        n, genome = vertices_of(genes), self._vectors[self.max_vertices]
        while True:
            for _ in range(TRIES):
                places = sorted(rng.sample(range(1, self.max_vertices - 1), n - 2))
                parent = self._spread(genes, places, [rng.randrange(self.ops) for _ in range(self.max_vertices - 2)])
                child = genome.mutate(parent, rng, rate=rate)
                if self.holds(child):
                    return child
            if rate <= 0.5:
                break
            rate = min(rate, len(parent)) / 2
        near = [other for other in genome.neighbors(parent) if self.holds(other)]
        return rng.choice(near) if near else genes

    def neighbors(self, genes: Genes) -> Iterator[Genes]:
        """Every valid cell of as many vertices with one edge or op other; by gene, then by choice."""
        return filter(self.holds, self._vectors[vertices_of(genes)].neighbors(genes))

    def crossover(self, a: Genes, b: Genes, rng: random.Random) -> Genes:
        """A valid cell with each edge and op from ``a`` or ``b``, with equal chances; if none is found, one of them.

        The one with fewer vertices gets dead ones before its output, with the other's ops.
        """
        a, b = self._widened(a, b), self._widened(b, a)
        genome = self._vectors[vertices_of(a)]
        children = (genome.crossover(a, b, rng) for _ in range(TRIES))
        return next(filter(self.holds, children), None) or rng.choice((a, b))

    @cached_property
    def _vectors(self) -> dict[int, Genome]:
        """All vectors of the length that so many vertices have."""
        return {n: Genome((2,) * comb(n, 2) + (self.ops,) * (n - 2)) for n in range(2, self.max_vertices + 1)}

    def _widened(self, genes: Genes, like: Genes) -> Genes:
        if len(genes) >= len(like):
            return genes
        return self._spread(genes, range(1, vertices_of(genes) - 1), ops_of(like))

    @staticmethod
    def _spread(genes: Genes, places: Sequence[int], ops: Sequence[int]) -> Genes:
        """The cell with its inner vertices at ``places`` among as many as there are ``ops``, the rest of them dead."""
        n = len(ops) + 2
        if n == vertices_of(genes):
            return genes
        place = [0, *places, n - 1]
        edges = {(place[i], place[j]) for i, j in edges_of(genes)}
        own = dict(zip(places, ops_of(genes), strict=True))
        return (
            *[int(edge in edges) for edge in triangle(n)],
            *[own.get(v, op) for v, op in enumerate(ops, start=1)],
        )
