"""The scale that values are learned on: larger is better, centred, of unit spread, and out of the reach of outliers.

Notation
    y   a value in the objective's own unit
    u   (y - median) / spread, with its sign turned when the objective is minimised: larger is better
    t   the target: u, but at least -CLIP, and growing like a logarithm above +CLIP

The networks of the original are trained on the raw validation loss in percent; members then die to a constant, and one failed
training (10 % accuracy beside 90 %) bends the whole fit. Median and median absolute deviation do not move for it. A bad outlier is
clipped: how bad it is does not matter to a search. A good one keeps its rank, or the best cells of a space where nearly all are
worthless would be told apart no more; the logarithm only takes its weight away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

CLIP = 3.0
"""Spreads from the median at which a value stops counting in proportion."""
MAD_TO_STD = 1.4826
"""Median absolute deviation of a normal distribution times this is its standard deviation."""
LARGEST = 1e300
"""Values are taken as at most this, so that their differences stay finite."""


@dataclass(frozen=True)
class TargetScale:
    """An invertible map between values y and targets t (see the module's notation); ``top`` is the greatest t it was made from."""

    median: float
    spread: float
    sign: float
    top: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike, *, maximize: bool) -> TargetScale:
        """The scale of ``values``, (n,) with n >= 1, finite. Constant values have spread 1."""
        y = np.clip(np.asarray(values, dtype=np.float64), -LARGEST, LARGEST)
        median = float(np.median(y))
        away = np.abs(y - median)
        rounding = 1e-9 * abs(median)
        spread = MAD_TO_STD * float(np.median(away))
        if spread <= rounding and bool((away > rounding).any()):
            spread = MAD_TO_STD * float(np.median(away[away > rounding]))  # most values tied: the spread of the others
        if spread <= rounding or spread < np.finfo(np.float64).tiny:
            spread = 1.0
        scale = cls(median=median, spread=min(spread, LARGEST), sign=1.0 if maximize else -1.0)
        return replace(scale, top=float(scale.targets(y).max()))

    def targets(self, values: ArrayLike) -> Values:
        """T of each y; same shape, finite, at least -CLIP."""
        y = np.clip(np.asarray(values, dtype=np.float64), -LARGEST, LARGEST)
        with np.errstate(over="ignore"):  # 1e300 in spreads of 1e-300; (y - median) itself is finite
            u = np.clip(self.sign * ((y - self.median) / self.spread), -LARGEST, LARGEST)
        return np.where(u > CLIP, CLIP + np.log1p(np.maximum(u - CLIP, 0.0)), np.maximum(u, -CLIP))

    def values(self, mean: ArrayLike, std: ArrayLike) -> tuple[Values, Values]:
        """Mean and std of y, given those of t; same shapes, finite. The std by the slope of the map at the mean (delta method).

        Above ``top`` the map goes on as a straight line: nothing was seen there that an exponential could be the inverse of.
        """
        t = np.asarray(mean, dtype=np.float64)
        logarithm = np.clip(t, CLIP, max(self.top, CLIP)) - CLIP
        slope = np.exp(logarithm)
        u = np.where(t > CLIP, CLIP + np.expm1(logarithm) + slope * (t - CLIP - logarithm), t)
        with np.errstate(over="ignore"):
            y = self.median + np.clip(self.sign * u * self.spread, -LARGEST, LARGEST)
            spread = np.asarray(std, dtype=np.float64) * slope * self.spread
        return np.clip(y, -LARGEST, LARGEST), np.clip(spread, 0.0, LARGEST)
