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
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from math import comb
from typing import Generic, NamedTuple, TypeVar

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
    """The matrices of 2 to ``max_vertices`` vertices, at most ``max_edges`` edges, and one of ``ops`` on each vertex."""

    def __init__(self, max_vertices: int, max_edges: int, ops: int) -> None:
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
        self._finished = {n: Weighted(self._last_columns(n, max_edges)) for n in range(2, max_vertices + 1)}
        self._vertices = Weighted((n, last.total * ops ** (n - 2)) for n, last in self._finished.items())

    @property
    def matrices(self) -> int:
        """How many there are, whatever the ops."""
        return sum(last.total for last in self._finished.values())

    def sample(self, rng: random.Random) -> Genes:
        """A matrix with ops on its vertices, uniformly."""
        n = self._vertices.draw(rng)
        state, column = self._finished[n].draw(rng)
        columns = [column]
        for before in range(n - 2, 0, -1):
            state, column = Weighted(self._steps(before, state)).draw(rng)
            columns.append(column)
        edges = _realised(columns[::-1], rng)
        return (*[int(edge in edges) for edge in triangle(n)], *[rng.randrange(self._ops) for _ in range(n - 2)])

    def _last_columns(self, n: int, max_edges: int) -> Iterator[tuple[tuple[State, Column], int]]:
        """All that leads nowhere leads to the output, the last of ``n`` vertices."""
        for state, ways in self._ways[n - 1].items():
            closed = n - 1 - state.open
            for others in range(min(closed, max_edges - state.edges - state.open) + 1):
                yield (state, Column(state.open, others)), ways * comb(closed, others)

    def _steps(self, n: int, after: State) -> Iterator[tuple[tuple[State, Column], int]]:
        """The states of ``n`` vertices before, each with the column that leads from it to the one after."""
        for open_ends in range(max(1, after.open - 1), n + 1):
            for column, times in _columns(n, open_ends):
                state = State(open_ends, after.edges - sum(column))
                if open_ends - column.opened + 1 == after.open and state in self._ways[n]:
                    yield (state, column), self._ways[n][state] * times


class Weighted(Generic[T]):
    """Items that are drawn with the chance their weight says; exact for integers of any size."""

    def __init__(self, weighted: Iterable[tuple[T, int]]) -> None:
        pairs = list(weighted)
        self._items = [item for item, _ in pairs]
        self._up_to = list(accumulate(weight for _, weight in pairs))

    @property
    def total(self) -> int:
        """The sum of the weights."""
        return self._up_to[-1] if self._up_to else 0

    def draw(self, rng: random.Random) -> T:
        """One of the items."""
        return self._items[bisect_right(self._up_to, rng.randrange(self.total))]


@lru_cache(maxsize=256)  # one for each pair below the largest cell
def _columns(n: int, open_ends: int) -> list[tuple[Column, int]]:
    """The next column after ``n`` vertices, by its counts, and in how many ways each is had."""
    return [
        (Column(opened, others), comb(open_ends, opened) * comb(n - open_ends, others))
        for opened in range(open_ends + 1)
        for others in range(n - open_ends + 1)
        if opened + others
    ]


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
