"""What a strategy reads and what it answers: plain values, no state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bonanza.spaces import Architecture, SearchSpace

if TYPE_CHECKING:
    from bonanza_server.search.features import Features

CENSORED_WEIGHT = 0.05
"""What the estimate of a pruned training weighs, in measurements. Accuracies at a third of the schedule rank cells with a correlation of about 0.8, so a
third of the variance of their results stays unknown: some twenty times the noise of one measurement, by the prior of ``bonanza``."""


@dataclass(frozen=True)
class Observation:
    """A measured cell. ``values`` are all its measurements in the objective's unit; ``number`` is its (first) trial.

    ``censored``: the training was pruned, and the value is an estimate of what it would have come to (``search.censored``).
    """

    architecture: Architecture
    values: tuple[float, ...]
    number: int
    censored: bool = False

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"trial {self.number} has no value: a cell without one is pending, not observed")

    @cached_property
    def value(self) -> float:
        """The mean of the measurements; means of parts, so that huge values do not overflow."""
        return sum(value / len(self.values) for value in self.values)

    @property
    def weight(self) -> float:
        """What it says of the cell's true value, in measurements: the noise's variance is divided by it."""
        return CENSORED_WEIGHT if self.censored else float(len(self.values))


@dataclass(frozen=True)
class Source:
    """Another study whose results this one's strategy asked for, as they were when the fit was made.

    Its space, direction and unit are its own; ``observations`` are in the order of their trial numbers, and may be none.
    """

    study: str
    space: SearchSpace
    maximize: bool
    observations: tuple[Observation, ...]


@dataclass(frozen=True)
class History:
    """Everything a strategy may know of a study.

    ``observations`` and ``pending`` are in the order of their trial numbers. ``seen`` holds the canonical ids that must never be
    proposed: observed, pruned, pending, failed, infeasible, cancelled. It is only ever asked for membership, so its order cannot matter.

    ``censored`` are the pruned cells, in the order of their trial numbers: to be learned from (``evidence``), never to be taken for results. There are
    none without observations.

    ``sources`` are the studies that the strategy's options name (``spec.studies``), in that order, without those that are gone.

    ``features`` are what is known of cells without training them; None where nothing is.
    """

    space: SearchSpace
    maximize: bool
    observations: tuple[Observation, ...]
    pending: tuple[Architecture, ...]
    seen: frozenset[str]
    sources: tuple[Source, ...] = ()
    censored: tuple[Observation, ...] = ()
    features: Features | None = None

    @cached_property
    def evidence(self) -> tuple[Observation, ...]:
        """What a model is fitted to: the observations and the censored cells, in the order of their trial numbers."""
        if not self.censored:
            return self.observations
        return tuple(sorted((*self.observations, *self.censored), key=lambda seen: seen.number))

    @cached_property
    def measured(self) -> frozenset[str]:
        """The ids of the observed cells."""
        return frozenset(observed.architecture.arch_id for observed in self.observations)

    @cached_property
    def best_first(self) -> tuple[Observation, ...]:
        """The observations from best to worst, ties by trial number."""
        sign = -1.0 if self.maximize else 1.0
        return tuple(sorted(self.observations, key=lambda observed: (sign * observed.value, observed.number)))


@dataclass(frozen=True)
class Proposal:
    """A cell to be measured next.

    ``mean`` and ``std`` are the prediction in the objective's own unit (nan where nothing is known to predict from); ``acquisition``
    is the score the cell was chosen by, larger is better, in the strategy's own scale.
    """

    architecture: Architecture
    mean: float
    std: float
    acquisition: float
