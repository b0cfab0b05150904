"""Augmentation in batches, against what it does to one image, and against pillow."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from bonanza.worker.augment import Augmentation
from bonanza.worker.auto_augment import OPERATIONS, PAIRS, draw_policy
from bonanza.worker.data.images import Images, Part
from bonanza.worker.protocol import Protocol
from bonanza.worker.protocols import PROXY

N, SIDE = 24, 9


class Coloured:
    """Images in which no two pixels of a channel are equal."""

    name = "coloured"

    def __init__(self, *, mirrors: bool = True, channels: int = 3) -> None:
        self.mirrors = mirrors
        rng = torch.Generator().manual_seed(0)
        pixels = torch.stack([torch.randperm(SIDE * SIDE, generator=rng) for _ in range(N * channels)]) + 20
        self._part = Part(pixels.view(N, channels, SIDE, SIDE).byte(), torch.arange(N) % 2)

    def training(self) -> Part:
        return self._part

    def test(self) -> Part:
        return self._part


def made(protocol: Protocol, source: Coloured | None = None) -> tuple[Images, Augmentation]:
    data = Images.of(source or Coloured(), protocol, torch.device("cpu"))
    return data, Augmentation(data, protocol)


def plain(**changed: object) -> Protocol:
    return PROXY.changed({"batch": 4, "crop": 0, "flip": False, "validation": 0.1, **changed})


def test_without_augmentation_a_batch_is_the_standardised_images_in_their_order() -> None:
    data, augmentation = made(plain())
    plan = augmentation.plan(0, 0)
    images, labels = augmentation.batch(plan, 2, 6)
    chosen = plan.order[2:6]
    assert torch.equal(images, data.standardised(data.train.images[chosen]))
    assert torch.equal(labels, data.train.labels[chosen])
    assert sorted(plan.order.tolist()) == list(range(len(data.train)))


def test_a_crop_is_a_window_of_the_image_with_a_black_rim_and_a_flip_mirrors_it() -> None:
    protocol = plain(crop=2, flip=True)
    data, augmentation = made(protocol)
    plan = augmentation.plan(1, 0)
    images, _ = augmentation.batch(plan, 0, 16)
    assert set(plan.down.tolist()) == set(plan.right.tolist()) == {0, 1, 2, 3, 4}
    for k in range(16):
        padded = torch.nn.functional.pad(data.train.images[plan.order[k]], [2, 2, 2, 2])
        down, right = int(plan.down[k]), int(plan.right[k])
        window = padded[:, down : down + SIDE, right : right + SIDE]
        expected = window.flip(2) if plan.flip[k] else window
        assert torch.equal(images[k], data.standardised(expected))
    assert 0 < int(plan.flip.sum()) < N


def test_characters_are_never_mirrored() -> None:
    _, augmentation = made(plain(flip=True), Coloured(mirrors=False))
    assert not augmentation.plan(0, 0).flip.any()


def test_a_cutout_is_a_square_of_zeros_that_may_reach_beyond_the_rim() -> None:
    data, augmentation = made(plain(cutout=4))
    plan = augmentation.plan(2, 0)
    images, _ = augmentation.batch(plan, 0, 16)
    for k in range(16):
        expected = data.standardised(data.train.images[plan.order[k]]).clone()
        row, column = int(plan.hole_row[k]), int(plan.hole_column[k])
        expected[:, max(0, row - 2) : row + 2, max(0, column - 2) : column + 2] = 0
        assert torch.equal(images[k], expected)
    assert set(plan.hole_row.tolist()) >= {0, SIDE - 1}


def test_an_epoch_s_plan_depends_on_seed_and_epoch_alone() -> None:
    _, augmentation = made(plain(crop=2, flip=True, cutout=4, auto_augment=True))
    torch.manual_seed(1)
    first = augmentation.batch(augmentation.plan(5, 3), 0, 8)[0]
    torch.manual_seed(2)
    torch.rand(7)
    assert torch.equal(augmentation.batch(augmentation.plan(5, 3), 0, 8)[0], first)
    orders = {tuple(augmentation.plan(seed, epoch).order.tolist()) for seed in (5, 6) for epoch in (3, 4)}
    assert len(orders) == 4


def test_a_batch_is_the_same_whatever_batch_its_images_are_in() -> None:
    _, augmentation = made(plain(crop=2, flip=True, cutout=4, auto_augment=True))
    plan = augmentation.plan(0, 0)
    whole = augmentation.batch(plan, 0, 8)[0]
    halves = torch.cat([augmentation.batch(plan, 0, 4)[0], augmentation.batch(plan, 4, 8)[0]])
    assert torch.allclose(whole, halves, atol=1e-5)


def test_a_policy_does_what_the_table_says_as_often_as_it_says() -> None:
    policy = draw_policy(50_000, torch.Generator().manual_seed(0))
    for number, pair in enumerate(PAIRS):
        of_pair = policy.pair == number
        assert abs(int(of_pair.sum()) - 2_000) < 250
        for place, (name, chance, strength) in enumerate(pair):
            assert name in OPERATIONS
            assert 0 <= strength <= 9
            assert abs(float(policy.done[place, of_pair].float().mean()) - chance) < 0.06
    assert abs(float(policy.way.float().mean())) < 0.02


def pillow(image: Image.Image, name: str, strength: float) -> Image.Image:
    """The operation as pillow does it, which the policy was published for."""
    factor = 1 + 0.9 * strength
    width, height = image.size
    by: dict[str, Callable[[], Image.Image]] = {
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "color": lambda: ImageEnhance.Color(image).enhance(factor),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "posterize": lambda: ImageOps.posterize(image, 8 - round(abs(strength) * 4)),
        "solarize": lambda: ImageOps.solarize(image, math.ceil(round(255 * (1 - abs(strength)), 2))),
        "auto_contrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
        "invert": lambda: ImageOps.invert(image),
        "rotate": lambda: image.rotate(30 * strength),
        "shear_y": lambda: image.transform(
            image.size, Image.Transform.AFFINE, (1, 0, 0, 0.3 * strength, 1, -0.3 * strength * width / 2)
        ),
        "translate_x": lambda: image.transform(
            image.size, Image.Transform.AFFINE, (1, 0, round(150 / 331 * width * strength), 0, 1, 0)
        ),
        "translate_y": lambda: image.transform(
            image.size, Image.Transform.AFFINE, (1, 0, 0, 0, 1, round(150 / 331 * height * strength))
        ),
    }
    return by[name]()


@pytest.mark.parametrize("strength", [-1.0, -1 / 3, 1 / 9, 7 / 9])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_an_operation_does_to_each_image_what_pillow_does(name: str, strength: float) -> None:
    rng = np.random.default_rng(3)
    low = rng.integers(10, 200, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(low).resize((32, 32), Image.Resampling.BICUBIC)
    x = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()
    ours: Tensor = OPERATIONS[name](x, torch.tensor([strength])).clamp(0, 255).byte()[0].permute(1, 2, 0)
    theirs = torch.from_numpy(np.asarray(pillow(image, name, strength)).copy())
    apart = (ours.int() - theirs.int()).abs()
    # rounding may differ by one; of geometric ones, which pixel is the nearest at a half
    assert float((apart <= 1).float().mean()) > (0.97 if name in {"rotate", "shear_y"} else 0.999)
