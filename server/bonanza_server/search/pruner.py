"""Early stopping: whether a training should go on, from its learning curve and those of others. Pure functions, in plain Python.

Both rules are Optuna's (``MedianPruner``, ``SuccessiveHalvingPruner``), and tested against it. A trial is judged when it reports a step for the first
time; what was decided at a step stays, whoever does better later. Deviation: a trial that passes several rungs of successive halving with one
report competes at each of them, where Optuna counts it only up to the rung that it was pruned at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bonanza.schemas import AshaPruner, MedianPruner, NoPruner

Curve = Mapping[int, float]
"""What a trial reported of the metric that is compared, by step."""


class Peers(Protocol):
    """What the other trials of the search have reported of that metric so far."""

    def completed(self) -> int:
        """How many of them are complete."""

    def at(self, step: int) -> list[float]:
        """The values that the complete ones reported at ``step``."""

    def reached(self, step: int) -> list[float]:
        """Of every one that has come to ``step``, complete or not, its first value there or after."""


def should_prune(pruner: NoPruner | MedianPruner | AshaPruner, curve: Curve, peers: Peers, *, maximize: bool) -> bool:
    """Whether a trial that has just come to the last step of ``curve`` should end there."""
    if isinstance(pruner, MedianPruner):
        return _below_median(pruner, curve, peers, maximize=maximize)
    if isinstance(pruner, AshaPruner):
        return _not_promoted(pruner, curve, peers, maximize=maximize)
    return False


def _below_median(pruner: MedianPruner, curve: Curve, peers: Peers, *, maximize: bool) -> bool:
    step, before = _last_two(curve)
    if step < pruner.warmup_steps or peers.completed() < max(1, pruner.startup_trials):
        return False
    since = (step - pruner.warmup_steps) // pruner.interval_steps * pruner.interval_steps + pruner.warmup_steps
    if before >= since:
        return False  # judged in this interval already
    values = peers.at(step)
    if len(values) < pruner.min_trials:
        return False
    best = max(curve.values()) if maximize else min(curve.values())
    return best < median(values) if maximize else best > median(values)


def _not_promoted(pruner: AshaPruner, curve: Curve, peers: Peers, *, maximize: bool) -> bool:
    step, before = _last_two(curve)
    rung = pruner.min_steps
    while rung <= step:
        if rung > before and not promoted(curve[step], peers.reached(rung), pruner.reduction, maximize=maximize):
            return True
        rung *= pruner.reduction
    return False


def promoted(value: float, others: list[float], reduction: int, *, maximize: bool) -> bool:
    """Whether ``value`` is among the best 1/``reduction`` of itself and ``others``; the very best is, however few there are."""
    ranked = sorted([*others, value], reverse=maximize)
    threshold = ranked[max(0, len(ranked) // reduction - 1)]
    return value >= threshold if maximize else value <= threshold


def median(values: list[float]) -> float:
    """The median of one value or more, rounded as numpy's percentile is."""
    ranked = sorted(values)
    low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
    return high - (high - low) * 0.5


def _last_two(curve: Curve) -> tuple[int, int]:
    """The last step, and the one before it: -1 where there is none."""
    steps = sorted(curve)
    return steps[-1], steps[-2] if len(steps) > 1 else -1
