"""How far each layer is from both ends of its network, by what is passed on the way.

Kandasamy et al. 2018 (arXiv 1802.07191), section 3: OTMANN's structural term compares the lengths of shortest, longest and random paths, from the
input and to the output, of all layers and of each group of layers on the way.

Notation
    v, u        nodes; u is next to v on a path to one end
    w_g(v)      1 if v is of group g, else 0; all nodes are of the first group
    l_g(v)      the length of a path from v in group g: the edges of it that leave a layer of g. 0 at a node from which no edge leads on; else
                w_g(v) plus the least of l_g(u), the greatest, or their mean, a walk being as likely to go to each
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import LabelledDag
from bonanza.spaces.graph import Neighbours
from bonanza_server.search.op_tables import OpTable

KINDS = 3
"""Shortest, longest, random walk."""


def path_lengths(graph: LabelledDag, table: OpTable) -> NDArray[np.float64]:
    """The lengths of each node's paths to the output, then to the input: (nodes, 2 * KINDS * (1 + groups))."""
    n = len(graph.labels)
    member = np.zeros((n, 1 + len(table.groups)))
    member[:, 0] = 1.0
    for v, label in enumerate(graph.labels):
        group = table.group(table.op(label))
        if group is not None:
            member[v, 1 + table.groups.index(group)] = 1.0
    onward = _lengths(graph.successors(), range(n - 1, -1, -1), member)
    return np.concatenate((onward, _lengths(graph.predecessors(), range(n), member)), axis=1)


def _lengths(following: Neighbours, order: Iterable[int], member: NDArray[np.float64]) -> NDArray[np.float64]:
    found = np.zeros((len(member), KINDS, member.shape[1]))
    for v in order:
        if following[v]:
            after = [u for u, _ in following[v]]
            chances = np.array([count for _, count in following[v]], dtype=np.float64)  # an edge twice is two ways
            ahead = found[after]
            found[v, 0] = member[v] + ahead[:, 0].min(axis=0)
            found[v, 1] = member[v] + ahead[:, 1].max(axis=0)
            found[v, 2] = member[v] + chances @ ahead[:, 2] / chances.sum()
    return found.reshape(len(member), -1)
