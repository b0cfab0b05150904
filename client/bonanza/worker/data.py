"""Data sets for training, each with one fixed split: train, validation for the search, and test, which a search never sees."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

import torch
from sklearn.datasets import load_digits as sklearn_digits
from torch import Tensor

SHARES: Final = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class Part:
    """Images (n, channels, h, w) as float32, standardised, and labels (n,) as int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Part:
        """The same on a device."""
        return Part(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """What a search may see. ``train`` and ``validation`` share no image with the test part, which is only had by ``digits_test``."""

    name: str
    classes: int
    train: Part
    validation: Part


def load_digits(*, split_seed: int = 0) -> Dataset:
    """scikit-learn's handwritten digits: 1,797 images of 8 x 8 pixels, 10 classes; 60 % to train and 20 % to validate."""
    train, validation, _ = _digits_parts(split_seed)
    return Dataset("digits", 10, train, validation)


def digits_test(*, split_seed: int = 0) -> Part:
    """The 20 % of the digits that no search has seen: for the last word on a network that has been chosen."""
    return _digits_parts(split_seed)[2]


def split(labels: list[int], shares: tuple[float, ...], seed: int) -> list[list[int]]:
    """Indices in parts, every class in its share in each; the last part takes the rest.

    Python's own generator, whose sequences do not change between versions: the split is part of the training protocol.
    """
    rng = random.Random(seed)
    parts: list[list[int]] = [[] for _ in shares]
    for label in sorted(set(labels)):
        members = [index for index, other in enumerate(labels) if other == label]
        rng.shuffle(members)
        end = 0.0
        for part, share in zip(parts, shares, strict=True):
            begin, end = end, end + share
            part.extend(members[round(begin * len(members)) : round(end * len(members))])
    return [sorted(part) for part in parts]


def _digits_parts(split_seed: int) -> tuple[Part, Part, Part]:
    raw = sklearn_digits()
    labels = [int(label) for label in raw.target]
    train, validation, test = split(labels, SHARES, split_seed)
    images = torch.tensor(raw.images, dtype=torch.float32).unsqueeze(1)  # (n, 1, 8, 8), 0 to 16
    seen = images[train]
    images = (images - seen.mean()) / seen.std()  # by the training part alone: the others must not leak into it
    target = torch.tensor(labels)
    return (
        Part(images[train], target[train]),
        Part(images[validation], target[validation]),
        Part(images[test], target[test]),
    )
