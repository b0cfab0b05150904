"""Cells without ops, each once: orderly generation (Read 1978; McKay 1998, "Isomorph-free exhaustive generation").

A structure is a DAG with one input and one output whose every vertex is on a path between them. It is written as the
source set of each vertex in turn, in the topological order that makes this sequence the smallest. The smallest
sequence has smallest beginnings, so structures grow vertex by vertex, and a beginning that some other order makes
smaller is dropped with all that would grow on it: nothing is stored, compared or hashed, and none comes twice.

The orders that leave the sequence as it is are the automorphisms. They say which ways to write ops on the vertices are
one network, so the labelled cells too are listed each once, and counted (Burnside's lemma) without listing. All
423,624 cells of NAS-Bench-101 have 2,494 structures, found in some 20 ms: a file of them would be slower to read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from bonanza.spaces.wiring import triangle

Order = tuple[int, ...]
"""For each place between input and output the vertex that comes there, both counted from 1."""
Labels = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """``triangle`` has a 1 for each edge of ``wiring.triangle(vertices)``; ``symmetries`` are all, the identity first."""

    vertices: int
    triangle: tuple[int, ...]
    symmetries: tuple[Order, ...]

    def count(self, ops: int) -> int:
        """The networks of this structure with one of ``ops`` on each vertex between input and output."""
        fixed: int = sum(ops ** _cycles(order) for order in self.symmetries)
        return fixed // len(self.symmetries)

    def first(self, labels: Labels) -> Labels:
        """The smallest way to label the same network."""
        return min(self._images(labels))

    def fixing(self, labels: Labels) -> int:
        """How many symmetries leave the labels as they are."""
        return self._images(labels).count(labels)

    def labellings(self, ops: int) -> Iterator[Labels]:
        """The smallest labels of each network, in lexicographic order."""
        every = itertools.product(range(ops), repeat=self.vertices - 2)
        return every if len(self.symmetries) == 1 else (labels for labels in every if self.first(labels) == labels)

    def _images(self, labels: Labels) -> list[Labels]:
        return [tuple([labels[v - 1] for v in order]) for order in self.symmetries]


@lru_cache(maxsize=8)
def structures(max_vertices: int, max_edges: int) -> tuple[Structure, ...]:
    """Every structure of 2 to ``max_vertices`` vertices and at most ``max_edges`` edges, the smaller ones first."""
    found: list[Structure] = []
    beginnings: list[tuple[Order, list[Order]]] = [((), [()])]  # source sets of the first vertices, and symmetries
    for n in range(2, max_vertices + 1):
        for sources, symmetries in beginnings:
            found += _finished(sources, symmetries, max_edges)
        if n < max_vertices:
            grown = [
                (*sources, more)
                for sources, _ in beginnings
                for more in range(1, 1 << (len(sources) + 1))
                if sum(map(int.bit_count, sources)) + more.bit_count() < max_edges  # one is left for the output
            ]
            beginnings = [(sources, found_) for sources in grown if (found_ := _symmetries(sources)) is not None]
    return tuple(found)


def _finished(sources: Order, symmetries: list[Order], max_edges: int) -> Iterator[Structure]:
    """The structures that begin so and end with the output, which all vertices without a successor lead to."""
    n = len(sources) + 2
    inner = 0
    for before in sources:
        inner |= before
    open_ends = (1 << (n - 1)) - 1 & ~inner
    left = max_edges - sum(map(int.bit_count, sources))
    for ends in range(1 << (n - 1)):
        if ends & open_ends != open_ends or ends.bit_count() > left:
            continue
        images = [ends & 1 | sum((ends >> v & 1) << k for k, v in enumerate(order, 1)) for order in symmetries]
        if min(images) == ends:
            columns = (*sources, ends)
            kept = tuple(order for order, image in zip(symmetries, images, strict=True) if image == ends)
            yield Structure(n, tuple([columns[j - 1] >> i & 1 for i, j in triangle(n)]), kept)


def _symmetries(sources: Order) -> list[Order] | None:
    """The orders in which the source sets read the same; None if they read smaller in some order."""
    found: list[Order] = []
    stack: list[tuple[Order, int]] = [((), 1)]
    while stack:
        order, placed = stack.pop()
        if len(order) == len(sources):
            found.append(order)
            continue
        want = sources[len(order)]
        for v in range(len(sources), 0, -1):  # the identity is found first
            before = sources[v - 1]
            if placed >> v & 1 or before & ~placed:
                continue
            renamed = before & 1 | sum((before >> u & 1) << k for k, u in enumerate(order, 1))
            if renamed < want:
                return None
            if renamed == want:
                stack.append(((*order, v), placed | 1 << v))
    return found


def _cycles(order: Order) -> int:
    """How many cycles a permutation has."""
    left, cycles = set(order), 0
    while left:
        cycles += 1
        v = left.pop()
        while (v := order[v - 1]) in left:
            left.remove(v)
    return cycles
