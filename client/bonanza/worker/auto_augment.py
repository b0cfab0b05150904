"""AutoAugment's policy for CIFAR-10 (Cubuk et al. 2018, appendix, table 7), on whole batches of u8 images.

An image gets one of 25 pairs of operations, each of which is done with its probability, at a strength of 0 to 9; geometric ones and those that
enhance go either way. Which images get what is known before (``Policy``), so an operation runs on all its images of a batch at once. The strengths
are those of the published code as torchvision has them; geometric operations take the nearest pixel and leave black, as pillow does.

Notation
    m           images of a batch
    k           images of it that an operation is done to
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

Pair = tuple[tuple[str, float, int], tuple[str, float, int]]

PAIRS: Final[tuple[Pair, ...]] = (
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("auto_contrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 0), ("auto_contrast", 0.4, 0)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("auto_contrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("color", 0.9, 9), ("equalize", 0.6, 0)),
    (("auto_contrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("auto_contrast", 0.9, 0)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("auto_contrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate_y", 0.7, 9), ("auto_contrast", 0.9, 0)),
)


@dataclass(frozen=True)
class Policy:
    """For each of n images of an epoch: which pair, whether each of its two is done (2, n), and which way, 1 or -1 (2, n). On the CPU."""

    pair: Tensor
    done: Tensor
    way: Tensor

    def apply(self, images: Tensor, begin: int) -> Tensor:
        """The batch that begins at that place of the epoch; (m, channels, h, w) u8 in and out."""
        end = begin + len(images)
        pairs = self.pair[begin:end]
        for place in (0, 1):
            for name in OPERATIONS:
                concerned = CONCERNED[place][name][pairs] & self.done[place, begin:end]
                chosen = concerned.nonzero().squeeze(1)
                if not len(chosen):
                    continue
                strength = STRENGTH[place][pairs[chosen]] / 9 * self.way[place, begin:end][chosen]
                index = chosen.to(images.device, non_blocking=True)
                changed = OPERATIONS[name](images[index].float(), strength.to(images.device, non_blocking=True))
                images = images.index_copy(0, index, changed.clamp(0, 255).byte())
        return images


def draw_policy(n: int, rng: torch.Generator) -> Policy:
    """A policy for n images."""
    pair = torch.randint(len(PAIRS), (n,), generator=rng)
    chances = torch.tensor([[pair[place][1] for pair in PAIRS] for place in (0, 1)])[:, pair]  # (2, n)
    done = torch.rand(2, n, generator=rng) < chances
    way = 2 * torch.randint(2, (2, n), generator=rng) - 1
    return Policy(pair, done, way)


# Operations: images (k, channels, h, w) of 0 to 255 in floats, and strengths (k,) of -1 to 1, to images of about 0 to 255.


def _affine(images: Tensor, rows: list[list[Tensor | float]]) -> Tensor:
    """Each image through the inverse map ``rows``, 2 x 3 in pixels from its middle."""
    k, _, height, width = images.shape
    scale = {0: width / 2, 1: height / 2}
    like = images.new_zeros(k)
    theta = torch.stack(
        [
            # grid_sample counts from -1 to 1 on both axes
            torch.stack(
                [
                    (like + row[0]) * scale[0] / scale[r],
                    (like + row[1]) * scale[1] / scale[r],
                    (like + row[2]) / scale[r],
                ],
                1,
            )
            for r, row in enumerate(rows)
        ],
        1,
    )
    grid = nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def _rotate(images: Tensor, strength: Tensor) -> Tensor:
    angle = strength * math.radians(30)
    return _affine(images, [[angle.cos(), -angle.sin(), 0.0], [angle.sin(), angle.cos(), 0.0]])


def _blended(images: Tensor, other: Tensor, strength: Tensor) -> Tensor:
    """Away from ``other`` (or towards it) by 0.9 of the strength, as pillow's enhancers do."""
    factor = (1 + 0.9 * strength)[:, None, None, None]
    return (other + factor * (images - other)).clamp(0, 255)


def _grey(images: Tensor) -> Tensor:
    """(k, 1, h, w); ITU-R 601 where there are three channels."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    weights = images.new_tensor([0.299, 0.587, 0.114])
    return (images * weights[:, None, None]).sum(1, keepdim=True)


def _contrast(images: Tensor, strength: Tensor) -> Tensor:
    return _blended(images, _grey(images).round().mean((2, 3), keepdim=True), strength)


def _sharpness(images: Tensor, strength: Tensor) -> Tensor:
    """Against pillow's smoothing: 3 x 3 with 5 in the middle and 1 around, of 13; the rim is left as it is."""
    channels = images.shape[1]
    kernel = images.new_ones(channels, 1, 3, 3) / 13
    kernel[:, :, 1, 1] = 5 / 13
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = nn.functional.conv2d(images, kernel, groups=channels).round()
    return _blended(images, smooth, strength)


def _posterize(images: Tensor, strength: Tensor) -> Tensor:
    bits = 8 - (strength.abs() * 4).round()
    step = torch.exp2(8 - bits)[:, None, None, None]
    return torch.floor(images / step) * step


def _solarize(images: Tensor, strength: Tensor) -> Tensor:
    threshold = (255 * (1 - strength.abs())).round(decimals=2)[:, None, None, None]  # a third is none in floats
    return torch.where(images >= threshold, 255 - images, images)


def _auto_contrast(images: Tensor, _: Tensor) -> Tensor:
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    span = high - low
    return torch.where(span > 0, ((images - low) * 255 / span.clamp(min=1)), images)


def _equalize(images: Tensor, _: Tensor) -> Tensor:
    """Each channel's histogram made flat, by pillow's own steps."""
    flat = images.flatten(2).long()  # (k, channels, pixels)
    counts = torch.zeros(*flat.shape[:2], 256, device=images.device, dtype=torch.int64).scatter_add_(
        2, flat, torch.ones_like(flat)
    )
    highest = flat.amax(2, keepdim=True)
    last = counts.gather(2, highest)
    step = (counts.sum(2, keepdim=True) - last) // 255  # (k, channels, 1)
    before = counts.cumsum(2) - counts
    table = ((before + step // 2) // step.clamp(min=1)).clamp(0, 255)
    equal = table.gather(2, flat).float().view_as(images)
    return torch.where((step > 0)[..., None], equal, images)


OPERATIONS: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "shear_y": lambda images, strength: _affine(images, [[1.0, 0.0, 0.0], [0.3 * strength, 1.0, 0.0]]),
    "translate_x": lambda images, strength: _affine(
        images, [[1.0, 0.0, _reach(images.shape[3], strength)], [0.0, 1.0, 0.0]]
    ),
    "translate_y": lambda images, strength: _affine(
        images, [[1.0, 0.0, 0.0], [0.0, 1.0, _reach(images.shape[2], strength)]]
    ),
    "rotate": _rotate,
    "brightness": lambda images, strength: _blended(images, torch.zeros_like(images), strength),
    "color": lambda images, strength: _blended(images, _grey(images), strength),
    "contrast": _contrast,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "invert": lambda images, _: 255 - images,
}


def _reach(side: int, strength: Tensor) -> Tensor:
    """Whole pixels of a translation: 150 of 331 of a side at most (the paper's are for 331 pixels)."""
    return (150 / 331 * side * strength).round()


STRENGTH: Final = [torch.tensor([pair[place][2] for pair in PAIRS]) for place in (0, 1)]
CONCERNED: Final = [
    {name: torch.tensor([pair[place][0] == name for pair in PAIRS]) for name in OPERATIONS} for place in (0, 1)
]
