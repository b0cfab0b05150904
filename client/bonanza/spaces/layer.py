"""The layers that NASBOT's networks are made of.

Kandasamy et al. 2018, "Neural architecture search with Bayesian optimisation and optimal transport", section 2. A layer
concatenates the outputs of its parents; convolutions, residual layers, fully connected layers and the hidden layers of a
perceptron have units (filters or neurons) of their own, pools hand on the channels they get, and the decision layers
have as many outputs as the task. A pool halves the image, a convolution with stride 2 does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bonanza.spaces.graph import INPUT, OUTPUT

IP = "ip"
OP = "op"
"""The paper's names of the ends; in a ``LabelledDag`` they are "input" and "output"."""
KERNELS: Mapping[str, int] = {"conv3": 3, "conv5": 5, "conv7": 7, "res3": 3, "res5": 5, "res7": 7}
"""Convolutional layers and their kernels. A ``res`` is a block of two convolutions and a shortcut around them."""
POOLS = ("max-pool", "avg-pool")
FC = "fc"
RECTIFIERS = ("relu", "crelu", "leaky-relu", "softplus", "elu")
SIGMOIDS = ("logistic", "tanh")
HIDDEN = RECTIFIERS + SIGMOIDS
DECISIONS = ("softmax", "linear")
"""The layers before the output, whose answers are averaged: of class probabilities, and of a regression."""
WITH_UNITS = frozenset((*KERNELS, FC, *HIDDEN))
CNN = "cnn"
MLP = "mlp"
FLAVOURS: Mapping[str, tuple[str, ...]] = {
    CNN: (IP, *KERNELS, *POOLS, FC, "softmax", OP),
    MLP: (IP, *HIDDEN, *DECISIONS, OP),
}
"""The ops of each flavour."""


class Layer(NamedTuple):
    """One layer.

    ``units`` is 0 where the op has none of its own; ``stride`` 2 where the image is halved, 1 where an op on images keeps
    its size, 0 where an op is not one on images.
    """

    op: str
    units: int = 0
    stride: int = 0

    @property
    def label(self) -> str:
        """The label of the layer's node in a ``LabelledDag``: the op, with "/2" behind a convolution of stride 2."""
        if self.op == IP:
            return INPUT
        if self.op == OP:
            return OUTPUT
        return f"{self.op}/2" if self.stride == 2 and self.op in KERNELS else self.op


def op_of(label: str) -> str:
    """The op of a node with this label: "conv3" of "conv3/2", "ip" of "input"."""
    return {INPUT: IP, OUTPUT: OP}.get(label) or label.removesuffix("/2")


def layer(op: str, units: int = 0, stride: int = 1) -> Layer:
    """The layer with this op; ``units`` and ``stride`` are forgotten where the op has none or no choice."""
    if op in KERNELS:
        return Layer(op, units, stride)
    return Layer(op, units if op in WITH_UNITS else 0, 2 if op in POOLS else 0)
