"""M ReLU networks of one shape held as one flat vector, with hand-written forward and backward passes.

Notation
    M       networks (members)             B       rows of a batch
    d_0     columns of the input           d_1 .. d_L hidden widths, d_{L+1} = 1
    h_j     output of layer j, (M, B, d_j); h_0 is the input
    W_j     weights, (M, d_{j-1}, d_j)     b_j     biases, (M, 1, d_j)

A network of 10 x 20 units on a batch of 32 is all overhead and no arithmetic: under autograd a step of five such networks spends its
time building graphs and walking over 110 parameter tensors. Here a layer of all members is one batched product into memory that is
already there, and the optimiser sees a single vector. Gradients are checked against autograd in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Shape:
    """``members`` networks with layers of ``widths`` = (d_0, .., d_{L+1}) units."""

    members: int
    widths: tuple[int, ...]

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """(d_{j-1}, d_j) of each layer."""
        return tuple(zip(self.widths[:-1], self.widths[1:], strict=True))

    @property
    def size(self) -> int:
        """Numbers in the flat vector of all members."""
        return self.members * sum(rows * columns + columns for rows, columns in self.layers)


class Parameters:
    """The flat vector of a shape, and its layers as views into it: ``weights[j]`` and ``biases[j]`` of layer j + 1."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.flat = torch.zeros(shape.size)
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        start = 0
        for rows, columns in shape.layers:
            for views, view in (
                (self.weights, (shape.members, rows, columns)),
                (self.biases, (shape.members, 1, columns)),
            ):
                views.append(self.flat[start : start + prod(view)].view(view))
                start += prod(view)

    @classmethod
    def he(cls, shape: Shape, rng: np.random.Generator) -> Parameters:
        """He-uniform weights and zero biases.

        The original has Keras's Glorot weights; through ten ReLU layers these shrink the signal by 2^-5, and members die.
        """
        drawn = cls(shape)
        for weights, (rows, _) in zip(drawn.weights, shape.layers, strict=True):
            uniform = rng.uniform(-1.0, 1.0, size=tuple(weights.shape)) * sqrt(6.0 / max(rows, 1))
            weights.copy_(torch.from_numpy(uniform))
        return drawn

    def narrow(self, rows: NDArray[np.intp]) -> Parameters:
        """A copy of networks that read only the columns ``rows`` of the input."""
        narrow = Parameters(Shape(self.shape.members, (len(rows), *self.shape.widths[1:])))
        narrow.weights[0].copy_(self.weights[0][:, rows])
        for mine, theirs in zip((*narrow.weights[1:], *narrow.biases), (*self.weights[1:], *self.biases), strict=True):
            mine.copy_(theirs)
        return narrow

    def widen(self, narrow: Parameters, rows: NDArray[np.intp]) -> None:
        """Take over what ``narrow``, made by :meth:`narrow` from these, has learned since; the other columns stay as they are."""
        self.weights[0][:, rows] = narrow.weights[0]
        for mine, theirs in zip((*self.weights[1:], *self.biases), (*narrow.weights[1:], *narrow.biases), strict=True):
            mine.copy_(theirs)


class Activations:
    """Memory for one batch of B rows: ``h[j]`` is h_{j+1}, ``delta[j]`` the gradient of the loss by layer j + 1 before its ReLU."""

    def __init__(self, shape: Shape, rows: int) -> None:
        self.h = [torch.empty(shape.members, rows, width) for width in shape.widths[1:]]
        self.delta = [torch.empty(shape.members, rows, width) for width in shape.widths[1:]]


def forward(parameters: Parameters, x: Tensor, memory: Activations) -> Tensor:
    """The outputs (M, B, 1) for the inputs ``x``, (M, B, d_0); a view into ``memory``."""
    h = x
    last = len(memory.h) - 1
    for j, out in enumerate(memory.h):
        torch.baddbmm(parameters.biases[j], h, parameters.weights[j], out=out)
        if j < last:
            torch.relu_(out)
        h = out
    return h


def backward(parameters: Parameters, x: Tensor, memory: Activations, gradient: Parameters) -> None:
    """Write the gradient of the loss by every parameter into ``gradient``.

    Call it after :func:`forward` of the same ``x`` and ``memory``, with the gradient of the loss by the outputs, (M, B, 1), in
    ``memory.delta[-1]``.
    """
    for j in range(len(memory.h) - 1, -1, -1):
        h, delta = memory.h[j - 1] if j else x, memory.delta[j]
        torch.bmm(h.transpose(1, 2), delta, out=gradient.weights[j])
        torch.sum(delta, dim=1, keepdim=True, out=gradient.biases[j])
        if j:
            below = memory.delta[j - 1]
            torch.bmm(delta, parameters.weights[j].transpose(1, 2), out=below)
            torch.ops.aten.threshold_backward.grad_input(
                below, h, 0, grad_input=below
            )  # ReLU: nothing flows where h = 0


def outputs(parameters: Parameters, x: Tensor) -> Tensor:
    """The outputs (M, n) for the same inputs ``x``, (n, d_0), to every member."""
    h = x.expand(parameters.shape.members, -1, -1)
    last = len(parameters.weights) - 1
    for j, (weights, biases) in enumerate(zip(parameters.weights, parameters.biases, strict=True)):
        h = torch.baddbmm(biases, h, weights)
        if j < last:
            torch.relu_(h)
    return h.squeeze(2)
