"""The wire form of a study: what is searched, for what, by which strategy, within which budget."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from bonanza.schemas.base import JSON, Answer, GivenJSON, Label, Name, Request, Seed, Tags, Text, Whole
from bonanza.schemas.model import ModelStatus
from bonanza.schemas.pruner import METRIC, NoPruner, Pruner

StudyState = Literal["running", "paused", "finished"]


class Objective(Request):
    """The number a study optimises. Accuracies are in percent."""

    name: Label = "accuracy"
    direction: Literal["maximize", "minimize"]
    # JSON has no tuples: the pair itself is taken from a list, its numbers stay strict.
    bounds: Annotated[tuple[float, float], Field(strict=False)] | None = Field(
        default=None, description="a value outside is refused when it is told"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Objective:
        if self.bounds is not None and self.bounds[0] >= self.bounds[1]:
            raise ValueError("bounds are [lowest, highest], and lowest must be less than highest")
        return self


class Budget(Request):
    """When a study ends, and how hard it may run. A limit left out does not bind."""

    max_trials: Whole | None = Field(
        default=None, ge=1, description="trials that ask starts; late results may exceed it"
    )
    max_seconds: float | None = Field(default=None, gt=0, description="wall clock since the study was created")
    target: float | None = Field(default=None, description="the study finishes once a result is at least this good")
    max_parallel: Whole | None = Field(default=None, ge=1, description="live leases at a time")
    max_failures: Whole | None = Field(
        default=20, ge=1, description="failures in a row that pause the study; null: never"
    )


class LeasePolicy(Request):
    """How long a silent worker keeps a trial, and how often a trial is tried."""

    ttl_s: float = Field(
        default=60, ge=1, le=86_400, description="seconds without a heartbeat until the lease runs out"
    )
    heartbeat_s: float | None = Field(default=None, gt=0, le=86_400, description="a third of ttl_s unless given")
    max_attempts: Whole = Field(
        default=3, ge=1, le=100, description="leases that may run out or fail before the trial fails"
    )
    trial_timeout_s: float | None = Field(
        default=None, gt=0, description="an attempt longer than this is ended even if it heartbeats"
    )

    @model_validator(mode="after")
    def _beats_within_the_lease(self) -> LeasePolicy:
        if self.heartbeat_s is None:
            self.heartbeat_s = self.ttl_s / 3
        if self.heartbeat_s >= self.ttl_s:
            raise ValueError("heartbeat_s must be less than ttl_s, or every lease would run out between two heartbeats")
        return self


class Baseline(Request):
    """Cells sampled at random from the space and trained as the others are: how good the average architecture is."""

    cells: Whole = Field(
        default=8, ge=2, le=1_000, description="independent draws; a cell drawn again is measured again"
    )
    seed: Seed | None = Field(
        default=None, description="of every training run of the phase; each its own where left out"
    )


class Confirm(Request):
    """The best cells trained again, so that the one recommended is not the one that was lucky once."""

    top: Whole = Field(default=5, ge=1, le=100, description="cells, the best by the model's posterior mean")
    seeds: Whole = Field(default=3, ge=1, le=100, description="further training runs of each")
    first_seed: Seed | None = Field(
        default=None, description="the runs of each cell have this seed and those after it; each its own where left out"
    )

    @property
    def trials(self) -> int:
        """Trials of the phase: what is kept back of the budget."""
        return self.top * self.seeds


class Phases(Request):
    """What a study does besides searching; all phases together count against the budget."""

    baseline: Baseline | None = None
    confirm: Confirm | None = None

    @property
    def trials(self) -> int:
        """Trials of the budget that are not searched with."""
        return (self.baseline.cells if self.baseline else 0) + (self.confirm.trials if self.confirm else 0)


class StudySpec(Request):
    """The body of ``PUT /v1/studies/{study}``; equal bodies are the same study."""

    space: GivenJSON = Field(description='for example {"kind": "nasbench201"}; GET /v1/spaces lists the kinds')
    objective: Objective | None = Field(default=None, description="shorthand for one objective")
    objectives: Annotated[list[Objective], Field(min_length=1, max_length=1)] | None = None
    strategy: GivenJSON = Field(
        default_factory=lambda: {"name": "bonanza"},
        description='for example {"name": "bananas"}; "bonanza" where left out',
    )
    pruner: Pruner = Field(
        default_factory=NoPruner,
        description='which trainings end early, for example {"name": "asha", "min_steps": 1, "reduction": 3}; none where left out',
    )
    budget: Budget = Field(default_factory=Budget)
    lease: LeasePolicy = Field(default_factory=LeasePolicy)
    seed: Seed = 0
    phases: Phases | None = Field(
        default=None, description="a random baseline before the search and a confirmation after it"
    )
    consistency: Literal["relaxed", "ordered"] = Field(
        default="relaxed",
        description="ordered: every ask sees every result told before it, and waits for the fit however long that takes",
    )
    protocol: GivenJSON | None = Field(
        default=None,
        description="how a trial is trained; recorded with the study, a named one with its version. Values that name another are refused unless allow_others is true",
    )
    tags: Tags = Field(default_factory=list)
    description: Text = ""

    @model_validator(mode="after")
    def _one_objective(self) -> StudySpec:
        if (self.objective is None) == (self.objectives is None):
            raise ValueError(
                'give exactly one of objective and objectives, for example "objective": {"name": "accuracy", "direction": "maximize"}'
            )
        self.objectives = self.objectives or [self.objective] if self.objective else self.objectives
        self.objective = (self.objectives or [None])[0]  # type: ignore[list-item]
        return self

    @model_validator(mode="after")
    def _something_to_prune_by(self) -> StudySpec:
        if not isinstance(self.pruner, NoPruner) and self.pruner.metric is None and self.objective is not None:
            try:
                METRIC.validate_python(self.objective.name)
            except ValidationError as error:
                raise ValueError(
                    'the objective\'s name has quotes or the like: name the reported metric to prune by with "pruner": {"metric": …} (pruner.metric)'
                ) from error
        return self

    @model_validator(mode="after")
    def _leaves_something_to_search_with(self) -> StudySpec:
        most, kept = self.budget.max_trials, self.phases.trials if self.phases else 0
        if most is not None and most <= kept:
            raise ValueError(f"max_trials is {most} and the phases take {kept} of them: nothing is left to search with")
        return self


class StudyChange(Request):
    """The body of ``PATCH /v1/studies/{study}``: the fields that may change while a study runs. Each that is given is replaced as a whole."""

    budget: Budget | None = None
    lease: LeasePolicy | None = None
    phases: Phases | None = None
    tags: Tags | None = None
    description: Text | None = None


class Reason(Request):
    """Why a person paused, resumed, finished or cancelled something."""

    reason: Text | None = None


class ConfirmRequest(Request):
    """``POST …/confirm``: end the search now and train the best cells again. What is left out is as the study's phases say."""

    top: Whole | None = Field(default=None, ge=1, le=100)
    seeds: Whole | None = Field(default=None, ge=1, le=100)
    first_seed: Seed | None = None


class Best(Answer):
    """The best completed trial of a study so far."""

    number: int
    value: float
    architecture: JSON


class Study(Answer):
    """A study as the server answers it. ``revision`` is the ETag."""

    name: Name
    state: StudyState
    state_reason: str | None = None
    space: JSON | None = Field(default=None, description="left out of lists, where a large space would weigh")
    objective: Objective
    objectives: list[Objective]
    strategy: JSON
    pruner: JSON = Field(default_factory=lambda: {"name": "none"})
    budget: Budget
    lease: LeasePolicy
    seed: int
    phases: Phases | None = None
    phase: Literal["baseline", "search", "confirm"] = Field(default="search", description="what the next ask is given")
    consistency: Literal["relaxed", "ordered"] = "relaxed"
    protocol: dict[str, Any] | None = None
    tags: list[str] = Field(default_factory=list)
    description: str = ""
    trials: dict[str, int] = Field(description="number of trials by state")
    best: Best | None = None
    model: ModelStatus
    revision: int
    created_at: datetime


class StudyList(Answer):
    """A page of studies."""

    studies: list[Study]
    next_page_token: str | None = None
