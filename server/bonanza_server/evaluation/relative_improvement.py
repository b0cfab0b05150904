"""RI, the relative improvement of searched over random architectures (Yang et al. 2020, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from bonanza.schemas.report import Interval, RelativeImprovement
from bonanza_server.evaluation.interval import interval
from bonanza_server.evaluation.sample import sample_of


def relative_improvement(searched: Sequence[float], random: Sequence[float], *, maximize: bool = True) -> float:
    """RI = 100 (mean searched - mean random) / mean random, in percent; the sign is turned where less is better.

    The paper's RI is of accuracies in percent; for an objective whose mean may be 0 it has no meaning.
    """
    baseline = fmean(random)
    sign = 1.0 if maximize else -1.0
    return sign * 100.0 * (fmean(searched) - baseline) / abs(baseline)


def improvement(
    searched: Sequence[float], random: Sequence[float], *, maximize: bool, note: str
) -> RelativeImprovement | None:
    """RI with its interval and both samples; None where one of them is empty or the random mean is 0."""
    if not searched or not random or fmean(random) == 0.0:
        return None
    bounds = interval(searched, random, maximize=maximize)
    return RelativeImprovement(
        value=relative_improvement(searched, random, maximize=maximize),
        interval=None if bounds is None else Interval(low=bounds[0], high=bounds[1], method="studentised bootstrap"),
        searched=sample_of(searched),
        random=sample_of(random),
        note=note,
    )
