"""The network of DARTS, of a normal and a reduction cell, or of one cell for both roles as in BONAS' NASNet space.

Liu, Simonyan, Yang 2019 (arXiv 1806.09055), section 3, and quark0/darts cnn/model.py: a stem, then K cells, each reading the outputs of the
two before it; cells K//3 and 2K//3 are reductions, which halve the image and double the channels; the mean over the image, a linear
classifier. Published for CIFAR: C = 36, K = 20; for ImageNet: C = 48, K = 14. An auxiliary tower hangs on cell 2K//3.

A cell brings its two inputs, nodes 0 and 1, to its own width; each of nodes 2 to 5 adds up two ops on earlier nodes; the output is nodes 2
to 5 side by side. Ops are listed as a genotype has them, (name, source), two for each node. ``none`` is left out where upstream multiplies
by 0; a node without ops is zero, and so is its share of the output. Unless ``dead_ops``, neither what reads only zeros is built, nor inputs
and cells that nothing reads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bonanza.spaces import Architecture, SearchSpace
from bonanza.worker.networks import Shape, Skeleton
from bonanza.worker.networks.auxiliary import Auxiliary
from bonanza.worker.networks.drop_path import DropPath
from bonanza.worker.networks.operations import NORM, OPERATIONS, FactorizedReduce, ReLUConvNorm, known_op
from bonanza.worker.networks.recipe import Recipe

PUBLISHED = {"cifar": (36, 20), "imagenet": (48, 14)}
"""Channels and cells."""


class Cell(nn.Module):
    """One cell; it reads the outputs of the two before it, or None for one that ``reads`` has not.

    ``ops`` are (target, source, name), by target. The first input is twice as large as the second where ``shrinks``; the output is half as
    large where ``reduces``.
    """

    def __init__(
        self,
        ops: list[tuple[int, int, str]],
        reads: set[int],
        widths: tuple[int, int],
        channels: int,
        drop_path: DropPath,
        *,
        reduces: bool,
        shrinks: bool,
    ) -> None:
        super().__init__()
        self.stride = 2 if reduces else 1
        strides = [self.stride if source < 2 else 1 for _, source, _ in ops]
        self.wiring = [
            (target, source, op != "skip_connect" or stride > 1)  # upstream drops no path that is an identity
            for (target, source, op), stride in zip(ops, strides, strict=True)
        ]
        self.empty = sorted({2, 3, 4, 5} - {target for target, _, _ in ops})
        self.inputs = nn.ModuleDict()
        if 0 in reads:
            first = FactorizedReduce(widths[0], channels) if shrinks else ReLUConvNorm(widths[0], channels, 1)
            self.inputs["0"] = first
        if 1 in reads:
            self.inputs["1"] = ReLUConvNorm(widths[1], channels, 1)
        self.operations = nn.ModuleList(
            FactorizedReduce(channels, channels)
            if op == "skip_connect" and stride == 2
            else OPERATIONS[op](channels, stride)
            for (_, _, op), stride in zip(ops, strides, strict=True)
        )
        self.drop_path = drop_path

    def forward(self, before: Tensor | None, last: Tensor | None) -> Tensor:
        """Nodes 2 to 5 side by side, (n, 4 channels, h, w)."""
        nodes = {int(k): read(last if k == "1" else before) for k, read in self.inputs.items()}
        for k in self.empty:
            nodes[k] = torch.zeros_like(next(iter(nodes.values()))[:, :, :: self.stride, :: self.stride])
        for (target, source, drops), operation in zip(self.wiring, self.operations, strict=True):
            y = operation(nodes[source])
            if drops:
                y = self.drop_path(y)
            nodes[target] = nodes[target] + y if target in nodes else y
        return torch.cat([nodes[k] for k in (2, 3, 4, 5)], dim=1)


class Network(nn.Module):
    """Images in, class scores (n, classes) out; with an auxiliary tower, in training mode, (scores, auxiliary scores)."""

    def __init__(
        self,
        normal: list[tuple[str, int]],
        reduce: list[tuple[str, int]],
        *,
        channels: int,
        cells: int,
        classes: int,
        shape: tuple[int, int, int],
        stem: str,
        auxiliary: bool,
        dead_ops: bool,
    ) -> None:
        super().__init__()
        reductions = {cells // 3, 2 * cells // 3}
        self.auxiliary_at = 2 * cells // 3 if auxiliary else -1
        ops = [computed(reduce if k in reductions else normal, dead_ops=dead_ops) for k in range(cells)]
        reads = [{0, 1} if dead_ops else {source for _, source, _ in found if source < 2} or {1} for found in ops]
        needed = set(range(cells)) if dead_ops else {cells - 1, self.auxiliary_at}
        for k in reversed(range(cells)):
            if k in needed:
                needed.update(k - 2 + source for source in reads[k])

        drop_path = DropPath()
        width, size = channels, (shape[1], shape[2])
        if stem == "cifar":
            before = last = 3 * channels
            self.stem = nn.Sequential(nn.Conv2d(shape[0], last, 3, padding=1, bias=False), NORM(last))
            self.stem2 = None
        else:
            before = last = channels
            half = max(channels // 2, 1)
            self.stem = nn.Sequential(
                nn.Conv2d(shape[0], half, 3, 2, 1, bias=False),
                NORM(half),
                nn.ReLU(inplace=True),
                nn.Conv2d(half, channels, 3, 2, 1, bias=False),
                NORM(channels),
            )
            self.stem2 = ReLUConvNorm(channels, channels, 3, 2)
            size = halved(halved(halved(size)))
        self.cells = nn.ModuleDict()
        for k in range(cells):
            reduces, shrinks = k in reductions, k - 1 in reductions or (k == 0 and stem != "cifar")
            if reduces:
                width, size = 2 * width, halved(size)
            if k in needed:
                self.cells[str(k)] = Cell(
                    ops[k], reads[k], (before, last), width, drop_path, reduces=reduces, shrinks=shrinks
                )
            before, last = last, 4 * width
            if k == self.auxiliary_at:
                self.auxiliary = Auxiliary(last, classes, size)
        self.classifier = nn.Linear(last, classes)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Scores before the softmax."""
        first = self.stem(images)
        maps = {-2: first, -1: first if self.stem2 is None else self.stem2(first)}
        auxiliary = None
        for name, cell in self.cells.items():
            k = int(name)
            maps[k] = cell(maps.pop(k - 2, None), maps.get(k - 1))
            if k == self.auxiliary_at and self.training:
                auxiliary = self.auxiliary(maps[k])
        scores: Tensor = self.classifier(maps[k].mean((2, 3)))
        return scores if auxiliary is None else (scores, auxiliary)


def computed(pairs: list[tuple[str, int]], *, dead_ops: bool) -> list[tuple[int, int, str]]:
    """The ops of a cell as (target, source, name), without ``none``, and unless ``dead_ops`` without those that read only zeros."""
    fed, found = {0, 1}, []
    for k, (op, source) in enumerate(pairs):
        if op != "none" and (dead_ops or source in fed):
            found.append((k // 2 + 2, source, op))
            fed.add(k // 2 + 2)
    return found


def halved(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width behind a stride of 2."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def recipe(space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: Shape) -> Recipe:
    """Of a pair of cells, or of one cell with both roles."""
    roles = [
        [(op if op == space.zero_op else known_op(op, space.kind), source) for op, source in cell]
        for cell in architecture.json.values()
    ]
    stem = skeleton.stem_for(shape)
    channels, cells = PUBLISHED[stem]
    return Recipe(
        Network,
        {
            "normal": roles[0],
            "reduce": roles[-1],
            "channels": skeleton.channels or channels,
            "cells": skeleton.cells or cells,
            "classes": classes,
            "shape": shape,
            "stem": stem,
            "auxiliary": skeleton.auxiliary,
            "dead_ops": skeleton.dead_ops,
        },
        f"The {space.kind} network {architecture.arch_id}",
    )
