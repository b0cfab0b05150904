"""Every spelling of node cells without a dead vertex, counted and drawn uniformly, however many there are.

Every column but the input's and every row but the output's has an edge: then each vertex is on a path from input to
output. Columns are filled in from the left; what the rest depends on is only how many vertices still lead nowhere
(open) and how many edges there are, so the matrices are counted by that and drawn by walking the counts backwards.

A network has as many spellings as topological orders that an automorphism does not map onto each other: where these are
too many to go through, they stand in for the networks.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from functools import lru_cache
from itertools import accumulate
from math import comb
from typing import NamedTuple, TypeVar

from bonanza.spaces.genes import Genes
from bonanza.spaces.wiring import Edge, triangle

T = TypeVar("T")


class State(NamedTuple):
    """So many vertices lead nowhere yet, among so many edges."""

    open: int
    edges: int


class Column(NamedTuple):
    """The vertices that lead to the next one: how many that led nowhere before, how many others."""

    opened: int
    others: int


class Spellings:
    """The matrices of 2 to ``max_vertices`` vertices with at most ``max_edges`` edges, and one of ``ops`` on each vertex."""

    def __init__(self, max_vertices: int, max_edges: int, ops: int) -> None:
        self._max_edges = max_edges
        self._ops = ops
        self._ways: list[dict[State, int]] = [{}, {State(1, 0): 1}]  # by the number of vertices
        for n in range(2, max_vertices):
            ways: Counter[State] = Counter()
            for state, so_far in self._ways[-1].items():
                for column, times in _columns(n - 1, state.open):
                    after = State(state.open - column.opened + 1, state.edges + sum(column))
                    if after.edges < max_edges:
                        ways[after] += so_far * times
            self._ways.append(dict(ways))
        self._matrices = {n: sum(ways for _, ways in self._last_columns(n)) for n in range(2, max_vertices + 1)}

    @property
    def matrices(self) -> int:
        """How many there are, whatever the ops."""
        return sum(self._matrices.values())

    def sample(self, rng: random.Random) -> Genes:
        """A matrix with ops on its vertices, uniformly."""
        n = _drawn([(n, count * self._ops ** (n - 2)) for n, count in self._matrices.items()], rng)
        state, last = _drawn(self._last_columns(n), rng)
        columns = [last]
        for before in range(n - 2, 0, -1):
            state, column = _drawn(self._steps(before, state), rng)
            columns.append(column)
        edges = _realised(columns[::-1], rng)
        return (*[int(edge in edges) for edge in triangle(n)], *[rng.randrange(self._ops) for _ in range(n - 2)])

    def _last_columns(self, n: int) -> list[tuple[tuple[State, Column], int]]:
        """All that leads nowhere leads to the output, the last of ``n`` vertices."""
        return [
            ((state, Column(state.open, others)), ways * comb(n - 1 - state.open, others))
            for state, ways in self._ways[n - 1].items()
            for others in range(min(n - 1 - state.open, self._max_edges - state.edges - state.open) + 1)
        ]

    def _steps(self, n: int, after: State) -> list[tuple[tuple[State, Column], int]]:
        """The states of ``n`` vertices before, each with the column that leads from it to the one after."""
        return [
            ((state, column), ways * times)
            for state, ways in self._ways[n].items()
            for column, times in _columns(n, state.open)
            if after == (state.open - column.opened + 1, state.edges + sum(column))
        ]


@lru_cache(maxsize=256)
def _columns(n: int, open_ends: int) -> list[tuple[Column, int]]:
    """The next column after ``n`` vertices, by its counts, and in how many ways each is had."""
    return [
        (Column(opened, others), comb(open_ends, opened) * comb(n - open_ends, others))
        for opened in range(open_ends + 1)
        for others in range(n - open_ends + 1)
        if opened + others
    ]


def _drawn(weighted: list[tuple[T, int]], rng: random.Random) -> T:
    """One of the items with the chance its weight says; exact for integers of any size."""
    up_to = list(accumulate(weight for _, weight in weighted))
    return weighted[bisect_right(up_to, rng.randrange(up_to[-1]))][0]


def _realised(columns: list[Column], rng: random.Random) -> set[Edge]:
    """Edges with these columns, uniformly."""
    edges: set[Edge] = set()
    open_ends, others = [0], list[int]()
    for vertex, column in enumerate(columns, start=1):
        opened = rng.sample(open_ends, column.opened)
        edges.update((source, vertex) for source in opened + rng.sample(others, column.others))
        open_ends = [v for v in open_ends if v not in opened] + [vertex]
        others += opened
    return edges
