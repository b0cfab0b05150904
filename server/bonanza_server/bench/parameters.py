"""A space as categorical parameters, which is all that a peer for hyper-parameters can search.

A space of so many independent choices has one a gene. A cell with ops on vertices is spread over the most vertices there may be: one
parameter of two values an edge, one an inner vertex with its op or none, the output last. A pool has those of the space it is taken
from, and few of their values are members: the nearest one is measured instead, the one with the fewest other parameters.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from itertools import combinations, compress
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture, InvalidArchitecture, SearchSpace
from bonanza.spaces.node_cell import NodeCell
from bonanza.spaces.pool import Pool
from bonanza_server.bench.errors import CannotBench

Values = tuple[int, ...]


class Coding(Protocol):
    """How architectures are written as parameters."""

    counts: tuple[int, ...]

    def of(self, architecture: Architecture) -> Values:
        """The values of an architecture, each less than its count."""

    def architecture(self, values: Values) -> Architecture | None:
        """The architecture of the values; None where they are none."""


class GeneCoding:
    """The genes, where there are as many choices in each architecture."""

    def __init__(self, space: SearchSpace, counts: tuple[int, ...]) -> None:
        self.counts = counts
        self._space = space

    def of(self, architecture: Architecture) -> Values:
        """Its genes."""
        return architecture.genes

    def architecture(self, values: Values) -> Architecture | None:
        """The architecture with these genes."""
        return Architecture(self._space, values)


class NodeCellCoding:
    """Edges and ops of cells with up to ``space.max_nodes`` vertices."""

    def __init__(self, space: NodeCell) -> None:
        self._space = space
        self._pairs = list(combinations(range(space.max_nodes), 2))
        self.counts = (2,) * len(self._pairs) + (len(space.ops) + 1,) * (space.max_nodes - 2)

    def of(self, architecture: Architecture) -> Values:
        """The output moved to the last vertex; 0 for the op of a vertex that is not there."""
        cell = self._space.to_json(Architecture(self._space, architecture.genes))
        rows, last = cell["adjacency"], self._space.max_nodes - 1
        place = [*range(len(rows) - 1), last]
        edges = {(place[i], place[j]) for i, row in enumerate(rows) for j, bit in enumerate(row) if bit}
        ops = [self._space.ops.index(op) + 1 for op in cell["ops"][1:-1]]
        return (*[int(pair in edges) for pair in self._pairs], *ops, *[0] * (last - 1 - len(ops)))

    def architecture(self, values: Values) -> Architecture | None:
        """The cell, without the vertices that have no op; None where no path leads through it, or too many edges are on such paths."""
        edges, ops = values[: len(self._pairs)], values[len(self._pairs) :]
        kept = [0, *(v for v, op in enumerate(ops, start=1) if op), self._space.max_nodes - 1]
        there = set(compress(self._pairs, edges))
        cell = {
            "adjacency": [[int((i, j) in there) for j in kept] for i in kept],
            "ops": [self._space.input, *[self._space.ops[op - 1] for op in ops if op], self._space.output],
        }
        try:
            return self._space.validate(cell)
        except InvalidArchitecture:
            return None


class Parameters:
    """The parameters of a space, by the ``counts`` of their values."""

    def __init__(self, space: SearchSpace, *, peer: str) -> None:
        """Find them.

        Raises:
            CannotBench: The space has none; ``peer`` is who cannot search it.
        """
        self._space = space
        whole = space.of if isinstance(space, Pool) else space
        if isinstance(whole, NodeCell):
            self._coding: Coding = NodeCellCoding(whole)
        elif whole.choices is not None:
            self._coding = GeneCoding(whole, whole.choices)
        else:
            raise CannotBench(
                f"the peer {peer} needs a fixed list of choices, which a space {whole.kind!r} has not: leave it out of --peers"
            )
        self.counts = self._coding.counts
        self._members = list(space.enumerate()) if isinstance(space, Pool) else []
        self._rows: NDArray[np.uint8] = np.array([self.of(member) for member in self._members], dtype=np.uint8)

    def of(self, architecture: Architecture) -> Values:
        """The values of an architecture of the space."""
        return self._coding.of(architecture)

    def architecture(self, values: Sequence[int], taken: Collection[str]) -> Architecture | None:
        """The architecture of the values; of a pool the nearest member whose id is not ``taken``. None where there is none."""
        if not self._members:
            return self._coding.architecture(tuple(values))
        distances = (self._rows != np.asarray(values, dtype=np.uint8)).sum(axis=1)
        nearest = (self._members[int(place)] for place in np.argsort(distances, kind="stable"))
        return next((member for member in nearest if member.arch_id not in taken), None)

    def unseen(self, rng: random.Random, taken: Collection[str], *, draws: int) -> Architecture | None:
        """A random architecture whose id is not ``taken``; None where ``draws`` samples find none."""
        drawn = (self._space.sample(rng) for _ in range(draws))
        return next((cell for cell in drawn if cell.arch_id not in taken), None)
