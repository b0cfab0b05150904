"""Images and their labels, in parts: what trains, what validates, and the test part, which a search never sees."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from bonanza.worker import protocol as recipe
from bonanza.worker.data.place import UnusableData
from bonanza.worker.data.split import split


@dataclass(frozen=True)
class Part:
    """Images (n, channels, height, width) as u8 and labels (n,) as int64, on one device."""

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        """Refuse what are no images with labels.

        Raises:
            UnusableData: the types or shapes are others.
        """
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.labels.shape != self.images.shape[:1]:
            raise UnusableData(
                f"images must be u8 of (n, channels, height, width) with n labels, and are {self.images.dtype} of "
                f"{tuple(self.images.shape)} with {tuple(self.labels.shape)} labels"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image: channels, height, width."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def to(self, device: torch.device) -> Part:
        """The same on a device."""
        return Part(self.images.to(device), self.labels.to(device))

    def chosen(self, indices: list[int]) -> Part:
        """Some of them."""
        return Part(self.images[indices], self.labels[indices])

    def joined(self, other: Part) -> Part:
        """These and others."""
        return Part(torch.cat([self.images, other.images]), torch.cat([self.labels, other.labels]))


class Source(Protocol):
    """A data set as it was published: images to learn from, and images to test on."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def mirrors(self) -> bool:
        """Whether a mirrored image is of the same class: true of things, not of characters."""

    def training(self) -> Part:
        """All that a search may see. Raises ``UnusableData``."""

    def test(self) -> Part:
        """What it may not. Raises ``UnusableData``."""


@dataclass(frozen=True)
class Images:
    """A data set as a protocol splits it, on a device; ``mean`` and ``std`` (channels,) are of the images that train, from 0 to 255.

    ``measured`` is the part that is measured after every epoch; ``test`` what is measured once at the end, where the protocol says so.
    """

    name: str
    classes: int
    mirrors: bool
    train: Part
    measured: Part
    test: Part | None
    mean: Tensor
    std: Tensor
    fingerprint: str

    @classmethod
    def of(cls, source: Source, protocol: recipe.Protocol, device: torch.device) -> Images:
        """Read, split and move.

        The test part is only read where the protocol says ``test``.

        Raises:
            UnusableData: the data are missing or corrupt, or do not go with the protocol.
        """
        everything = source.training()
        test = source.test() if protocol.test else None
        labels = everything.labels.tolist()
        if not labels:
            raise UnusableData(f"{source.name} has no image to train on")
        classes = max(labels) + 1
        if min(labels) < 0:
            raise UnusableData(
                f"{source.name} has the label {min(labels)}: labels are whole numbers from 0 to classes - 1"
            )
        if missing := sorted(set(range(classes)) - set(labels)):
            raise UnusableData(
                f"{source.name} has no training image of class {missing[0]}, and has one of class {classes - 1}: "
                "labels are whole numbers from 0 to classes - 1, each of which occurs"
            )
        if test is not None:
            _check_test(source.name, test, everything, classes)
        fit, validation = split(labels, (1 - protocol.validation, protocol.validation), protocol.split_seed)
        train, measured = everything.chosen(fit), everything.chosen(validation)
        if protocol.fit == "train+validation":
            assert test is not None
            train, measured = everything, test
        if not len(measured):
            raise UnusableData(f"{source.name} has too few images to validate on {protocol.validation:g} of them")
        if len(train) < protocol.batch:
            raise UnusableData(
                f"the protocol's batch of {protocol.batch} is more than the {len(train)} images that train: say batch={len(train)} or less"
            )
        mean, std = _moments(train.images)
        digest = hashlib.blake2b(train.images.numpy().tobytes() + train.labels.numpy().tobytes(), digest_size=8)
        return cls(
            source.name,
            classes,
            source.mirrors,
            train.to(device),
            measured.to(device),
            None if test is None else test.to(device),
            mean.to(device),
            std.to(device),
            digest.hexdigest(),
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image: channels, height, width."""
        return self.train.shape

    def standardised(self, images: Tensor) -> Tensor:
        """Float32 images of mean 0 and deviation 1, from u8 or from floats of 0 to 255."""
        return (images.float() - self.mean[:, None, None]) / self.std[:, None, None]


def _check_test(name: str, test: Part, train: Part, classes: int) -> None:
    if test.shape != train.shape:
        raise UnusableData(
            f"{name} trains on images of {train.shape} and tests on {test.shape}: they must be of one shape"
        )
    strange = sorted(set(test.labels.tolist()) - set(range(classes)))
    if strange or not len(test):
        what = f"images of class {strange[0]}, which no training image is of" if strange else "no image"
        raise UnusableData(f"the test part of {name} has {what}: it must be of the same {classes} classes")


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel, exactly: from how often each of the 256 values occurs."""
    values = torch.arange(256, dtype=torch.float64)
    counts = torch.stack(
        [torch.bincount(channel.flatten().int(), minlength=256) for channel in images.unbind(1)]
    ).double()
    total = counts.sum(1)
    mean = (counts * values).sum(1) / total
    variance = (counts * (values - mean[:, None]).square()).sum(1) / total
    std = variance.sqrt()
    return mean.float(), torch.where(
        std > 0, std, 1.0
    ).float()  # a channel of one value says nothing, and must not become NaN
