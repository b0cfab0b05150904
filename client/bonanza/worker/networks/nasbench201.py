"""The NAS-Bench-201 network of an edge cell, in torch.

Dong and Yang 2020, arXiv 2001.00326, section 2.1: a 3x3 convolution; three stages of N equal cells of C, 2C and 4C channels, between them a
residual block of stride 2; normalisation, ReLU, the mean over the image, a linear classifier. Published: C = 16, N = 5.

A cell has nodes 0 to n-1. Node 0 is its input, node j the sum over i < j of op_ij(node i), node n-1 its output. A convolution is ReLU,
Conv, BatchNorm, without bias. Deviation: the edges of ``none`` are left out where upstream multiplies by 0, which is the same number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from bonanza.spaces import Architecture

OPERATIONS: Final = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


class UnknownCell(ValueError):
    """The architecture is no edge cell of these operations; the message names what is not."""


def edge_operations(architecture: Architecture) -> tuple[str, ...]:
    """The operations of an edge cell, ordered by target node, then by source: (0,1), (0,2), (1,2), (0,3) and so on.

    Raises:
        UnknownCell: it is no edge cell, or has an operation this network does not know.
    """
    operations = tuple(architecture.json.get("edges", ()))
    nodes = _nodes(len(operations))
    if nodes < 2 or nodes * (nodes - 1) // 2 != len(operations):
        raise UnknownCell(f"{architecture.text} is no edge cell")
    if unknown := [op for op in operations if op not in OPERATIONS]:
        raise UnknownCell(f"{architecture.text} has the operation {unknown[0]!r}; there are {', '.join(OPERATIONS)}")
    return operations


class Network(nn.Module):
    """Images (n, in_channels, h, w) in, class scores (n, classes) out."""

    def __init__(
        self, operations: Sequence[str], *, classes: int, in_channels: int = 3, channels: int = 16, cells: int = 5
    ) -> None:
        """Build it with torch's own initialisation, from torch's global generator.

        Args:
            operations: of the cell's edges, in the order of ``edge_operations``.
            classes: scores an image.
            in_channels: of the images.
            channels: C, of the first stage.
            cells: N, a stage.
        """
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        ]
        for stage in range(3):
            if stage > 0:
                layers.append(Reduction(channels, 2 * channels))
                channels *= 2
            layers += [Cell(operations, channels) for _ in range(cells)]
        layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Scores before the softmax, (n, classes)."""
        scores: Tensor = self.classifier(self.features(images))
        return scores


class Cell(nn.Module):
    """One cell; (n, channels, h, w) in and out."""

    def __init__(self, operations: Sequence[str], channels: int) -> None:
        super().__init__()
        self.nodes = _nodes(len(operations))
        pairs = ((i, j) for j in range(1, self.nodes) for i in range(j))
        live = [(i, j, op) for (i, j), op in zip(pairs, operations, strict=True) if op != "none"]
        self.edges = [(i, j) for i, j, _ in live]
        self.operations = nn.ModuleList(_operation(op, channels) for _, _, op in live)

    def forward(self, x: Tensor) -> Tensor:
        """The last node."""
        nodes: list[Tensor | None] = [x, *[None] * (self.nodes - 1)]
        for (i, j), operation in zip(self.edges, self.operations, strict=True):
            source = nodes[i]
            if (
                source is None
            ):  # no path from the input: the node is zero, and a convolution of zero still has its normalisation's shift
                source = torch.zeros_like(x)
            added, so_far = operation(source), nodes[j]
            nodes[j] = added if so_far is None else so_far + added
        last = nodes[-1]
        return torch.zeros_like(x) if last is None else last


class Reduction(nn.Module):
    """A residual block of stride 2 (He et al. 2016): (n, c_in, h, w) to (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(_convolution(c_in, c_out, 3, stride=2), _convolution(c_out, c_out, 3))
        # ceil_mode only matters for images of odd size, which the convolution rounds up
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(c_in, c_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Shortcut plus two convolutions."""
        y: Tensor = self.shortcut(x) + self.convolutions(x)
        return y


def parameter_count(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def _nodes(edges: int) -> int:
    """The number of nodes of a complete DAG of so many edges, rounded down."""
    nodes = 1
    while nodes * (nodes + 1) // 2 <= edges:
        nodes += 1
    return nodes


def _operation(name: str, channels: int) -> nn.Module:
    match name:
        case "skip_connect":
            return nn.Identity()
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        case "nor_conv_1x1":
            return _convolution(channels, channels, 1)
        case "nor_conv_3x3":
            return _convolution(channels, channels, 3)
        case _:
            raise UnknownCell(f"there is no operation {name!r}; there are {', '.join(OPERATIONS)}")


def _convolution(c_in: int, c_out: int, size: int, *, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),  # not in place: the node it reads is read by other edges too
        nn.Conv2d(c_in, c_out, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(c_out),
    )
