"""The meta neural network of BANANAS: an ensemble of small ReLU networks, trained as one batch.

White, Neiswanger, Savani 2021, "BANANAS" (arXiv 1910.11858): M = 5 networks of 10 x 20 ReLU units, Adam with rate 0.01 and
betas (0.9, 0.99), 150 epochs in batches of 32, the loss MAE or MAPE; members differ by their initial weights and their shuffles.

Deviations: the targets are standardised (see ``targets``), the weights begin as He's (see ``relu_stack``), and a member that learned
nothing but a constant is trained again from new weights, because its share of the spread between members is no uncertainty.

Notation
    n, d    observations, columns           M       members
    x       encoded observations (n, d)     t       targets (n,), larger is better
    w       weights of the loss (n,), of mean 1
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bonanza_server.search.surrogates.adam import Adam
from bonanza_server.search.surrogates.relu_stack import Activations, Parameters, Shape, backward, forward, outputs

MAX_STEPS = 6000
"""Optimiser steps a training takes at most: 2,000 observations in batches of 32 are 63 steps an epoch, so 95 epochs instead of 150."""
RESTARTS = 2
"""Times that dead members are trained again. Three in a row are rare enough to be told about rather than waited for."""
DEAD = 0.01
"""A member is dead if its predictions of the training cells spread less than this part of their targets' spread."""
FLOOR_MARGIN = 0.5
"""MAPE's lower bound lies this far below the best loss seen, in spreads of the targets."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How an ensemble is trained; the defaults are the paper's."""

    members: int = 5
    layers: int = 10
    width: int = 20
    epochs: int = 150
    batch_size: int = 32
    learning_rate: float = 0.01
    loss: str = "mape"

    def epochs_for(self, n: int) -> int:
        """Epochs over ``n`` observations, so that the steps stay within ``MAX_STEPS``."""
        return max(1, min(self.epochs, MAX_STEPS // -(-n // self.batch_size)))


@dataclass(frozen=True)
class MetaNetworks:
    """A trained ensemble."""

    parameters: Parameters
    epochs: int
    restarted: int

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """What each member predicts for the rows of ``x``, (n, d): (M, n), in the scale of the targets."""
        with torch.inference_mode():
            return outputs(self.parameters, torch.from_numpy(x)).double().numpy()


def loss_weights(t: NDArray[np.float64], loss: str) -> NDArray[np.float64]:
    """The weight of each observation in a mean absolute error, (n,), of mean 1.

    MAPE, mean |(p - LB) / (l - LB) - 1| over predicted and true losses p and l, is the absolute error weighted by 1 / (l - LB): the
    better a cell, the more it counts. The paper sets LB by hand, just below the best loss reachable (4.5 % on NAS-Bench-101); here it
    is ``FLOOR_MARGIN`` below the best seen, which works for any objective.
    """
    if loss == "mae":
        return np.ones_like(t)
    weights = 1.0 / (t.max() - t + FLOOR_MARGIN)
    return np.asarray(weights / weights.mean())


def train(x: NDArray[np.float32], t: NDArray[np.float64], training: Training, rng: np.random.Generator) -> MetaNetworks:
    """The ensemble fitted to ``x`` and ``t``; n >= 1. The same generator state gives the same networks on the same machine."""
    with torch.inference_mode():
        learned = _train(training.members, x, t, training, rng)
        restarted = 0
        for _ in range(RESTARTS):
            dead = _dead(learned, x, t)
            if not dead:
                break
            restarted += len(dead)
            again = _train(len(dead), x, t, training, rng)
            for views, new in ((learned.weights, again.weights), (learned.biases, again.biases)):
                for view, values in zip(views, new, strict=True):
                    view[dead] = values
    return MetaNetworks(learned, training.epochs_for(len(t)), restarted)


def _dead(parameters: Parameters, x: NDArray[np.float32], t: NDArray[np.float64]) -> list[int]:
    """The members that predict a constant although neither the cells nor their targets are all alike."""
    spread = float(t.std())
    if spread == 0.0 or not (x != x[0]).any():
        return []
    predicted = outputs(parameters, torch.from_numpy(x)).double().numpy()
    return [int(member) for member in np.flatnonzero(predicted.std(axis=1) < DEAD * spread)]


def _train(
    members: int, x: NDArray[np.float32], t: NDArray[np.float64], training: Training, rng: np.random.Generator
) -> Parameters:
    """``members`` networks trained from new weights."""
    columns = x.shape[1]
    hidden = (training.width,) * training.layers
    full = Parameters.he(Shape(members, (columns, *hidden, 1)), rng)
    # A column that no observation has set gets no gradient: its weights stay as drawn, to the bit, whether it takes part or not. Of the
    # 364 paths of NAS-Bench-101, 200 random cells have 166; the other columns need not be multiplied, nor their weights moved.
    live = np.flatnonzero(x.any(axis=0))
    small = full.narrow(live)
    gradient = Parameters(small.shape)
    adam = Adam(small.shape.size, learning_rate=training.learning_rate, beta1=0.9, beta2=0.99)
    memories: dict[int, Activations] = {}
    weights = loss_weights(t, training.loss)
    cells, targets = torch.from_numpy(x[:, live]), torch.from_numpy(np.stack((t, weights), axis=1).astype(np.float32))
    for xb, tb, wb in _batches(cells, targets, members, training, rng):
        rows = xb.shape[1]
        if rows not in memories:
            memories[rows] = Activations(small.shape, rows)
        memory = memories[rows]
        error = torch.sub(forward(small, xb, memory), tb, out=memory.delta[-1])
        torch.sign(error, out=error).mul_(wb).div_(rows)
        backward(small, xb, memory, gradient)
        adam.step(small.flat, gradient.flat)
    full.widen(small, live)
    return full


def _batches(
    x: Tensor, targets: Tensor, members: int, training: Training, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(x, t, w) of every step: (M, B, d), (M, B, 1), (M, B, 1); each member has its own shuffle in each epoch."""
    n = len(x)
    order = np.tile(np.arange(n), (members, 1))
    for _ in range(training.epochs_for(n)):
        shuffle = torch.from_numpy(rng.permuted(order, axis=1))
        cells, labels = x[shuffle], targets[shuffle]  # (M, n, d), (M, n, 2)
        for start in range(0, n, training.batch_size):
            rows = slice(start, start + training.batch_size)
            yield cells[:, rows], labels[:, rows, :1], labels[:, rows, 1:]
