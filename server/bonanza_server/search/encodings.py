"""Architectures as 0/1 vectors: the path encoding of BANANAS, and one column a position and choice.

White, Neiswanger, Savani 2021 (arXiv 1910.11858), section "path encoding": one column for every sequence of operations that a path from
a cell's input to its output can carry; 1 if the cell has such a path. The cell's dead parts are on no path, so they cannot mislead.

Notation
    k       ops of the alphabet, numbered 0 .. k-1
    path    op_0 .. op_{l-1}, the labels met from the input to the output, both of these left out
    column  offset(l) + sum_j k^j op_j, blocks ordered by length, the first op the least significant digit
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture, LabelledDag, SearchSpace
from bonanza.spaces.paths import Paths

Rows = NDArray[np.float32]
State = tuple[int, int]

MOST_COLUMNS = 4096
"""Paths get a column of their own up to the greatest length at which there are at most this many columns."""
HASHED = 509
"""Columns shared by all longer paths, unless they are truncated away; prime, so that the hash mixes every op."""
NASBENCH201_OPS = ("avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3", "none", "skip_connect")
"""The original's numbering, so that column for column the vectors are naszilla's (nas_bench_201/cell_201.py)."""


class PathEncoding:
    """The paths of raw graphs; for cells with ops on edges as for cells with ops on nodes.

    NAS-Bench-201 has 5 + 25 + 125 = 155 columns; NAS-Bench-101 has 1 + 3 + .. + 243 = 364, the first of them the path without an op.
    Paths too long for a column of their own share ``HASHED`` more.
    """

    def __init__(
        self,
        ops: Sequence[str],
        *,
        shortest: int,
        longest: int,
        zero_op: str | None = None,
        truncate: int | None = None,
    ) -> None:
        """Encode graphs whose paths carry ``shortest`` to ``longest`` labels out of ``ops``; no ops: any labels, and every path hashed.

        Paths through ``zero_op`` carry nothing and are left out; None: every op is an ordinary one. Paths of more than ``truncate``
        ops are left out too. (The original cuts the vector instead, which in a space of two cells drops the second.)
        """
        self._numbers = {op: number for number, op in enumerate(ops)}
        self._zero_op = zero_op
        self._longest = longest if truncate is None else min(longest, truncate)
        self._before = self._paths_below(shortest)
        self._indexed = self._longest if ops else shortest - 1
        while self._indexed >= shortest and self._paths_below(self._indexed + 1) - self._before > MOST_COLUMNS:
            self._indexed -= 1
        self._own = self._paths_below(self._indexed + 1) - self._before

    @property
    def size(self) -> int:
        """Columns."""
        return self._own + (HASHED if self._indexed < self._longest else 0)

    def encode(self, graphs: Iterable[LabelledDag]) -> Rows:
        """One row a graph, (n, size)."""
        columns = [self._columns(graph) for graph in graphs]
        rows = np.zeros((len(columns), self.size), dtype=np.float32)
        for row, ones in zip(rows, columns, strict=True):
            row[list(ones)] = 1.0
        return rows

    def _paths_below(self, length: int) -> int:
        """Sequences of fewer than ``length`` ops."""
        k = len(self._numbers)
        return sum(k**shorter for shorter in range(length))

    def _columns(self, graph: LabelledDag) -> set[int]:
        """The columns that are 1: the paths to every node from those to its predecessors, as sets of :meth:`_extend`'s states.

        A path is followed as its state, not as its ops, so the work is bounded by columns times edges where the number of paths is not.
        """
        last = len(graph.labels) - 1
        leaving: list[list[int]] = [[] for _ in graph.labels]
        for start, end in graph.edges:
            leaving[start].append(end)
        reached: list[set[State]] = [set() for _ in graph.labels]
        reached[0].add((0, 0))
        for node, label in enumerate(graph.labels[:-1]):
            if node:
                reached[node] = set() if label == self._zero_op else set(self._extend(reached[node], label))
            for end in leaving[node]:
                reached[end] |= reached[node]
        return {self._column(state) for state in reached[last]}

    def _extend(self, states: set[State], op: str) -> Iterator[State]:
        """The states after one more op: (l, sum_j k^j op_j) while paths of l ops have columns of their own, then (l, -1 - hash)."""
        for length, value in states:
            if length < self._indexed:
                yield length + 1, value + self._numbers[op] * len(self._numbers) ** length
            elif length < self._longest:
                mixed = self._column((length, value)) - self._own
                yield length + 1, -1 - (mixed * 31 + crc32(op.encode())) % HASHED

    def _column(self, state: State) -> int:
        length, value = state
        return self._paths_below(length) - self._before + value if value >= 0 else self._own - 1 - value


class PositionEncoding:
    """One column for each choice at each position of the genes; for spaces whose graphs are chains.

    There the only path is the whole architecture, and no two architectures share it.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        """Encode genes of which number i is one of 0 .. ``sizes[i]`` - 1. More than ``MOST_COLUMNS`` choices share columns."""
        self._starts = [0, *accumulate(sizes)]
        self.size = min(self._starts[-1], MOST_COLUMNS)

    def encode(self, genes: Iterable[Sequence[int]]) -> Rows:
        """One row an architecture, (n, size)."""
        listed = list(genes)
        rows = np.zeros((len(listed), self.size), dtype=np.float32)
        for row, chosen in zip(rows, listed, strict=True):
            row[[(start + gene) % self.size for start, gene in zip(self._starts, chosen, strict=False)]] = 1.0
        return rows


@dataclass(frozen=True)
class Encoder:
    """An encoding of one space's architectures: ``size`` columns, and the function from architectures to rows (n, size)."""

    name: str
    size: int
    encode: Callable[[Sequence[Architecture]], Rows]


@lru_cache(maxsize=8)
def encoder_for(
    space: SearchSpace, *, encoding: str = "path", prune_zero_paths: bool = True, truncate: int | None = None
) -> Encoder:
    """The encoder of ``space`` that a strategy's options ask for; ``positions`` where paths are no use, ``path`` where there are no positions.

    ``both`` has the columns of the paths, then those of the positions. Where a space leaves the labels of its paths open, they are hashed.
    """
    zero_op = space.zero_op if prune_zero_paths else None
    paths, choices = space.paths, space.choices
    if choices is not None and (paths is None or encoding == "positions"):
        return _by_position(choices)
    paths = paths or Paths()
    ops = NASBENCH201_OPS if set(paths.ops) == set(NASBENCH201_OPS) else paths.ops
    columns = PathEncoding(ops, shortest=paths.shortest, longest=paths.longest, zero_op=zero_op, truncate=truncate)
    path = Encoder("path", columns.size, lambda cells: columns.encode(space.graph(cell) for cell in cells))
    if choices is None or encoding == "path":
        return path
    placed = _by_position(choices)
    return Encoder(
        "both",
        path.size + placed.size,
        lambda cells: np.concatenate((path.encode(cells), placed.encode(cells)), axis=1),
    )


def _by_position(sizes: Sequence[int]) -> Encoder:
    positions = PositionEncoding(sizes)
    return Encoder("positions", positions.size, lambda cells: positions.encode(cell.genes for cell in cells))
