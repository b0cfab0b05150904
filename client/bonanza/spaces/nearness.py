"""Which of many networks are nearest to one: the distance of two graphs is what their multisets of parts do not share.

The parts of a graph are the labels of its ops and the pairs of labels on its edges, each as often as it is there. The
distance is the sum over all parts of how much the two counts differ: 2 for another op on its own, 1 for one edge more.
It is symmetric, holds the triangle inequality, and is 0 for some pairs of different networks.

Notation
    level       (part, c): that a graph has the part c times or more; the distance counts the levels that only one has
    bitset      an integer whose bit m is of network m
    slice b     the bitset of the networks whose distance has bit b

The distances to all networks are added up in slices, bit by bit with a carry, one level after the other, so that an
operation on integers works on all the networks at once: 30,000 of NAS-Bench-201's size take some milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from bonanza.spaces.graph import LabelledDag

MOST_LEVELS = 4_096
"""Levels that are told apart, the first that the graphs have; 16 MB of bitsets for 30,000 networks."""

Level = tuple[str, str | None, int]


def levels(graph: LabelledDag) -> list[Level]:
    """The levels of a graph: (label, None, c) of its ops, (label, label, c) of its edges."""
    parts: Counter[tuple[str, str | None]] = Counter((label, None) for label in graph.labels[1:-1])
    for (v, w), count in zip(graph.edges, graph.counts, strict=True):
        parts[graph.labels[v], graph.labels[w]] += count
    return [(*part, c) for part, count in parts.items() for c in range(1, count + 1)]


class Nearness:
    """The networks of ``graphs``, by their place in it, ready to be compared."""

    def __init__(self, graphs: Iterable[LabelledDag]) -> None:
        having: dict[Level, bytearray] = {}
        self._size = 0
        for m, graph in enumerate(graphs):
            self._size = m + 1
            for level in levels(graph):
                if level not in having:
                    if len(having) == MOST_LEVELS:
                        continue
                    having[level] = bytearray()
                bits = having[level]
                bits.extend(bytes(m // 8 + 1 - len(bits)))
                bits[m // 8] |= 1 << m % 8
        self._having = {level: int.from_bytes(bits, "little") for level, bits in having.items()}

    def nearest(self, graph: LabelledDag) -> Iterator[int]:
        """All networks, those at the smallest distance from ``graph`` first; of equal distance, in their order."""
        everyone = (1 << self._size) - 1
        own = set(levels(graph))
        slices: list[int] = []
        for level, having in self._having.items():
            carry = everyone ^ having if level in own else having
            for b, bits in enumerate(slices):
                if not carry:
                    break
                slices[b], carry = bits ^ carry, bits & carry
            if carry:
                slices.append(carry)
        yield from _ascending(slices, everyone)


def _ascending(slices: list[int], among: int) -> Iterator[int]:
    """The members of a bitset by the number that the slices hold of each, then by their place."""
    parts = [(len(slices), among)]
    while parts:
        b, members = parts.pop()
        if b == 0:
            while members:
                lowest = members & -members
                yield lowest.bit_length() - 1
                members ^= lowest
        else:
            bits = slices[b - 1]
            parts += [(b - 1, part) for part in (members & bits, members & ~bits) if part]
