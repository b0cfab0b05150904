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
from collections.abc import Sequence
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
        self._member = {op: np.array([op in one for one in self.sets], dtype=np.int32) for op in ops}

    def of(self, graph: LabelledDag) -> NDArray[np.float64]:
        """The ``FEATURES`` of ``graph`` in turn, each for all ``sets``; (6 s,). Without a path nothing is open, and all else 0 or 1."""
        last, width = len(graph.labels) - 1, len(self.sets)
        nothing = np.zeros(width, dtype=np.int32)
        shortest, longest = [nothing], [nothing]
        before = [True]  # whether the input feeds what this node feeds
        first, count = nothing.copy(), nothing.copy()
        for v, sources in enumerate(graph.predecessors()[1:], start=1):
            short = np.full(width, UNREACHED, dtype=np.int32)
            long = np.full(width, -UNREACHED, dtype=np.int32)
            for u, _ in sources:
                np.minimum(short, shortest[u], out=short)
                np.maximum(long, longest[u], out=long)
            member = self._member.get(graph.labels[v]) if v < last else None
            fed = any(before[u] for u, _ in sources)
            if member is not None:
                short, long = np.where(member, short + 1, UNREACHED), long + member
                count += member
                first += member * fed
            shortest.append(short)
            longest.append(long)
            before.append(fed and member is None)
        is_open = shortest[last] < UNREACHED
        most = np.maximum(longest[last], 0)
        short = np.where(is_open, shortest[last], (most[-1] if width else 0) + 1)
        return np.concatenate((short, is_open, most, first, self._last(graph), count)).astype(np.float64)

    def _last(self, graph: LabelledDag) -> NDArray[np.int32]:
        """How many ops of each set feed the output; (s,)."""
        found = np.zeros(len(self.sets), dtype=np.int32)
        after = {len(graph.labels) - 1}  # nodes that the output is, or is fed by with no op between
        successors = graph.successors()
        for v in range(len(graph.labels) - 2, 0, -1):
            if any(w in after for w, _ in successors[v]):
                member = self._member.get(graph.labels[v])
                if member is None:
                    after.add(v)
                else:
                    found += member
        return found


def sets_of(ops: Sequence[str]) -> tuple[frozenset[str], ...]:
    """The sets of ``ops`` that features are computed for; the last is all of them. None without ops."""
    if 2 ** len(ops) - 1 <= MOST_SETS:
        sizes = range(1, len(ops) + 1)
        return tuple(map(frozenset, chain.from_iterable(combinations(ops, size) for size in sizes)))
    single = [frozenset((op,)) for op in ops]
    pairs = [frozenset(pair) for pair in combinations(ops, 2)]
    return (*single, *(pairs if len(single) + len(pairs) < MOST_SETS else ()), frozenset(ops))
