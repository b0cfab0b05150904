"""Cells as tensors with a row for each node, which ``surrogates.gated_network`` reads.

Notation
    B       cells           V       nodes of the largest live graph         K       costs that the space knows: 2 or 0
    F       features of a node: one for each label, one for any other, ops before it and behind it on the longest path, and
            nodes that feed it and that it feeds
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bonanza.spaces import Architecture, LabelledDag
from bonanza_server.search.views import views_of

EXTRA = 5
"""Features beside those of the labels of the space."""
DEPTHS, DEGREES = 3.0, 2.0
"""What is usual in a cell: depths and degrees enter over these."""


class NodeTensors(NamedTuple):
    """``features`` (B, V, F); ``flow`` (B, V, V): row w is 1 for each node that feeds w; ``real`` (B, V, 1) is 0 for padding; ``cost`` (B, K)."""

    features: Tensor
    flow: Tensor
    real: Tensor
    cost: Tensor

    def of(self, rows: Tensor) -> NodeTensors:
        """These rows; ``rows`` may have any shape, in the place of B."""
        return NodeTensors(*(part[rows] for part in self))


def node_tensors(cells: Sequence[Architecture]) -> NodeTensors:
    """The tensors of ``cells`` of one space, at least one."""
    graphs = [_graph(cell) for cell in cells]
    most, width = max(len(nodes) for nodes, _, _ in graphs), graphs[0][0].shape[1]
    features = np.zeros((len(cells), most, width), dtype=np.float32)
    flow = np.zeros((len(cells), most, most), dtype=np.float32)
    real = np.zeros((len(cells), most, 1), dtype=np.float32)
    for row, (nodes, edges, _) in enumerate(graphs):
        features[row, : len(nodes)] = nodes
        flow[row, edges[1], edges[0]] = 1.0
        real[row, : len(nodes)] = 1.0
    cost = np.array([cost for _, _, cost in graphs], dtype=np.float32).reshape(len(cells), -1)
    return NodeTensors(*map(torch.from_numpy, (features, flow, real, cost)))


def nodes_of(cell: Architecture) -> int:
    """How many nodes the live graph of ``cell`` has."""
    return len(_graph(cell)[0])


@lru_cache(maxsize=8192)
def _graph(cell: Architecture) -> tuple[NDArray[np.float32], NDArray[np.int16], tuple[float, ...]]:
    """The features of the nodes (n, F), the edges (2, e), and the costs."""
    views = views_of(cell.space)
    graph = views.graphs(cell).live
    column = {label: k for k, label in enumerate(views.labels)}
    features = np.zeros((len(graph.labels), len(column) + EXTRA), dtype=np.float32)
    features[range(len(graph.labels)), [column.get(label, len(column)) for label in graph.labels]] = 1.0
    before, behind = _depths(graph)
    features[:, -4], features[:, -3] = before / DEPTHS, behind / DEPTHS
    edges = np.array(graph.edges, dtype=np.int16).reshape(-1, 2).T
    for end in (0, 1):
        features[:, end - 2] = np.bincount(edges[end], minlength=len(graph.labels)) / DEGREES
    return features, edges, views.cost(cell)


def _depths(graph: LabelledDag) -> NDArray[np.float32]:
    """Edges on the longest path from any source to each node, and from it to any sink; (2, n)."""
    depths = np.zeros((2, len(graph.labels)), dtype=np.float32)
    for v, w in graph.edges:  # sorted by v, so that v's own depth is known
        depths[0, w] = max(depths[0, w], depths[0, v] + 1)
    for v, w in reversed(graph.edges):
        depths[1, v] = max(depths[1, v], depths[1, w] + 1)
    return depths
