"""scikit-learn's handwritten digits: 1,797 images of 8 x 8 pixels, 10 classes; what a laptop trains on without a file."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import torch
from sklearn.datasets import load_digits

from bonanza.worker.data.images import Part
from bonanza.worker.data.split import split

TEST_SHARE: Final = 0.2
TEST_SEED: Final = 0
"""The test part is the same whatever the split to validate with: no search may see it, by whatever seed."""


class Digits:
    """The digits; four in five of each class to learn from."""

    name = "digits"
    mirrors = False

    @cached_property
    def _parts(self) -> tuple[Part, Part]:
        raw = load_digits()
        whole = Part(
            torch.tensor(raw.images, dtype=torch.uint8).unsqueeze(1),  # (n, 1, 8, 8), 0 to 16
            torch.tensor(raw.target, dtype=torch.int64),
        )
        learn, test = split(whole.labels.tolist(), (1 - TEST_SHARE, TEST_SHARE), TEST_SEED)
        return whole.chosen(learn), whole.chosen(test)

    def training(self) -> Part:
        """1,438 images."""
        return self._parts[0]

    def test(self) -> Part:
        """359 images."""
        return self._parts[1]
