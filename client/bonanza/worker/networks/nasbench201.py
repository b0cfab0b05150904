"""The NAS-Bench-201 network of an edge cell.

Dong and Yang 2020, arXiv 2001.00326, section 2.1: a 3x3 convolution; three stages of N equal cells of C, 2C and 4C channels, between them a
residual block of stride 2; normalisation, ReLU, the mean over the image, a linear classifier. Published: C = 16, N = 5.

A cell has nodes 0 to n-1. Node 0 is its input, node j the sum over i < j of op_ij(node i), node n-1 its output. ``none`` is left out where
upstream multiplies by 0, which is the same number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bonanza.spaces import Architecture, SearchSpace
from bonanza.worker.networks import Shape, Skeleton
from bonanza.worker.networks.operations import NORM, OPERATIONS, ReLUConvNorm, known_op
from bonanza.worker.networks.recipe import Recipe

CHANNELS = 16
CELLS = 5


class Cell(nn.Module):
    """One cell; (n, channels, h, w) in and out. An edge is its source, its target, its op; edges are sorted by target."""

    def __init__(self, edges: list[tuple[int, int, str]], nodes: int, channels: int) -> None:
        super().__init__()
        self.ends = [(source, target) for source, target, _ in edges]
        self.last = nodes - 1
        self.operations = nn.ModuleList(OPERATIONS[op](channels, 1) for _, _, op in edges)

    def forward(self, x: Tensor) -> Tensor:
        """The last node."""
        nodes = {0: x}
        for (source, target), operation in zip(self.ends, self.operations, strict=True):
            # no edge leads to a source that is missing: it is zero, which a convolution's normalisation still shifts
            y = operation(nodes[source] if source in nodes else torch.zeros_like(x))
            nodes[target] = nodes[target] + y if target in nodes else y
        return nodes[self.last] if self.last in nodes else torch.zeros_like(x)


class Reduction(nn.Module):
    """A residual block of stride 2 (He et al. 2016): (n, c_in, h, w) to (n, c_out, h/2, w/2)."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(ReLUConvNorm(c_in, c_out, 3, 2), ReLUConvNorm(c_out, c_out, 3))
        # ceil_mode only matters for images of odd size, which the convolution rounds up
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(c_in, c_out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Shortcut plus two convolutions."""
        y: Tensor = self.shortcut(x) + self.convolutions(x)
        return y


class Network(nn.Module):
    """Images (n, in_channels, h, w) in, class scores (n, classes) out."""

    def __init__(
        self,
        edges: list[tuple[int, int, str]],
        *,
        nodes: int,
        channels: int,
        cells: int,
        classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(in_channels, channels, 3, padding=1, bias=False), NORM(channels))
        body: list[nn.Module] = []
        for stage in range(3):
            if stage > 0:
                body.append(Reduction(channels, 2 * channels))
                channels *= 2
            body += [Cell(edges, nodes, channels) for _ in range(cells)]
        self.body = nn.Sequential(*body)
        self.head = nn.Sequential(NORM(channels), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Scores before the softmax, (n, classes)."""
        features: Tensor = self.head(self.body(self.stem(images)))
        scores: Tensor = self.classifier(features.mean((2, 3)))
        return scores


def recipe(space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: Shape) -> Recipe:
    """Of any edge cell whose ops have known names; the space says which op is zero and which the identity.

    Raises:
        NoNetwork: an op is not known, or the skeleton has what this network has not.
    """
    skeleton.refuse_auxiliary(space.kind)
    ops = architecture.json["edges"]
    nodes = next(n for n in range(2, len(ops) + 2) if n * (n - 1) == 2 * len(ops))
    pairs = [(source, target) for target in range(1, nodes) for source in range(target)]
    edges = [
        (source, target, "skip_connect" if op == space.identity_op else known_op(op, space.kind))
        for (source, target), op in zip(pairs, ops, strict=True)
        if op not in {space.zero_op, "none"}
    ]
    return Recipe(
        Network,
        {
            "edges": edges if skeleton.dead_ops else live(edges, nodes - 1),
            "nodes": nodes,
            "channels": skeleton.channels or CHANNELS,
            "cells": skeleton.cells or CELLS,
            "classes": classes,
            "in_channels": shape[0],
        },
        f"The {space.kind} network {architecture.arch_id}",
    )


def live(edges: list[tuple[int, int, str]], last: int) -> list[tuple[int, int, str]]:
    """The edges on a path from node 0 to the last one: what the space calls the network (``bonanza.spaces.simplification``)."""
    fed, seen = {0}, {last}
    for source, target, _ in edges:
        if source in fed:
            fed.add(target)
    for source, target, _ in reversed(edges):
        if target in seen:
            seen.add(source)
    return [edge for edge in edges if edge[0] in fed and edge[1] in seen]
