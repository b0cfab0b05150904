"""A predictor of how good a cell is: a network's embedding of the cell, and one linear layer and a sigmoid on it.

Shi et al. 2020 (arXiv 1911.09336), section 3.1, 3.4 and 4.1: Adam with rate 0.001, batches of 128, 100 epochs, from new weights. BONAS keeps
the embedding and puts a Bayesian regression in the place of the last layer. The bodies that may make the embedding (table 1) are one
module each: ``graph_network``, ``perceptron``, ``token_lstm``.

Deviations: the regressor is one linear layer, as in the released code, where the text has a hidden one; the target is sigmoid(t) of the
standardised value t (``targets``), not the raw accuracy, whose weights exp(y) - 1 are nearly alike when all accuracies are 0.90 to 0.95.

Notation
    n, E    cells, units of the embedding       t   targets, larger is better (n,)      y   sigmoid(t), in (0, 1) (n,)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from bonanza_server.search.graph_tensors import GraphTensors

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


class Body(Protocol):
    """A module that makes embeddings of graphs."""

    @property
    def units(self) -> int:
        """E."""

    def __call__(self, graphs: GraphTensors) -> Tensor:
        """The embeddings, (n, E)."""


@dataclass(frozen=True, kw_only=True)
class PredictorTraining:
    """How a predictor is trained; the defaults are the paper's.

    ``decay`` maps the part of the epochs that is done, in [0, 1), to a factor on the learning rate; None: the rate is constant.
    """

    loss: str = "exp"
    epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 0.001
    max_steps: int = MAX_STEPS
    decay: Callable[[float], float] | None = None

    def epochs_for(self, n: int) -> int:
        """Epochs over ``n`` observations, so that the steps stay within ``max_steps``."""
        return max(1, min(self.epochs, self.max_steps // -(-n // self.batch_size)))


class Predictor(nn.Module):
    """A body and the regressor on it."""

    def __init__(self, body: Body, generator: torch.Generator) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Parameter(torch.empty(body.units + 1).uniform_(-INITIAL, INITIAL, generator=generator))

    def forward(self, graphs: GraphTensors) -> Tensor:
        """Y of each cell, (n,)."""
        return torch.sigmoid(self.body(graphs) @ self.head[1:] + self.head[0])

    @torch.no_grad()
    def predict(self, graphs: GraphTensors) -> Tensor:
        """Y of each cell as a trained predictor has it, (n,)."""
        self.eval()
        return cast("Tensor", self(graphs))

    @torch.no_grad()
    def embeddings(self, graphs: GraphTensors) -> Tensor:
        """The embeddings of a trained predictor, (n, E)."""
        self.eval()
        return self.body(graphs)


def train(
    predictor: Predictor, graphs: GraphTensors, y: Tensor, training: PredictorTraining, generator: torch.Generator
) -> None:
    """Train ``predictor``, as it is, on cells with true ``y``, (n,), n >= 1; the shuffles are the generator's."""
    optimiser = torch.optim.Adam(predictor.parameters(), lr=training.learning_rate)
    weight = LOSS_WEIGHTS[training.loss](y)
    predictor.train()
    epochs = training.epochs_for(len(y))
    for epoch in range(epochs):
        if training.decay is not None:
            optimiser.param_groups[0]["lr"] = training.learning_rate * training.decay(epoch / epochs)
        shuffled = torch.randperm(len(y), generator=generator)
        for first in range(0, len(y), training.batch_size):
            batch = shuffled[first : first + training.batch_size]
            cells = GraphTensors(*(part[batch] for part in graphs))
            loss = (weight[batch] * (cast("Tensor", predictor(cells)) - y[batch]).square()).mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    predictor.eval()
