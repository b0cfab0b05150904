"""Whether a training may be judged early: how the accuracy at each step ranks the final ones, raw and smoothed (Yang et al. 2020, figure 5).

And the trap of the best epoch: the best of a curve's steps is a maximum of noisy values, and flatters. The paper's own "97.03 ± 0.23" of 214 random
networks is of the best epoch; of the last one it is 96.95 ± 0.23.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bonanza.schemas.report import Smoothing
from bonanza_server.evaluation.ranking import kendall_tau
from bonanza_server.evaluation.sample import sample_of

POINTS = 30
"""Steps that are looked at."""
FEWEST_CURVES = 8
FEWEST_STEPS = 5


def smoothing(
    curves: Sequence[Sequence[float]], steps: Sequence[int], metric: str, *, maximize: bool = True
) -> Smoothing | None:
    """Of curves with a value at each of ``steps``; the window is a tenth of them. None of fewer than eight curves or five steps."""
    if len(curves) < FEWEST_CURVES or len(steps) < FEWEST_STEPS:
        return None
    table = np.asarray(curves, dtype=np.float64)  # (curves, steps)
    window = max(2, len(steps) // 10)
    smooth = moving_mean(table, window)
    final = table[:, -1].tolist()
    shown = np.unique(np.linspace(0, len(steps) - 2, min(POINTS, len(steps) - 1)).astype(int))
    best = table.max(axis=1) if maximize else table.min(axis=1)
    return Smoothing(
        curves=len(table),
        metric=metric,
        window=window,
        steps=[int(steps[k]) for k in shown],
        raw=[kendall_tau(table[:, k].tolist(), final) for k in shown],
        smoothed=[kendall_tau(smooth[:, k].tolist(), final) for k in shown],
        best_step=sample_of(best.tolist()),
        last_step=sample_of(final),
    )


def moving_mean(table: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Each value replaced by the mean of it and the ``window`` - 1 before it, or of as many as there are; (curves, steps)."""
    sums = np.cumsum(table, axis=1)
    sums[:, window:] -= sums[:, :-window].copy()
    return np.asarray(sums / np.minimum(np.arange(1, table.shape[1] + 1), window))
