"""Drop-path: in training, a path of a cell is left out for some images of a batch.

Larsson, Maire, Shakhnarovich, "FractalNet", ICLR 2017 (arXiv 1605.07648); per image, as in Zoph et al. 2018 and in quark0/darts cnn/utils.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Zero for an image with the probability last set (0 at first), else the input divided by the chance to stay; nothing in evaluation."""

    keep: Tensor

    def __init__(self) -> None:
        """Build it; the chance is a tensor, changed in place every epoch: a compiled graph or a captured one need not be made again."""
        super().__init__()
        self.register_buffer("keep", torch.ones(()), persistent=False)
        self.active = False

    def set(self, probability: float) -> None:
        """Drop with this probability from now on."""
        self.keep.fill_(1 - probability)
        self.active = probability > 0

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) in and out."""
        if not (self.training and self.active):
            return x
        stays = torch.rand(len(x), 1, 1, 1, device=x.device) < self.keep
        return x * (stays / self.keep).to(x.dtype)
