"""The scale that the default learns values on: the upper half of them in proportion, the lower half by its logarithm.

Notation
    y   a value in the objective's own unit
    u   (y - median) / spread, with its sign turned when the objective is minimised: larger is better
    t   the target: -log(1 - u) below the median, u above it, growing like a logarithm above ``CLIP``

A search has to tell good cells apart. Between bad ones there is little to learn (whether training collapsed to 10 % or to 40 % says
nothing of the best), and yet not nothing, as clipping them would say: on NAS-Bench-201 the logarithm brings the optimum a third nearer
to the top of the model's ranking than -log(error) clipped at three spreads. The spread is that of the upper half alone, a root
mean square with outliers cut to ``CLIP`` median deviations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from bonanza_server.search.targets import CLIP, LARGEST, MAD_TO_STD, Values


@dataclass(frozen=True)
class UpperScale:
    """An invertible map between values y and targets t (see the module's notation); ``top`` is the greatest t it was made from."""

    median: float
    spread: float
    sign: float
    top: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike, *, maximize: bool) -> UpperScale:
        """The scale of ``values``, (n,) with n >= 1, finite. Constant values have spread 1."""
        y = np.clip(np.asarray(values, dtype=np.float64), -LARGEST, LARGEST)
        sign = 1.0 if maximize else -1.0
        median = float(np.median(y))
        away = sign * (y - median)
        rounding = max(1e-9 * abs(median), float(np.finfo(np.float64).tiny))
        # The upper half; where it is all ties, what is above the median; where nothing is, what is below.
        halves = (away[away >= -rounding], away[away > rounding], -away[away < -rounding])
        spread = next((one for one in map(_spread, halves) if one > rounding), 1.0)
        scale = cls(median=median, spread=min(spread, LARGEST), sign=sign)
        return replace(scale, top=float(scale.targets(y).max()))

    def targets(self, values: ArrayLike) -> Values:
        """T of each y; same shape, finite."""
        y = np.clip(np.asarray(values, dtype=np.float64), -LARGEST, LARGEST)
        with np.errstate(over="ignore"):  # 1e300 in spreads of 1e-300; (y - median) itself is finite
            u = np.clip(self.sign * ((y - self.median) / self.spread), -LARGEST, LARGEST)
        above = np.where(u > CLIP, CLIP + np.log1p(np.maximum(u - CLIP, 0.0)), u)
        return np.where(u < 0.0, -np.log1p(np.maximum(-u, 0.0)), above)

    def values(self, mean: ArrayLike, std: ArrayLike) -> tuple[Values, Values]:
        """Mean and std of y, given those of t; same shapes, finite. The std by the slope of the map at the mean (delta method).

        Above ``top`` the map goes on as a straight line: nothing was seen there that an exponential could be the inverse of.
        """
        t = np.asarray(mean, dtype=np.float64)
        logarithm = np.clip(t, CLIP, max(self.top, CLIP)) - CLIP
        below = np.minimum(-t, np.log(LARGEST)).clip(0.0)
        slope = np.exp(np.where(t < 0.0, below, logarithm))
        above = np.where(t > CLIP, CLIP + np.expm1(logarithm) + slope * (t - CLIP - logarithm), t)
        u = np.where(t < 0.0, -np.expm1(below), above)
        with np.errstate(over="ignore"):
            y = self.median + np.clip(self.sign * u * self.spread, -LARGEST, LARGEST)
            spread = np.asarray(std, dtype=np.float64) * slope * self.spread
        return np.clip(y, -LARGEST, LARGEST), np.clip(spread, 0.0, LARGEST)


def _spread(away: Values) -> float:
    """Root mean square of the deviations ``away`` >= 0, each at most ``CLIP`` times their median deviation's; 0 for none of them."""
    if not len(away):
        return 0.0
    most = CLIP * MAD_TO_STD * float(np.median(np.abs(away)))
    with np.errstate(over="ignore"):
        unit = most or 1.0  # squares of values near 1e300 would overflow
        return min(unit * float(np.sqrt(np.mean(np.minimum(np.abs(away) / unit, most / unit) ** 2))), LARGEST)
