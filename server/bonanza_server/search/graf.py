"""Neural graph features (GRAF): how short, how long and how wide a network is, for each set of its ops.

Kadlecová et al. 2024, "Surprisingly Strong Performance Prediction with Neural Graph Features" (arXiv 2404.16551): properties of the graph
that are computed for every subset of the op vocabulary, which predict accuracies from few networks better than encodings of the graph.

Notation
    S           a set of ops: every one there is, where these are at most ``MOST_SETS``, else those of one op, of two and of all
    shortest    ops on the shortest path from input to output that meets ops of S only; where there is none, one more than on the longest of all
    open        1 where there is such a path, else 0
    longest     most ops of S on any path
    first, last ops of S that the input feeds, and that feed the output
    count       ops of S

Deviations from the paper: ops are on nodes here (``LabelledDag``), so that first, last and count stand for its degrees. Labels of which every
network of the space has equally many (the concatenation of a cell) are no ops: paths go through them, and they are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import LabelledDag

FEATURES = ("shortest", "open", "longest", "first", "last", "count")
MOST_SETS = 40
UNREACHED = 1_000_000


class Graf:
    """The features of a space's graphs; its vocabulary are the labels of those it is made from, and others are gone through."""

    def __init__(self, graphs: Sequence[LabelledDag]) -> None:
        counts = [Counter(graph.labels[1:-1]) for graph in graphs]
        ops = sorted({op for one in counts for op in one if any(other[op] != one[op] for other in counts)})
        self.sets = sets_of(ops)
        self._member = {op: np.array([op in one for one in self.sets], dtype=np.int64) for op in ops}
        # What a node adds to (shortest, - longest), of which the smaller is kept where paths meet.
        self._steps = {op: np.concatenate((np.where(m, 1, UNREACHED), -m)) for op, m in self._member.items()}

    def of(self, graph: LabelledDag) -> NDArray[np.float64]:
        """The ``FEATURES`` of ``graph`` in turn, each for all ``sets``; (6 s,). Without a path nothing is open, and all else 0 or 1."""
        last, width = len(graph.labels) - 1, len(self.sets)
        sources = [[u for u, _ in before] for before in graph.predecessors()]
        unreached = np.full(2 * width, UNREACHED, dtype=np.int64)
        reached = [np.zeros(2 * width, dtype=np.int64)]
        for label, before in zip((*graph.labels[1:last], None), sources[1:], strict=True):
            met = reduce(np.minimum, [reached[u] for u in before]) if before else unreached
            step = self._steps.get(label) if label is not None else None
            reached.append(met if step is None else met + step)
        shortest, longest = reached[last][:width], np.maximum(-reached[last][width:], 0)
        is_open = shortest < UNREACHED
        shortest = np.where(is_open, shortest, (longest[-1] if width else 0) + 1)
        ops = [v for v in range(1, last) if graph.labels[v] in self._member]
        targets = [[w for w, _ in after] for after in graph.successors()]
        first = self._near(0, sources, range(1, last), graph)
        final = self._near(last, targets, range(last - 1, 0, -1), graph)
        counted = [self._counted([graph.labels[v] for v in some]) for some in (first, final, ops)]
        return np.concatenate((shortest, is_open, longest, *counted)).astype(np.float64)

    def _near(self, end: int, around: list[list[int]], order: Iterable[int], graph: LabelledDag) -> list[int]:
        """The ops that have ``end`` around them, with no op between."""
        reach, found = {end}, []
        for v in order:
            if not reach.isdisjoint(around[v]):
                if graph.labels[v] in self._member:
                    found.append(v)
                else:
                    reach.add(v)
        return found

    def _counted(self, ops: Sequence[str]) -> NDArray[np.int64]:
        """How many of ``ops`` are in each set; (s,)."""
        return sum((self._member[op] for op in ops), np.zeros(len(self.sets), dtype=np.int64))


def sets_of(ops: Sequence[str]) -> tuple[frozenset[str], ...]:
    """The sets of ``ops`` that features are computed for; the last is all of them. None without ops."""
    if 2 ** len(ops) - 1 <= MOST_SETS:
        sizes = range(1, len(ops) + 1)
        return tuple(map(frozenset, chain.from_iterable(combinations(ops, size) for size in sizes)))
    single = [frozenset((op,)) for op in ops]
    pairs = [frozenset(pair) for pair in combinations(ops, 2)]
    return (*single, *(pairs if len(single) + len(pairs) < MOST_SETS else ()), frozenset(ops))
