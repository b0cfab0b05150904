"""How good a surrogate was, by the predictions that were made before their results were known."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from bonanza.schemas.report import Calibration, SurrogateQuality
from bonanza_server.evaluation.ranking import kendall_tau

LEVELS = (0.5, 0.8, 0.9, 0.95)
WINDOWS = 8
FEWEST_A_WINDOW = 5


def surrogate_quality(predicted: Sequence[tuple[int, float, float, float]]) -> SurrogateQuality | None:
    """From (trial, mean, std, value) in the order of the trials; None of fewer than two.

    The intervals are the normal's of the predicted mean and std, which is of the true value: with noisy results they cover less than they say, and
    the report says so by showing it.
    """
    if len(predicted) < 2:
        return None
    trial, mean, std, value = (np.asarray(column, dtype=np.float64) for column in zip(*predicted, strict=True))
    error = np.abs(value - mean)
    covered = [
        Calibration(level=level, covered=float((error <= NormalDist().inv_cdf(0.5 + level / 2) * std).mean()))
        for level in LEVELS
    ]
    windows = np.array_split(np.arange(len(trial)), max(1, min(WINDOWS, len(trial) // FEWEST_A_WINDOW)))
    return SurrogateQuality(
        predictions=len(trial),
        kendall_tau=kendall_tau(mean.tolist(), value.tolist()),
        rmse=float(np.sqrt((error**2).mean())),
        mean_std=float(std.mean()),
        calibration=covered,
        trials=[int(trial[window[-1]]) for window in windows],
        tau=[kendall_tau(mean[window].tolist(), value[window].tolist()) for window in windows],
        points=[(float(m), float(s), float(v)) for m, s, v in zip(mean, std, value, strict=True)],
    )
