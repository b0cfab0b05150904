"""The wire form of early stopping: which trainings are told to end because others went better.

Steps are those that trials report, usually epochs. Only trials of the search itself are judged and compared: a baseline, a confirmation or a repeat
that was cut short would measure something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints, TypeAdapter

from bonanza.schemas.base import Request, Whole

Steps = Annotated[Whole, Field(ge=0, le=1_000_000_000)]
Metric = Annotated[str, StringConstraints(pattern=r'^[^"\\\x00-\x1f]{1,100}$')]
"""A name that both databases can look up inside JSON."""
METRIC: Final[TypeAdapter[str]] = TypeAdapter(Metric)


class NoPruner(Request):
    """Every training runs to its end."""

    name: Literal["none"] = "none"


class _Judged(Request):
    metric: Metric | None = Field(
        default=None, description="the reported metric that is compared; the objective's name where left out"
    )


class MedianPruner(_Judged):
    """Optuna's median rule: a trial whose best value so far is worse than the median of the completed trials at the same step is pruned."""

    name: Literal["median"]
    startup_trials: Steps = Field(default=5, description="completed trials before anything is pruned")
    warmup_steps: Steps = Field(default=0, description="no trial is pruned before this step")
    interval_steps: Annotated[Whole, Field(ge=1, le=1_000_000_000)] = Field(
        default=1, description="steps between two looks at a trial, from warmup_steps on"
    )
    min_trials: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        default=1, description="completed trials that must have reported the step"
    )


class AshaPruner(_Judged):
    """Asynchronous successive halving, the stopping variant (Li et al. 2020, arXiv 1810.05934), as Optuna and Syne Tune have it.

    Rungs are at the steps min_steps, min_steps * reduction, min_steps * reduction², …. A trial that arrives at one goes on only if it is among the best
    1/reduction of all that have arrived there (the best, where fewer than ``reduction`` have).
    """

    name: Literal["asha"]
    min_steps: Annotated[Whole, Field(ge=1, le=1_000_000_000)] = Field(
        default=1, description="the step of the first rung"
    )
    reduction: Annotated[Whole, Field(ge=2, le=1_000)] = Field(default=3, description="of so many trials one goes on")


NAMES = ("none", "median", "asha")


def _known(value: object) -> object:
    """The value, unless it names no pruner: the nearest name is more help than a list of tags."""
    name = value.get("name") if isinstance(value, Mapping) else None
    if isinstance(name, str) and name not in NAMES:
        near = get_close_matches(name, NAMES, n=1, cutoff=0.5)
        raise ValueError(
            f"{name[:50]!r} is no pruner{f': did you mean {near[0]!r}?' if near else ''} There are {', '.join(NAMES)}"
        )
    return value


Pruner = Annotated[
    Annotated[NoPruner | MedianPruner | AshaPruner, Field(discriminator="name")],
    BeforeValidator(_known),
]
