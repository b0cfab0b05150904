"""Layers of a graph, and the order within each: what a layered picture is laid out from.

Sugiyama, Tagawa and Toda 1981, "Methods for visual understanding of hierarchical system structures", with the
choices of Gansner, Koutsofios, North and Vo 1993, "A technique for drawing directed graphs" (medians, transposition).

Notation
    v, w        nodes 0 .. n - 1 in topological order; node 0 is alone on the first layer, node n - 1 on the last
    bend        a node without a box, from n on: a long edge has one on each layer that it passes
    place       of a node or bend: its index in its layer, from the left
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Edge = tuple[int, int]

MOST_BENDS = 4_000
"""Long edges beyond it, the longest first, have no bends: a picture of so many edges is read by nobody, but must end."""
ROUNDS = 24
PATIENCE = 4
"""Rounds without fewer crossings, after which there will be none."""
MOST_TRANSPOSED = 2_000
"""Edges up to which neighbours are exchanged one by one, which costs a round ten times its sweep."""


@dataclass(frozen=True, slots=True)
class Layering:
    """``layers`` has nodes and bends from the left, ``layer`` the index of each one's.

    ``routes`` has for each edge what it passes, its ends and all its bends; one item a layer, unless it is among the
    edges too long for bends. ``above`` and ``below`` are each one's neighbours along the routes.
    """

    nodes: int
    layers: list[list[int]]
    layer: list[int]
    routes: list[list[int]]
    above: list[list[int]]
    below: list[list[int]]

    def is_bend(self, v: int) -> bool:
        """Whether ``v`` is no node."""
        return v >= self.nodes


def layered(nodes: int, edges: Sequence[Edge]) -> Layering:
    """The layers of a graph with ``edges`` (v, w), v < w; ordered for few crossings, the same for the same graph."""
    layer = layers_of(nodes, edges)
    routes: list[list[int]] = [[] for _ in edges]
    above: list[list[int]] = [[] for _ in range(nodes)]
    below: list[list[int]] = [[] for _ in range(nodes)]
    left = MOST_BENDS
    for k in sorted(range(len(edges)), key=lambda k: layer[edges[k][1]] - layer[edges[k][0]]):
        v, w = edges[k]
        span = layer[w] - layer[v]
        if span - 1 > left:
            routes[k] = [v, w]
            continue
        left -= span - 1
        first = len(layer)
        layer += range(layer[v] + 1, layer[w])
        above += ([] for _ in range(span - 1))
        below += ([] for _ in range(span - 1))
        routes[k] = [v, *range(first, len(layer)), w]
        for upper, lower in pairwise(routes[k]):
            below[upper].append(lower)
            above[lower].append(upper)
    layers = _first_order(layer, above, below)
    return Layering(nodes, _Ordering(layers, above, below).run(), layer, routes, above, below)


def layers_of(nodes: int, edges: Iterable[Edge]) -> list[int]:
    """For each node its layer, edges leading to later ones: as early as can be, then moved to where its edges are short.

    A node with more successors than predecessors goes down to the former, one with as many half-way.
    """
    before: list[list[int]] = [[] for _ in range(nodes)]
    after: list[list[int]] = [[] for _ in range(nodes)]
    for v, w in edges:
        before[w].append(v)
        after[v].append(w)
    layer = [0] * nodes
    for v in range(1, nodes):
        layer[v] = 1 + max((layer[u] for u in before[v]), default=0)
    layer[-1] = 1 + max(layer[:-1])
    for v in range(nodes - 2, 0, -1):
        if not after[v] or len(after[v]) < len(before[v]):
            continue
        lowest = min(layer[w] for w in after[v]) - 1
        layer[v] = lowest if len(after[v]) > len(before[v]) else (layer[v] + lowest) // 2
    return layer


def _first_order(layer: list[int], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """Each layer in the order in which a depth-first walk meets its nodes: a tree has no crossings in it."""
    layers: list[list[int]] = [[] for _ in range(1 + max(layer))]
    seen = [False] * len(layer)
    stack = [v for v in range(len(layer) - 1, -1, -1) if not above[v]]
    while stack:
        v = stack.pop()
        if not seen[v]:
            seen[v] = True
            layers[layer[v]].append(v)
            stack += reversed(below[v])
    return layers


class _Ordering:
    """Sweeps down and up, each layer sorted by the places of its neighbours in the one before; the best is kept."""

    def __init__(self, layers: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
        self._layers, self._above, self._below = layers, above, below
        self._place = [0] * len(above)
        for found in layers:
            self._number(found)
        self._small = sum(map(len, below)) <= MOST_TRANSPOSED

    def run(self) -> list[list[int]]:
        best, fewest, idle = [list(found) for found in self._layers], self._crossings(), 0
        for number in range(ROUNDS):
            if fewest == 0 or idle == PATIENCE:
                break
            self._sweep(down=number % 2 == 0, median=number % 4 < 2)
            if self._small:
                self._transpose()
            crossings = self._crossings()
            idle += 1
            if crossings < fewest:
                best, fewest, idle = [list(found) for found in self._layers], crossings, 0
        return best

    def _number(self, found: list[int]) -> None:
        for place, v in enumerate(found):
            self._place[v] = place

    def _sweep(self, *, down: bool, median: bool) -> None:
        place = self._place
        neighbours = self._above if down else self._below
        for found in self._layers[1:] if down else self._layers[-2::-1]:
            wanted: dict[int, float] = {}
            for v in found:
                at = sorted([place[u] for u in neighbours[v]])
                if not at:
                    wanted[v] = place[v]
                elif median:
                    wanted[v] = (at[(len(at) - 1) // 2] + at[len(at) // 2]) / 2
                else:
                    wanted[v] = sum(at) / len(at)
            found.sort(key=wanted.__getitem__)
            self._number(found)

    def _transpose(self) -> None:
        """Exchange neighbours as long as that takes crossings away."""
        place = self._place
        for _ in range(ROUNDS):
            better = False
            for found in self._layers:
                for k in range(len(found) - 1):
                    v, w = found[k], found[k + 1]
                    gain = 0
                    for neighbours in (self._above, self._below):
                        at_v, at_w = [place[u] for u in neighbours[v]], [place[u] for u in neighbours[w]]
                        gain += sum((a > b) - (a < b) for a in at_v for b in at_w)
                    if gain > 0:
                        found[k], found[k + 1] = w, v
                        place[v], place[w] = k + 1, k
                        better = True
            if not better:
                return

    def _crossings(self) -> int:
        total, place = 0, self._place
        for found in self._layers:
            met: list[int] = []
            for v in found:
                ends = sorted([place[w] for w in self._below[v]])
                total += sum(len(met) - bisect_right(met, end) for end in ends)
                for end in ends:
                    insort(met, end)
        return total
