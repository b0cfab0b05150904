"""The auxiliary tower: a second classifier at two thirds of the depth, whose loss is added with a small weight in training.

Szegedy et al. 2015 (arXiv 1409.4842); its layers are those of quark0/darts cnn/model.py, for the maps of 8 x 8 and of 7 x 7 pixels that its
networks for CIFAR and for ImageNet have there. Deviation: maps of any other size are averaged to 2 x 2 in equal parts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Auxiliary(nn.Module):
    """Maps (n, channels, h, w) in, class scores (n, classes) out."""

    def __init__(self, channels: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        # windows of 5 x 5 overlap to 2 x 2 means; the second norm is upstream's for CIFAR, which its network for ImageNet lacks
        pools = {(8, 8): nn.AvgPool2d(5, 3), (7, 7): nn.AvgPool2d(5, 2)}
        norm = nn.Identity() if size == (7, 7) else nn.BatchNorm2d(768)
        self.features = nn.Sequential(
            nn.ReLU(),  # not in place: the next cell reads the map too
            pools.get(size) or nn.AdaptiveAvgPool2d(2),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 768, 2, bias=False),
            norm,
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores before the softmax."""
        scores: Tensor = self.classifier(torch.flatten(self.features(x), 1))
        return scores
