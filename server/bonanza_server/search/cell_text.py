"""A cell written out as what the MLP and the LSTM of BONAS' table 1 read: its adjacency, entry by entry, then its ops, vertex by vertex.

Wang et al. 2019 (AlphaX, arXiv 1805.07440); BONAS' released code, predictors/utils/mlp_utils.py and lstm_utils.py: a matrix of as many vertices as the
largest cell has, row by row, and the number of each vertex's op, vertices that are not there being of an op of their own.

Deviations: of the matrix only what is above its diagonal is written, the rest being 0 in every cell; vertices beyond the largest cell of the
training, or beyond ``MOST_VERTICES``, are left out.

Notation
    B       cells       N       vertices written, the global node not being one       F       features of a vertex (``graph_tensors``)
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from bonanza_server.search.graph_tensors import GraphTensors

MOST_VERTICES = 24


class CellText(NamedTuple):
    """``adjacency`` (B, N (N - 1) / 2), 0 or 1 or how often an edge is there; ``ops`` (B, N), from 0, F where there is no vertex."""

    adjacency: Tensor
    ops: Tensor


def written(graphs: GraphTensors, n: int) -> CellText:
    """The cells with ``n`` vertices each."""
    missing = n - (graphs.real.shape[1] - 1)
    flow = pad(graphs.flow[:, :-1, :-1], (0, missing, 0, missing))  # a negative number cuts
    ops = graphs.features[:, :-1].argmax(dim=2).masked_fill(~graphs.real[:, :-1], graphs.features.shape[2])
    rows, columns = torch.triu_indices(n, n, 1)
    return CellText(flow[:, columns, rows], pad(ops, (0, missing), value=graphs.features.shape[2]))
