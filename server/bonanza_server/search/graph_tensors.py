"""Labelled graphs as the tensors that a graph network reads.

Shi et al. 2020, "Bridging the Gap between Sample-based and One-shot Neural Architecture Search with BONAS" (arXiv 1911.09336), section 3.1 and figure 2:
operations are one-hot rows of X, the data flow is A, and one more node, the global node, is fed by all others; what it computes is
the embedding of the whole graph.

Notation
    B       graphs          V       nodes of the largest, and the global node, which is the last one
    F       features of a node: one for each label, one for any other, one for the global node, one for the units
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bonanza.spaces import LabelledDag

EXTRA = 3
"""Features beside the labels."""


class GraphTensors(NamedTuple):
    """``flow`` (B, V, V) is A~ = A' + I: row v says whose outputs node v adds up; ``features`` (B, V, F); ``real`` (B, V) is false for padding."""

    flow: Tensor
    features: Tensor
    real: Tensor


class GraphEncoder:
    """Which feature a label has. Labels that were not given share one: a network can read cells with ops it never saw."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._column = {label: column for column, label in enumerate(sorted(set(labels)))}

    @property
    def features(self) -> int:
        """F."""
        return len(self._column) + EXTRA

    def encode(self, graphs: Sequence[LabelledDag]) -> GraphTensors:
        """The tensors of ``graphs``; edges that are there twice count twice, units enter as log2(1 + units) / 10."""
        most = max(len(graph.labels) for graph in graphs) + 1
        shape = (len(graphs), most)
        flow = np.zeros((*shape, most), dtype=np.float32)
        features = np.zeros((*shape, self.features), dtype=np.float32)
        real = np.zeros(shape, dtype=bool)
        unknown = len(self._column)
        for row, graph in enumerate(graphs):
            n = len(graph.labels)
            for (source, target), count in zip(graph.edges, graph.counts, strict=True):
                flow[row, target, source] = count
            flow[row, -1, :n] = 1.0
            features[row, range(n), [self._column.get(label, unknown) for label in graph.labels]] = 1.0
            features[row, -1, unknown + 1] = 1.0
            if graph.units is not None:
                features[row, :n, unknown + 2] = np.log2(1.0 + np.asarray(graph.units)) / 10.0
            real[row, :n] = real[row, -1] = True
        flow[:, range(most), range(most)] = real
        return GraphTensors(torch.from_numpy(flow), torch.from_numpy(features), torch.from_numpy(real))
