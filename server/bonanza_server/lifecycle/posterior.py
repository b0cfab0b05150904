"""What is known of a cell's true value, from all its measurements and what was predicted of it before the first.

Notation
    y_1..y_n    the measurements of a cell            s2    variance of one measurement, from cells measured more than once
    m, v        its prediction, made before any of them, and that prediction's variance
    c           how much larger the predictions' errors were than they said, at least 1

The posterior of the true value under normal noise and the prior N(m, c v) has precision 1 / (c v) + n / s2 and the precision-weighted mean (a Kalman
update). Where there is no prediction the prior is flat. The best of many noisy values is mostly lucky; a prediction that did not know the value is
what takes the luck out of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

NORMAL_95 = 1.959964
FEWEST_TO_CALIBRATE = 5
"""Predicted cells below which c is taken to be 1."""


@dataclass(frozen=True)
class Cell:
    """A measured cell: its trial, the values, and the prediction (mean, std) before the first of them."""

    number: int
    values: tuple[float, ...]
    prediction: tuple[float, float] | None = None


@dataclass(frozen=True)
class Posterior:
    """Of a cell's true value; no spread where the noise is not known."""

    number: int
    mean: float
    std: float | None
    count: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of 95 %."""
        if self.std is None:
            return None
        return self.mean - NORMAL_95 * self.std, self.mean + NORMAL_95 * self.std


def noise_variance(groups: Iterable[Sequence[float]]) -> float | None:
    """The variance of one measurement, pooled over the cells measured more than once; None where there are none, or they never differ."""
    squares = degrees = 0.0
    for values in groups:
        if len(values) > 1:
            squares += variance(values) * (len(values) - 1)
            degrees += len(values) - 1
    return squares / degrees if squares > 0 else None


def posteriors(cells: Sequence[Cell]) -> list[Posterior]:
    """The posterior of each cell, in their order."""
    noise = noise_variance(cell.values for cell in cells)
    if noise is None:
        return [Posterior(cell.number, fmean(cell.values), None, len(cell.values)) for cell in cells]
    scale = _calibration(cells, noise)
    return [_posterior(cell, noise, scale) for cell in cells]


def recommended(cells: Sequence[Cell], confirmed: Collection[int], *, maximize: bool) -> Posterior | None:
    """The best of the ``confirmed`` cells, by their numbers; of all where none was confirmed, None without a cell. Of equal ones the earliest."""
    sign = -1.0 if maximize else 1.0
    pool = [one for one in posteriors(cells) if one.number in confirmed or not confirmed]
    return min(pool, key=lambda one: (sign * one.mean, one.number), default=None)


def _posterior(cell: Cell, noise: float, scale: float) -> Posterior:
    n = len(cell.values)
    mean, precision = fmean(cell.values), n / noise
    if cell.prediction is not None and cell.prediction[1] > 0:
        prior = 1.0 / (scale * cell.prediction[1] ** 2)
        mean = (precision * mean + prior * cell.prediction[0]) / (precision + prior)
        precision += prior
    return Posterior(cell.number, mean, precision**-0.5, n)


def _calibration(cells: Sequence[Cell], noise: float) -> float:
    """c, by the method of moments: what the noise leaves of the predictions' squared errors, over what they said of themselves."""
    predicted = [(cell, *cell.prediction) for cell in cells if cell.prediction is not None and cell.prediction[1] > 0]
    if len(predicted) < FEWEST_TO_CALIBRATE:
        return 1.0
    errors = fmean((fmean(cell.values) - mean) ** 2 - noise / len(cell.values) for cell, mean, _ in predicted)
    return max(1.0, errors / fmean(std**2 for _, _, std in predicted))
