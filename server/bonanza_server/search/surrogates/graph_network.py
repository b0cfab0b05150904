"""The graph network of BONAS: an embedding of a whole cell, trained to predict how good the cell is.

Shi et al. 2020 (arXiv 1911.09336), section 3.1, 3.4 and 4.1: four graph convolutions of 64 units with batch normalisation, the global node's last row is
the embedding, a linear layer and a sigmoid predict the accuracy; Adam with rate 0.001, batches of 128, 100 epochs, from new weights.

Deviations, following the released code: A~ is not normalised by degrees (eq. 3 has D^1/2 A D^-1/2, where the sign cannot be meant), and the regressor
is one linear layer, where the text has a hidden one. Our own: the target is sigmoid(t) of the standardised value t (``targets``), not the raw accuracy,
whose weights exp(y) - 1 are nearly alike when all accuracies are 0.90 to 0.95; and padding takes no part in the batch normalisation.

Notation
    n, E    cells, units of the embedding       t   targets, larger is better (n,)      y   sigmoid(t), in (0, 1) (n,)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from bonanza_server.search.graph_tensors import GraphTensors

UNITS = 64
LAYERS = 4
INITIAL = 0.05
"""Weights begin uniformly in [-INITIAL, INITIAL], as in the released code (predictors/layers.py)."""
MAX_STEPS = 2_000
"""Optimiser steps a training takes at most: 2,000 observations in batches of 128 are 16 steps an epoch."""

LOSS_WEIGHTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "exp": lambda y: (y.exp() - 1.0) / (math.e - 1.0),  # (eq. 6)
    "exp_code": lambda y: (y - 1.0).exp(),  # what the released code has instead: in [1/e, 1], much flatter
    "mse": torch.ones_like,
    "log": lambda y: (y + 1.0).log() / math.log(2.0),  # (section 4.5)
    "linear": lambda y: y,  # (section 4.5)
}
"""The weight of a squared error at the true y, by the name of the loss."""


@dataclass(frozen=True, kw_only=True)
class GraphTraining:
    """How a network is trained; the defaults are the paper's."""

    loss: str = "exp"
    epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 0.001

    def epochs_for(self, n: int) -> int:
        """Epochs over ``n`` observations, so that the steps stay within ``MAX_STEPS``."""
        return max(1, min(self.epochs, MAX_STEPS // -(-n // self.batch_size)))


class GraphNetwork(nn.Module):
    """Four graph convolutions and a regressor."""

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
        self.head = nn.Parameter(torch.empty(UNITS + 1).uniform_(-INITIAL, INITIAL, generator=generator))

    def embed(self, graphs: GraphTensors) -> Tensor:
        """What the global node computes, (n, E)."""
        h = graphs.features  # (n, V, F), then (n, V, E)
        for weight, bias, norm in zip(self.weights, self.biases, self.norms, strict=True):
            summed = graphs.flow @ (h @ weight) + bias
            h = torch.zeros_like(summed)
            h[graphs.real] = torch.relu(norm(summed[graphs.real]))
        return h[:, -1]

    def forward(self, graphs: GraphTensors) -> Tensor:
        """Y of each cell, (n,)."""
        return torch.sigmoid(self.embed(graphs) @ self.head[1:] + self.head[0])

    @torch.no_grad()
    def embeddings(self, graphs: GraphTensors) -> Tensor:
        """:meth:`embed` of a trained network, (n, E)."""
        self.eval()
        return self.embed(graphs)


def train(graphs: GraphTensors, targets: Tensor, training: GraphTraining, generator: torch.Generator) -> GraphNetwork:
    """A network trained from new weights on cells with targets t, (n,), n >= 1; weights and shuffles are the generator's."""
    network = GraphNetwork(graphs.features.shape[-1], generator)
    optimiser = torch.optim.Adam(network.parameters(), lr=training.learning_rate)
    y = torch.sigmoid(targets.float())
    weight = LOSS_WEIGHTS[training.loss](y)
    network.train()
    for _ in range(training.epochs_for(len(y))):
        shuffled = torch.randperm(len(y), generator=generator)
        for first in range(0, len(y), training.batch_size):
            batch = shuffled[first : first + training.batch_size]
            cells = GraphTensors(*(part[batch] for part in graphs))
            loss = (weight[batch] * (cast("Tensor", network(cells)) - y[batch]).square()).mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    network.eval()
    return network
