"""NASBOT's networks, layer for layer: convolutional ones and perceptrons.

Kandasamy et al. 2018, "Neural architecture search with Bayesian optimisation and optimal transport"; the layers are those that
kirthevasank/nasbot trains on CIFAR-10 (cg/cifar/cifar10_model_base.py):

- a layer reads its parents' outputs side by side;
- ``conv``: a convolution without bias, batch norm, ReLU; ``res``: two of them, a shortcut around both added before the last ReLU;
- a pool, and a convolution of stride 2, halve the image, rounded up;
- ``fc``: the mean of each channel where it reads an image, a linear layer with bias, ReLU; a hidden layer of a perceptron: a linear layer
  with bias and the activation it is named after;
- ``softmax`` and ``linear``, the decisions: a linear layer with bias; the op averages what they say, class probabilities or numbers.

Deviations, besides those that ``bonanza.spaces.layer_cost`` tells: upstream has a ReLU behind a softmax layer's linear one too, which keeps
a score from falling below 0. And where the task has classes, a ``linear`` decision has a score for each.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bonanza.spaces import Architecture, SearchSpace
from bonanza.spaces.layer import DECISIONS
from bonanza.worker.networks import Shape, Skeleton
from bonanza.worker.networks.operations import NORM, ConvNormReLU
from bonanza.worker.networks.recipe import Recipe


class Residual(nn.Module):
    """Two convolutions and a shortcut around both: (n, c_in, h, w) to (n, units, h/stride, w/stride)."""

    def __init__(self, c_in: int, units: int, size: int, stride: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            ConvNormReLU(c_in, units, size, stride),
            nn.Conv2d(units, units, size, 1, size // 2, bias=False),
            NORM(units),
        )
        kept = c_in == units and stride == 1
        self.shortcut = nn.Identity() if kept else nn.Conv2d(c_in, units, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """ReLU of the sum."""
        y: Tensor = (self.convolutions(x) + self.shortcut(x)).relu_()
        return y


class ChannelMeans(nn.Module):
    """The mean of each channel of an image; a vector as it is."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) or (n, c) to (n, c)."""
        return x.mean((2, 3)) if x.dim() == 4 else x


class ConcatenatedReLU(nn.Module):
    """What is positive and what is negative of half the units, rounded up, side by side (Shang et al. 2016): (n, units) out."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def forward(self, x: Tensor) -> Tensor:
        """(n, units / 2) in."""
        return torch.cat([x, -x], dim=1).relu()[:, : self.units]


LAYERS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "conv3": lambda c_in, units, stride: ConvNormReLU(c_in, units, 3, stride),
    "conv5": lambda c_in, units, stride: ConvNormReLU(c_in, units, 5, stride),
    "conv7": lambda c_in, units, stride: ConvNormReLU(c_in, units, 7, stride),
    "res3": lambda c_in, units, stride: Residual(c_in, units, 3, stride),
    "res5": lambda c_in, units, stride: Residual(c_in, units, 5, stride),
    "res7": lambda c_in, units, stride: Residual(c_in, units, 7, stride),
    "max-pool": lambda *_: nn.MaxPool2d(2, 2, ceil_mode=True),
    "avg-pool": lambda *_: nn.AvgPool2d(2, 2, ceil_mode=True),
    "fc": lambda c_in, units, _: nn.Sequential(ChannelMeans(), nn.Linear(c_in, units), nn.ReLU(inplace=True)),
    "relu": lambda c_in, units, _: nn.Sequential(nn.Linear(c_in, units), nn.ReLU(inplace=True)),
    "crelu": lambda c_in, units, _: nn.Sequential(nn.Linear(c_in, (units + 1) // 2), ConcatenatedReLU(units)),
    "leaky-relu": lambda c_in, units, _: nn.Sequential(nn.Linear(c_in, units), nn.LeakyReLU(inplace=True)),
    "softplus": lambda c_in, units, _: nn.Sequential(nn.Linear(c_in, units), nn.Softplus()),
    "elu": lambda c_in, units, _: nn.Sequential(nn.Linear(c_in, units), nn.ELU(inplace=True)),
    "logistic": lambda c_in, units, _: nn.Sequential(nn.Linear(c_in, units), nn.Sigmoid()),
    "tanh": lambda c_in, units, _: nn.Sequential(nn.Linear(c_in, units), nn.Tanh()),
    "softmax": lambda c_in, units, _: nn.Sequential(ChannelMeans(), nn.Linear(c_in, units)),
    "linear": lambda c_in, units, _: nn.Sequential(ChannelMeans(), nn.Linear(c_in, units)),
}
"""Of the channels that a layer reads, its units and its stride, the layer."""


class Network(nn.Module):
    """Images (n, channels, h, w) in, scores (n, classes) out.

    A layer is its op, its units (0 where it hands on what it gets), its stride and the numbers of the layers it reads; layer 0 is the image,
    the last layer the average of those it reads.
    """

    def __init__(self, layers: list[tuple[str, int, int, list[int]]], *, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.parents = [parents for _, _, _, parents in layers]
        ops = {op for op, _, _, _ in layers}
        self.flattens = not any(op.startswith(("conv", "res")) for op in ops)
        self.averages_probabilities = "softmax" in ops
        widths = [shape[0] * shape[1] * shape[2] if self.flattens else shape[0]]
        self.layers = nn.ModuleList()
        for op, units, stride, parents in layers[1:-1]:
            c_in = sum(widths[v] for v in parents)
            self.layers.append(LAYERS[op](c_in, units, stride))
            widths.append(units or c_in)

    def forward(self, images: Tensor) -> Tensor:
        """Scores before the softmax; of several softmax layers those of the mean probability, of linear ones the mean."""
        values = [torch.flatten(images, 1) if self.flattens else images]
        for module, parents in zip(self.layers, self.parents[1:-1], strict=True):
            values.append(module(joined([values[v] for v in parents])))
        decisions = [values[v] for v in self.parents[-1]]
        if len(decisions) == 1:
            return decisions[0]
        stacked = torch.stack(decisions)
        if not self.averages_probabilities:
            return stacked.mean(0)
        return torch.logsumexp(stacked.log_softmax(-1), 0)


def joined(values: list[Tensor]) -> Tensor:
    """Side by side, along the channels."""
    return values[0] if len(values) == 1 else torch.cat(values, dim=1)


def recipe(space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: Shape) -> Recipe:
    """Of a network of layers; there is no skeleton around it."""
    skeleton.refuse_auxiliary(space.kind)
    net = architecture.json
    parents: list[list[int]] = [[] for _ in net["layers"]]
    for v, w in net["edges"]:
        parents[w].append(v)
    layers = [
        (each["op"], classes if each["op"] in DECISIONS else each.get("units", 0), each.get("stride", 1), read)
        for each, read in zip(net["layers"], parents, strict=True)
    ]
    return Recipe(Network, {"layers": layers, "shape": shape}, f"The {space.kind} network {architecture.arch_id}")
