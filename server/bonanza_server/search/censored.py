"""Censored results: what trainings that were pruned would have come to, as the complete ones went on from there.

Notation
    s, v    a pruned training's last step, and its value there
    c, y    a complete training's value at s, read off its curve, and its result; means with a bar
    b       the least-squares slope of y on c, between 0 and 1

    estimate = ȳ + b (v - c̄), but no better than the best y

An early value is no result: networks gain by what is left of the schedule, and differ less in the end than at first. So the last values of the pruned
are moved and drawn together as those of the complete were, each by the completes' values at its own last step. b is 1, a plain shift, until three completes say more.
The better half of what started is what completed, so the line is read beyond its points for most: it is a guess, and counts as little
(``history.CENSORED_WEIGHT``). Without a complete curve there is none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from bonanza_server.search.targets import LARGEST

Points = Sequence[Sequence[float]]
"""A learning curve, (step, value) by step."""

FEW = 3
"""Completes from which a slope is taken."""


def estimates(
    pruned: Sequence[Points], complete: Sequence[tuple[Points, float]], *, maximize: bool
) -> list[float | None]:
    """The results that the ``pruned`` curves point at, given the ``complete`` ones with theirs; None where nothing can be said."""
    return [_estimate(curve, complete, maximize=maximize) for curve in pruned]


def _estimate(curve: Points, complete: Sequence[tuple[Points, float]], *, maximize: bool) -> float | None:
    step, value = curve[-1]
    seen = [(at(points, step), _bounded(result)) for points, result in complete if points and points[-1][0] >= step]
    if not seen:
        return None
    mean_early = sum(early / len(seen) for early, _ in seen)
    mean_result = sum(result / len(seen) for _, result in seen)
    unit = max(abs(early - mean_early) for early, _ in seen)  # a perplexity may be 1e200, and its square is no number
    slope = 1.0
    if len(seen) >= FEW and unit > 0.0:
        spread = sum(((early - mean_early) / unit) ** 2 for early, _ in seen)
        shared = sum((early - mean_early) / unit * ((result - mean_result) / unit) for early, result in seen)
        slope = min(1.0, max(0.0, shared / spread))
    guess = mean_result + slope * (_bounded(value) - mean_early)
    results = [result for _, result in complete]
    return min(guess, max(results)) if maximize else max(guess, min(results))


def at(points: Points, step: float) -> float:
    """The curve's value at ``step``, on the straight line between its points; before the first one, the first one's."""
    right = bisect_left(points, step, key=lambda point: point[0])
    after, high = points[right][0], _bounded(points[right][1])
    if right == 0 or after == step:
        return high
    before, low = points[right - 1][0], _bounded(points[right - 1][1])
    return low + (high - low) * (step - before) / (after - before)


def _bounded(value: float) -> float:
    return min(LARGEST, max(-LARGEST, value))
