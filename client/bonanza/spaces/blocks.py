"""Cells of two-input blocks: what their genes may be, and how they are drawn, changed and mixed.

A block (an "intermediate node" of DARTS) adds up two ops, each applied to a source of its own: Zoph et al. 2018
(arXiv 1707.07012), as Liu et al. 2019 (DARTS, arXiv 1806.09055) have it, with four blocks a cell.

Notation
    block k     of a cell, 0 .. 3; reads one of k + 2 sources
    source s    0 and 1 are the cell's inputs, s >= 2 is block s - 2
    genes       op, source, op, source for each block in turn, cell after cell
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from bonanza.spaces.genes import Genes, edited

BLOCKS = 4
"""Of a cell."""
WIDTH = 4
"""Genes of a block."""
CELL = BLOCKS * WIDTH
"""Genes of a cell."""

Block = tuple[int, int, int, int]
"""Op, source, op, source."""


@dataclass(frozen=True)
class BlockGenome:
    """All ``cells`` cells with ``ops`` ops, in which no block does the same twice.

    The same is the source where ``repeats`` is false, as in DARTS, which keeps at most one op of each edge; where it is
    true, as in BONAS, the source and the op. The two inputs of a block stand in an order, though their sum has none: a
    block is spelled in two ways.
    """

    cells: int
    ops: int
    repeats: bool

    @property
    def size(self) -> int:
        """How many genes there are, each order of inputs counted."""
        return math.prod(map(len, self._choices))

    def sample(self, rng: random.Random) -> Genes:
        """Genes, uniformly."""
        return tuple([gene for choices in self._choices for gene in rng.choice(choices)])

    def allows(self, block: Block) -> bool:
        """Whether the two inputs differ as they must."""
        op, source, other_op, other_source = block
        return source != other_source or (self.repeats and op != other_op)

    def mutate(self, genes: Genes, rng: random.Random, *, rate: float) -> Genes:
        """A copy where about ``rate`` genes, ops or sources, have other values that the block allows; at least one.

        Each of the n genes that has another value is changed with probability rate/n (``genes.edited``); the sources of
        a first block that reads both have none. Deviations from BANANAS (naszilla cell_301.py), which draws a cell,
        then an input, then whether to change its op or its source: its loop over the inputs is as long as the list of
        7 ops, so that the last of a cell's 8 inputs never changes.
        """
        child = list(genes)
        for k in edited([k for k in range(len(genes)) if self._others(genes, k)], rng, rate=rate):
            others = self._others(child, k)  # of the child: an edit before may have taken a value or freed one
            if others:
                child[k] = rng.choice(others)
        return tuple(child)

    def neighbors(self, genes: Genes) -> Iterator[Genes]:
        """All genes that differ in one op or one source; by gene, then by value."""
        for k in range(len(genes)):
            for value in self._others(genes, k):
                yield (*genes[:k], value, *genes[k + 1 :])

    def crossover(self, a: Genes, b: Genes, rng: random.Random) -> Genes:
        """Genes with each input, an op and its source, from ``a`` or from ``b``, with equal chances.

        The inputs of a block are drawn each on its own where both mixtures are allowed, else together.
        """
        child: list[int] = []
        for k in range(0, len(a), WIDTH):
            one, other = (a[k], a[k + 1], a[k + 2], a[k + 3]), (b[k], b[k + 1], b[k + 2], b[k + 3])
            mixed = [(*one[:2], *other[2:]), (*other[:2], *one[2:])]
            child += rng.choice([one, other, *mixed] if all(map(self.allows, mixed)) else [one, other])
        return tuple(child)

    def enumerate(self) -> Iterator[Genes]:
        """All genes, in lexicographic order."""
        return (tuple(itertools.chain.from_iterable(blocks)) for blocks in itertools.product(*self._choices))

    def _others(self, genes: list[int] | Genes, k: int) -> list[int]:
        """The other values that gene ``k`` may have while the rest stays."""
        is_source = k % 2 == 1  # its op is gene k ^ 1, the other source k ^ 2, the op of that k ^ 3
        values = range(k // WIDTH % BLOCKS + 2 if is_source else self.ops)
        binds = genes[k ^ 1] == genes[k ^ 3] if self.repeats else is_source
        taken = genes[k ^ 2] if binds else None
        return [value for value in values if value != genes[k] and value != taken]

    @cached_property
    def _choices(self) -> list[list[Block]]:
        """For each block of each cell, all that it can be."""
        cell = []
        for k in range(BLOCKS):
            inputs = list(itertools.product(range(self.ops), range(k + 2)))
            pairs = [(*one, *other) for one, other in itertools.product(inputs, inputs)]
            cell.append([block for block in pairs if self.allows(block)])
        return cell * self.cells
