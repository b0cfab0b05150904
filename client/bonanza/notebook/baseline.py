"""What random search would have reached, from the random cells that a study has measured.

Of m values drawn at random, x_(1) <= … <= x_(m), the best of k further draws from them (with replacement) has

    P(best <= x_(i)) = (i/m)^k,    mean = sum_i x_(i) ((i/m)^k - ((i-1)/m)^k),    p-quantile = quantile of the sample at p^(1/k).

It can be no better than the best of the sample: a study with a baseline of some hundred cells tells more than one with its initial ten.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

FEWEST = 5
"""Random cells below which nothing is said."""


class Band(NamedTuple):
    """The best of 1, 2, … draws: mean and the 5 % and 95 % quantiles, each (n,), ``low <= high``."""

    mean: list[float]
    low: list[float]
    high: list[float]


def random_search(values: Sequence[float], n: int, *, maximize: bool = True) -> Band | None:
    """The best of 1 to ``n`` random cells, judging by ``values``; None for fewer than ``FEWEST``."""
    if len(values) < FEWEST:
        return None
    sign = 1.0 if maximize else -1.0
    ordered = sorted(sign * value for value in values)
    m = len(ordered)
    means, ends = [], []
    for k in range(1, n + 1):
        shares = [(i / m) ** k for i in range(m + 1)]
        means.append(sign * math.fsum(x * (b - a) for x, a, b in zip(ordered, shares, shares[1:], strict=False)))
        ends.append(sorted(sign * _quantile(ordered, p ** (1 / k)) for p in (0.05, 0.95)))
    return Band(means, [low for low, _ in ends], [high for _, high in ends])


def _quantile(ordered: Sequence[float], p: float) -> float:
    """The p-quantile, linear between the midpoints of the steps of the empirical distribution."""
    at = min(len(ordered) - 1.0, max(0.0, p * len(ordered) - 0.5))
    below = int(at)
    above = min(len(ordered) - 1, below + 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)
