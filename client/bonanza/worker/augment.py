"""Augmentation of whole batches on the device: crop, flip, auto-augment, cutout, in this order (Yang et al. 2020, section 4.1).

What happens to each image of an epoch is drawn before the epoch, on the CPU, from (seed, epoch) alone: so a seed means the same on every device,
a training that is taken up in the middle of an epoch goes on as it would have, and no step waits for the device.

Notation
    n           training images
    m           images of a batch
    p           the crop's padding
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bonanza.worker.auto_augment import Policy, draw_policy
from bonanza.worker.data.images import Images
from bonanza.worker.protocol import Protocol


@dataclass(frozen=True)
class Plan:
    """One epoch: the order of the images, and what happens to the image at each place of it. All but ``policy`` are on the device, (n,)."""

    order: Tensor
    down: Tensor
    """Rows by which the window lies below the top of the padded image, 0 to 2p."""
    right: Tensor
    flip: Tensor
    hole_row: Tensor
    """Where the middle of the cutout is."""
    hole_column: Tensor
    policy: Policy | None


class Augmentation:
    """Batches of a data set as a protocol augments them."""

    def __init__(self, data: Images, protocol: Protocol) -> None:
        """Pad the training images once, with 0, which is black."""
        self._data = data
        self._p = protocol.crop
        self._flip = protocol.flip and data.mirrors
        self._cutout = protocol.cutout
        self._auto = protocol.auto_augment
        images = data.train.images
        self._padded = nn.functional.pad(images, [self._p] * 4) if self._p else images
        _, self._height, self._width = data.shape
        device = images.device
        self._rows = torch.arange(self._height, device=device)
        self._columns = torch.arange(self._width, device=device)
        self._channels = torch.arange(data.shape[0], device=device)

    def plan(self, seed: int, epoch: int) -> Plan:
        """What the epoch with this number does, a function of (seed, epoch)."""
        n = len(self._data.train)
        digest = hashlib.sha256(f"{seed}/{epoch}".encode()).digest()
        rng = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        device = self._rows.device
        order = torch.randperm(n, generator=rng)
        shifts = torch.randint(2 * self._p + 1, (2, n), generator=rng)
        flip = torch.rand(n, generator=rng) < 0.5 if self._flip else torch.zeros(n, dtype=torch.bool)
        holes = torch.stack([torch.randint(side, (n,), generator=rng) for side in (self._height, self._width)])
        policy = draw_policy(n, rng) if self._auto else None
        drawn = torch.stack([order, *shifts, flip.long(), *holes]).to(device, non_blocking=True)  # one copy
        order, down, right, flip, hole_row, hole_column = drawn.unbind()
        return Plan(order, down, right, flip.bool(), hole_row, hole_column, policy)

    def batch(self, plan: Plan, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Standardised images (m, channels, height, width) as float32, and their labels (m,)."""
        chosen = plan.order[begin:end]
        labels = self._data.train.labels[chosen]
        images = self._window(plan, begin, end, chosen)
        if plan.policy is not None:
            images = plan.policy.apply(images, begin)
        images = self._data.standardised(images)
        if self._cutout:
            images = images * self._outside(plan, begin, end)
        return images, labels

    def _window(self, plan: Plan, begin: int, end: int, chosen: Tensor) -> Tensor:
        """Crop and flip of u8 images, as one gather."""
        if not self._p and not self._flip:
            return self._padded[chosen]
        columns = self._columns.expand(end - begin, -1)  # (m, width)
        columns = (
            torch.where(plan.flip[begin:end, None], self._width - 1 - columns, columns) + plan.right[begin:end, None]
        )
        rows = self._rows + plan.down[begin:end, None]  # (m, height)
        return self._padded[
            chosen[:, None, None, None],
            self._channels[:, None, None],
            rows[:, None, :, None],
            columns[:, None, None, :],
        ]

    def _outside(self, plan: Plan, begin: int, end: int) -> Tensor:
        """Ones outside a square of ``cutout`` a side, (m, 1, height, width); its middle is in the image, its rim may not be.

        DeVries and Taylor 2017: it sets what is standardised to 0, the mean.
        """
        half = self._cutout // 2
        row = self._rows - plan.hole_row[begin:end, None]  # (m, height)
        column = self._columns - plan.hole_column[begin:end, None]
        inside = ((row >= -half) & (row < self._cutout - half))[:, :, None] & (
            (column >= -half) & (column < self._cutout - half)
        )[:, None, :]
        return (~inside)[:, None].float()
