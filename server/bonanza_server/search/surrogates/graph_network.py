"""The graph network of BONAS: the embedding of a cell is what its global node computes.

Shi et al. 2020 (arXiv 1911.09336), section 3.1: four graph convolutions of 64 units with batch normalisation.

Deviations: A~ is not normalised by degrees, as in the released code (eq. 3 has D^1/2 A D^-1/2, where the sign cannot be meant); and, our
own, padding takes no part in the batch normalisation.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from bonanza_server.search.graph_tensors import GraphTensors
from bonanza_server.search.surrogates.predictor import INITIAL

UNITS = 64
LAYERS = 4


class GraphNetwork(nn.Module):
    """Four graph convolutions (``predictor.Body``)."""

    units = UNITS

    def __init__(self, features: int, generator: torch.Generator) -> None:
        super().__init__()
        widths = [features] + [UNITS] * LAYERS
        self.weights = nn.ParameterList(
            torch.empty(a, b).uniform_(-INITIAL, INITIAL, generator=generator) for a, b in pairwise(widths)
        )
        self.biases = nn.ParameterList(
            torch.empty(UNITS).uniform_(-INITIAL, INITIAL, generator=generator) for _ in range(LAYERS)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(UNITS) for _ in range(LAYERS))

    def forward(self, graphs: GraphTensors) -> Tensor:
        """What the global node computes, (n, E)."""
        h = graphs.features  # (n, V, F), then (n, V, E)
        for weight, bias, norm in zip(self.weights, self.biases, self.norms, strict=True):
            summed = graphs.flow @ (h @ weight) + bias
            h = torch.zeros_like(summed)
            h[graphs.real] = torch.relu(norm(summed[graphs.real]))
        return h[:, -1]
