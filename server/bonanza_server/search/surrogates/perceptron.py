"""The MLP that BONAS compares its graph network with: dense layers on a cell's text (``cell_text``).

Shi et al. 2020 (arXiv 1911.09336), section 4.1, after Wang et al. 2019 (AlphaX, arXiv 1805.07440): 512, 2048, 2048, 512 and 1 units. An op enters as its
number, as in the released code (predictors/utils/mlp_utils.py), not as a column of its own.

Deviations: ReLU between the layers, which the released code, of four layers of 64, lacks; weights begin as He's, biases at 0.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from bonanza_server.search.cell_text import written
from bonanza_server.search.graph_tensors import GraphTensors

PAPER_WIDTHS = (512, 2048, 2048, 512)
CODE_WIDTHS = (64, 64, 64, 64)
"""Of the released code: 6 million weights fewer than the paper's, so that a search can afford to train it at every tenth result."""


class Perceptron(nn.Module):
    """Dense layers with ReLU (``predictor.Body``)."""

    def __init__(self, features: int, vertices: int, widths: tuple[int, ...], generator: torch.Generator) -> None:
        """Of cells with ``features`` of a vertex, written with so many ``vertices``."""
        super().__init__()
        self.units = widths[-1]
        self._vertices = vertices
        self._scale = 1.0 / features
        sizes = (vertices * (vertices - 1) // 2 + vertices, *widths)
        self.weights = nn.ParameterList(
            torch.empty(a, b).uniform_(-((6.0 / a) ** 0.5), (6.0 / a) ** 0.5, generator=generator)
            for a, b in pairwise(sizes)
        )
        self.biases = nn.ParameterList(torch.zeros(b) for b in widths)

    def forward(self, graphs: GraphTensors) -> Tensor:
        """What the last hidden layer computes, (n, E)."""
        text = written(graphs, self._vertices)
        h = torch.cat((text.adjacency, text.ops * self._scale), dim=1)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            h = torch.relu(torch.addmm(bias, h, weight))
        return h
