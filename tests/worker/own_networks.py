"""Networks of a user's own, small enough for tests: ``builder=tests.worker.own_networks:…`` in a protocol."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def perceptron(architecture: Any, *, skeleton: Any, classes: int, shape: tuple[int, int, int]) -> nn.Module:
    """It draws from torch's global generator while it trains, and normalises."""
    channels, height, width = shape
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * height * width, 24),
        nn.BatchNorm1d(24),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(24, classes),
    )


class Cramped(nn.Module):
    """A linear network on a device that has room for so many images and no more: it says so as torch does."""

    def __init__(self, inputs: int, classes: int, room: int) -> None:
        super().__init__()
        self.room = room
        self.seen: list[int] = []
        self.linear = nn.Linear(inputs, classes)

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        scores: Tensor = self.linear(images.flatten(1))
        return scores
