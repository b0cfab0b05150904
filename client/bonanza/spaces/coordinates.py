"""Horizontal coordinates of a layered picture, in which long edges run straight down.

Brandes and Köpf 2001, "Fast and simple horizontal coordinate assignment": each node is aligned with the median of its
neighbours above or below, conflicts solved from the left or from the right; of the four drawings that come of it each
node takes the mean of the two middle places. A stretch of bends goes before every other edge, so it is straight in all
four. Deviation: aligned blocks are packed by longest paths over the block graph, as Dagre does, because the paper's
classes and shifts can overlap (Brandes, Walter and Zink 2020, the erratum).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from bonanza.spaces.layering import Layering

STRAIGHTENED = 16
"""Rounds of straightening at most."""

Gap = Callable[[int, int], float]
"""The least distance between the centres of two neighbours of a layer."""


def abscissas(layering: Layering, gap: Gap) -> list[float]:
    """For each node and bend the x of its centre: neighbours of a layer are at least their ``gap`` apart."""
    conflicts = _conflicts(layering)
    drawings = [
        _Aligned(layering, conflicts, gap, down=down, left=left).run()
        for down in (True, False)
        for left in (True, False)
    ]
    widths = [max(xs) - min(xs) for xs in drawings]
    narrow = drawings[widths.index(min(widths))]
    for k, xs in enumerate(drawings):
        shift = max(narrow) - max(xs) if k % 2 else min(narrow) - min(xs)
        drawings[k] = [x + shift for x in xs]
    xs = [sum(sorted(found)[1:3]) / 2 for found in zip(*drawings, strict=True)]
    _straighten(layering, xs, gap)
    return xs


def _straighten(layering: Layering, xs: list[float], gap: Gap) -> None:
    """Move what has room to where its edges are shortest sideways, first each on its own, then what is in line as one.

    The mean of four drawings has jogs that none of them has. Between two bends a length counts eight times (Gansner et
    al. 1993, section 4). What passes one edge on goes in line with one of its neighbours, never between the two.
    """
    beside: list[tuple[int, int]] = [(-1, -1)] * len(xs)
    for found in layering.layers:
        for u, v, w in zip([-1, *found], found, [*found[1:], -1], strict=False):
            beside[v] = (u, w)
    for number in range(STRAIGHTENED):
        moved = False
        for line in _in_line(layering, xs, bends_only=number % 2 == 0):
            x, members = xs[line[0]], set(line)
            pulls: list[tuple[float, int]] = []
            sides = 0
            for neighbours in (layering.above, layering.below):
                outside = [(u, v) for v in line for u in neighbours[v] if u not in members]
                pulls += [(xs[u], 8 if layering.is_bend(u) and layering.is_bend(v) else 1) for u, v in outside]
                sides += len(outside) == 1
            if not pulls:
                continue
            pulls.sort()
            wanted = min(pulls, key=lambda pull: abs(pull[0] - x))[0] if sides == len(pulls) else _median(pulls)
            low = max((xs[u] + gap(u, v) for v in line if (u := beside[v][0]) >= 0), default=-math.inf)
            high = min((xs[w] - gap(v, w) for v in line if (w := beside[v][1]) >= 0), default=math.inf)
            to = min(max(wanted, low), high)
            if abs(to - x) > 0.05:
                moved = True
                for v in line:
                    xs[v] = to
        if not moved and number % 2:
            break


def _median(pulls: list[tuple[float, int]]) -> float:
    """The weighted median of sorted places; half-way where a stretch of them is."""
    half = sum(weight for _, weight in pulls) / 2
    total = 0.0
    for k, (x, weight) in enumerate(pulls):
        total += weight
        if total == half:
            return (x + pulls[k + 1][0]) / 2
        if total > half:
            return x
    raise AssertionError("half of the weights is less than all")


def _in_line(layering: Layering, xs: list[float], *, bends_only: bool) -> list[list[int]]:
    """What edges straight down connect, in order from the top; with ``bends_only`` a node is alone."""
    lines: list[list[int]] = []
    seen = [False] * len(xs)
    for found in layering.layers:
        for start in found:
            if seen[start]:
                continue
            seen[start] = True
            line = [start]
            for v in line:  # grows while it is read
                for u in (*layering.above[v], *layering.below[v]):
                    joined = not bends_only or (layering.is_bend(u) and layering.is_bend(v))
                    if joined and not seen[u] and abs(xs[u] - xs[v]) < 0.05:
                        seen[u] = True
                        line.append(u)
            lines.append(line)
    return lines


def _conflicts(layering: Layering) -> set[tuple[int, int]]:
    """Edges (upper, lower) that cross a stretch between two bends, and therefore are not straight: type 1."""
    found: set[tuple[int, int]] = set()
    for upper, lower in pairwise(layering.layers):
        place = {v: k for k, v in enumerate(upper)}
        first, scanned = 0, 0
        for k, v in enumerate(lower):
            inner = [u for u in layering.above[v] if layering.is_bend(u)] if layering.is_bend(v) else []
            if not inner and k < len(lower) - 1:
                continue
            last = place[inner[0]] if inner else len(upper) - 1
            for w in lower[scanned : k + 1]:
                for u in layering.above[w]:
                    straight = layering.is_bend(u) and layering.is_bend(w)
                    if not first <= place[u] <= last and not straight:
                        found.add((u, w))
            first, scanned = last, k + 1
    return found


class _Aligned:
    """One of the four drawings: aligned with the layer before (``down``) or after, preferring the left or the right."""

    def __init__(
        self, layering: Layering, conflicts: set[tuple[int, int]], gap: Gap, *, down: bool, left: bool
    ) -> None:
        self._conflicts, self._gap, self._down, self._sign = conflicts, gap, down, 1 if left else -1
        self._layers = [found[:: self._sign] for found in layering.layers[:: 1 if down else -1]]
        self._neighbours = layering.above if down else layering.below
        self._root = list(range(len(layering.layer)))

    def run(self) -> list[float]:
        self._align()
        at = self._pack()
        return [self._sign * at[root] for root in self._root]

    def _align(self) -> None:
        """Make each node one block with its median neighbour, if that has no other and the two cross nothing."""
        place = [0] * len(self._root)
        taken = [False] * len(self._root)
        for found in self._layers:
            for k, v in enumerate(found):
                place[v] = k
            reached = -1
            for v in found:
                near = sorted(self._neighbours[v], key=place.__getitem__)
                for u in near[(len(near) - 1) // 2 : len(near) // 2 + 1]:
                    edge = (u, v) if self._down else (v, u)
                    if not taken[u] and reached < place[u] and edge not in self._conflicts:
                        taken[u] = True
                        self._root[v] = self._root[u]
                        reached = place[u]
                        break

    def _pack(self) -> dict[int, float]:
        """For each block its place: as far left as it goes, then as far right as its right neighbours let it."""
        apart: dict[int, dict[int, float]] = {root: {} for root in self._root}
        waiting = dict.fromkeys(apart, 0)
        for found in self._layers:
            for v, w in pairwise(found):
                a, b = self._root[v], self._root[w]
                waiting[b] += b not in apart[a]
                apart[a][b] = max(apart[a].get(b, 0.0), self._gap(v, w))
        order = [block for block, count in waiting.items() if not count]
        at = dict.fromkeys(apart, 0.0)
        for a in order:  # grows while it is read: a block follows once all to its left are there
            for b, distance in apart[a].items():
                at[b] = max(at[b], at[a] + distance)
                waiting[b] -= 1
                if not waiting[b]:
                    order.append(b)
        for a in reversed(order):
            at[a] = max(at[a], min((at[b] - distance for b, distance in apart[a].items()), default=-math.inf))
        return at
