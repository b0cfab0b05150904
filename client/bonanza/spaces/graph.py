"""The one graph that all encodings and surrogates read: a directed acyclic multigraph with labelled nodes.

Notation
    v, w        nodes, numbered in topological order; 0 is the input, the last one the output
    (v, w)      an edge: the value of v is a summand of the input of w
    count       how often it is: x + x is not x, so the edges are a multiset
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

INPUT = "input"
OUTPUT = "output"

Neighbours = tuple[tuple[tuple[int, int], ...], ...]
"""For each node its neighbours as (node, count), ascending."""


@dataclass(frozen=True, slots=True)
class LabelledDag:
    """Nodes with labels, and edges (v, w), v < w, distinct and sorted; node 0 is "input" and the last one "output".

    ``counts`` has for each edge how often its source is added, () for once each. ``units`` and ``mass`` are a layer's
    width and its weight in optimal transport, one for each node, None where the space has no such thing.

    Raises:
        ValueError: the parts do not fit together.
    """

    labels: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    counts: tuple[int, ...] = ()
    units: tuple[int, ...] | None = None
    mass: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.labels)
        if n < 2 or self.labels[0] != INPUT or self.labels[-1] != OUTPUT:
            raise ValueError(f"the first label must be {INPUT!r}, the last {OUTPUT!r}, not {self.labels}")
        if not all(0 <= v < w < n for v, w in self.edges) or not all(e < f for e, f in pairwise(self.edges)):
            raise ValueError(f"edges must be distinct, sorted, and lead to a later one of {n} nodes, not {self.edges}")
        if not self.counts:
            object.__setattr__(self, "counts", (1,) * len(self.edges))
        if len(self.counts) != len(self.edges) or not all(count >= 1 for count in self.counts):
            raise ValueError(
                f"there must be a count of 1 or more for each of {len(self.edges)} edges, not {self.counts}"
            )
        if any(values is not None and len(values) != n for values in (self.units, self.mass)):
            raise ValueError(f"units and mass must have a value for each of {n} nodes, or be None")

    def predecessors(self) -> Neighbours:
        """Where each node's input comes from."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.labels]
        for (v, w), count in zip(self.edges, self.counts, strict=True):
            found[w].append((v, count))
        return tuple(map(tuple, found))

    def successors(self) -> Neighbours:
        """Where each node's output goes."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.labels]
        for (v, w), count in zip(self.edges, self.counts, strict=True):
            found[v].append((w, count))
        return tuple(map(tuple, found))

    def reordered(self, order: Sequence[int]) -> LabelledDag:
        """The isomorphic graph whose node k is this one's node ``order[k]``; the order must be topological."""
        place = [0] * len(order)
        for k, v in enumerate(order):
            place[v] = k
        moved = sorted([((place[v], place[w]), count) for (v, w), count in zip(self.edges, self.counts, strict=True)])
        return LabelledDag(
            tuple([self.labels[v] for v in order]),
            tuple([edge for edge, _ in moved]),
            tuple([count for _, count in moved]),
            None if self.units is None else tuple(self.units[v] for v in order),
            None if self.mass is None else tuple(self.mass[v] for v in order),
        )


def graph_id(canonical: LabelledDag) -> str:
    """80 bits of BLAKE2b of a graph in canonical order, as 20 hexadecimal digits.

    A function of the graph alone: spaces of different kinds give one network one id. Among n distinct networks the
    chance that any two share an id is below n^2 / 2^81: 4e-7 for a billion.
    """
    parts = [canonical.labels, canonical.edges, canonical.counts, canonical.units, canonical.mass]
    return hashlib.blake2b(json.dumps(parts, separators=(",", ":")).encode(), digest_size=10).hexdigest()
