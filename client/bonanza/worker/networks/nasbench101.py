"""The NAS-Bench-101 network of a node cell.

Ying et al. 2019 (arXiv 1902.09635), section 2 and figure 1, and google-research/nasbench lib/model_builder.py: a 3x3 convolution of C
channels; three stacks of N equal cells of C, 2C and 4C channels, between them a max pool that halves the image; the mean over the image, a
linear classifier. Published: C = 128, N = 3. A convolution is Conv, BatchNorm, ReLU, without bias.

An edge from a cell's input is a 1x1 convolution to the width of the vertex that reads it. A vertex applies its op to the sum of what it
reads, each cut to its own first channels. The vertices that the output reads share its channels and are put side by side; an edge from
the input is added to that. Deviations: moving averages are of momentum 0.1 where upstream's 0.997 means 0.003, which only trainings of
many steps outlast; and where a cell has fewer channels than vertices that share them, it has as many as there are (upstream cannot).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bonanza.spaces import Architecture, SearchSpace
from bonanza.spaces.nasbench101 import CELLS, CHANNELS, MAX_VERTICES, OPS, STACKS, trained_cell, vertex_channels
from bonanza.worker.networks import Shape, Skeleton
from bonanza.worker.networks.operations import OPERATIONS, ConvNormReLU, known_op
from bonanza.worker.networks.recipe import Recipe


class Cell(nn.Module):
    """One cell, (n, c_in, h, w) to (n, width of the output, h, w). Vertex 0 is its input, the last one its output."""

    def __init__(self, ops: list[str], edges: list[tuple[int, int]], c_in: int, widths: list[int]) -> None:
        super().__init__()
        self.widths, self.output = widths, len(widths) - 1
        self.sources = [[i for i, j in edges if j == v and i > 0] for v in range(len(widths))]
        self.projections = nn.ModuleDict({str(j): ConvNormReLU(c_in, widths[j], 1) for i, j in edges if i == 0})
        self.operations = nn.ModuleDict({str(v): OPERATIONS[op](widths[v], 1) for v, op in enumerate(ops, start=1)})

    def forward(self, x: Tensor) -> Tensor:
        """The output vertex."""
        vertices: dict[int, Tensor] = {int(v): project(x) for v, project in self.projections.items()}
        for name, operation in self.operations.items():
            v = int(name)
            for source in self.sources[v]:
                read = vertices[source][:, : self.widths[v]]
                vertices[v] = vertices[v] + read if v in vertices else read
            vertices[v] = operation(vertices[v])
        members = [vertices[v] for v in self.sources[self.output]]
        if not members:
            return vertices[self.output]
        y = members[0] if len(members) == 1 else torch.cat(members, dim=1)
        return y + vertices[self.output] if self.output in vertices else y


class Network(nn.Module):
    """Images (n, in_channels, h, w) in, class scores (n, classes) out."""

    def __init__(
        self,
        ops: list[str],
        edges: list[tuple[int, int]],
        *,
        channels: int,
        cells: int,
        classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        self.stem = ConvNormReLU(in_channels, channels, 3)
        body: list[nn.Module] = []
        c_in = channels
        for stack in range(STACKS):
            if stack > 0:
                body.append(nn.MaxPool2d(2, 2, ceil_mode=True))
            widths = vertex_channels(len(ops) + 2, edges, channels * 2**stack)
            for _ in range(cells):
                body.append(Cell(ops, edges, c_in, widths))
                c_in = widths[-1]
        self.body = nn.Sequential(*body)
        self.classifier = nn.Linear(c_in, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Scores before the softmax, (n, classes)."""
        features: Tensor = self.body(self.stem(images))
        scores: Tensor = self.classifier(features.mean((2, 3)))
        return scores


def recipe(space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: Shape) -> Recipe:
    """Of any node cell whose ops have known names; dead vertices are left out, as upstream does too.

    Channels that do not divide go to the first of the vertices that share them: they are in upstream's order where upstream has the cell,
    in that of the canonical graph otherwise, so that one network has one number of parameters.
    """
    skeleton.refuse_auxiliary(space.kind)
    cell = architecture.json
    n, ops = len(cell["ops"]), cell["ops"]
    if n <= MAX_VERTICES and set(ops[1:-1]) <= set(OPS):
        edges = [(i, j) for i in range(n) for j in range(i + 1, n) if cell["adjacency"][i][j]]
        ops, edges = trained_cell(ops, edges)
    else:
        graph = space.canonical(architecture)
        ops, edges = list(graph.labels), list(graph.edges)
    return Recipe(
        Network,
        {
            "ops": [known_op(op, space.kind) for op in ops[1:-1]],
            "edges": edges,
            "channels": skeleton.channels or CHANNELS,
            "cells": skeleton.cells or CELLS,
            "classes": classes,
            "in_channels": shape[0],
        },
        f"The {space.kind} network {architecture.arch_id}",
    )
