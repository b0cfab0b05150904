"""The wire form of a trial: one architecture to be measured, and the attempts at it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from bonanza.schemas.base import (
    JSON,
    NO_NUL,
    Answer,
    GivenJSON,
    Label,
    Metrics,
    Reference,
    Request,
    Seed,
    Tags,
    Text,
    Whole,
    WorkerId,
)
from bonanza.schemas.model import ModelStatus

TrialState = Literal["pending", "running", "complete", "pruned", "failed", "infeasible", "cancelled"]
Origin = Literal["initial", "acquisition", "queue", "baseline", "confirm", "repeat", "fallback", "import"]
Outcome = Literal["complete", "pruned", "failed", "infeasible", "cancelled"]
FailureKind = Literal["oom", "nan", "timeout", "code", "infra", "lost"]
Directive = Literal["continue", "prune", "cancel", "yield", "superseded"]
Shortfall = Literal["waiting_for_results", "paused", "budget_reached", "finished", "space_exhausted"]

Encoded = JSON | Annotated[str, StringConstraints(max_length=100_000, pattern=NO_NUL)]
"""An architecture in its space's JSON form, or the space's official string."""

LogTail = Annotated[
    Annotated[str, StringConstraints(max_length=4_000, pattern=NO_NUL)] | None,
    Field(description="the last lines that the training has printed; they replace those sent before"),
]

LeaseToken = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,100}$")]


class Prediction(Answer):
    """What the model expected when the trial was proposed, in the objective's unit."""

    mean: float
    std: float


class Attempt(Answer):
    """One worker's lease on a trial. ``token`` is shown to the worker that holds it, nowhere else."""

    number: int = Field(description="1 for the first attempt at the trial")
    token: str | None = None
    worker_id: str | None = None
    expires_at: datetime
    heartbeat_s: float
    checkpoint: str | None = Field(default=None, description="what the previous attempt left to resume from")
    traceparent: str | None = Field(default=None, description="the trace of its ask (W3C Trace Context), if it has one")


class TrialError(Request):
    """How an attempt failed; the kind decides whether it is tried again (``infra`` and ``lost`` are)."""

    kind: FailureKind = "code"
    message: Text = ""
    traceback_tail: Text | None = None


class Measurement(Answer):
    """A further value of a trial that already had one: GPU hours spent are never thrown away."""

    value: float
    metrics: dict[str, float] = Field(default_factory=dict)
    cost: dict[str, float] = Field(default_factory=dict)
    seed: int | None = None
    attempt: int | None = None


class Trial(Answer):
    """A trial as the server answers it."""

    number: int = Field(description="dense in a study, from 0")
    state: TrialState
    phase: Literal["search", "baseline", "confirm"] = "search"
    origin: Origin
    architecture: JSON
    arch_id: str = Field(description="equal for equal networks")
    repeat_of: int | None = None
    seed: int = Field(description="for the training run; the trainer tells another if it used another")
    protocol: JSON | None = Field(
        default=None,
        description="how to train it where that is not as the study's protocol says; the model does not see it",
    )
    protocol_hash: str | None = Field(
        default=None, description="of the protocol it is trained by; null: the study has none"
    )
    epoch: Literal["last", "best"] | None = Field(
        default=None, description="whose accuracy the value is, where the protocol says"
    )
    priority: int = 0
    value: float | None = None
    values: dict[str, float] | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    cost: dict[str, float] = Field(default_factory=dict)
    measurements: list[Measurement] = Field(default_factory=list)
    error: dict[str, Any] | None = None
    late: bool = False
    invalidated: bool = False
    attempts: int = Field(default=0, description="leases so far that count against max_attempts, the live one included")
    attempt: Attempt | None = Field(default=None, description="the live one")
    prediction: Prediction | None = None
    tags: list[str] = Field(default_factory=list)
    note: str = ""
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from bonanza.notebook.record import record

        return record(self)


class Posterior(Answer):
    """What is known of a cell's true value, from all its measurements and what was predicted of it before the first."""

    mean: float
    std: float | None = Field(
        default=None, description="null where no cell was measured twice, so that the noise is unknown"
    )
    low: float | None = Field(default=None, description="of the 95 % interval")
    high: float | None = None
    count: int = Field(description="measurements of the cell")


class Ranked(Trial):
    """The first trial of a cell, and what is known of the cell."""

    posterior: Posterior | None = Field(default=None, description="there in every answer of this version")


class RankedList(Answer):
    """Cells, the best first."""

    trials: list[Ranked]


class TrialList(Answer):
    """A page of trials."""

    trials: list[Trial]
    next_page_token: str | None = None


class MaxLag(Request):
    """A model may be this many results behind."""

    max_lag: Whole = Field(ge=0)


class AskRequest(Request):
    """``POST …/ask``: what should I train next?"""

    count: Whole = Field(default=1, ge=1, le=64)
    worker_id: WorkerId | None = None
    wait_s: float = Field(default=10, ge=0, le=50, description="how long the server may hold the request")
    freshness: Literal["latest", "any"] | MaxLag = Field(
        default="latest",
        description="latest waits up to wait_s for a fit that has seen every result told before this ask",
    )
    reuse: bool = Field(default=False, description="first give back what this worker_id already holds")

    @model_validator(mode="after")
    def _reuse_needs_a_worker(self) -> AskRequest:
        if self.reuse and self.worker_id is None:
            raise ValueError("reuse gives back the trials of a worker: say which with worker_id")
        return self


class AskAnswer(Answer):
    """The trials leased to the asker; fewer than it wanted only with a reason."""

    trials: list[Trial]
    reason: Shortfall | None = None
    retry_after_s: float | None = None
    model: ModelStatus


class TellRequest(Request):
    """``POST …/trials/{number}/tell``: what came out. ``value`` is shorthand for ``values`` with one objective."""

    lease_token: LeaseToken
    outcome: Outcome = "complete"
    value: float | None = None
    values: Metrics | None = None
    metrics: Metrics = Field(default_factory=dict)
    cost: Metrics = Field(default_factory=dict, description='for example {"seconds": 812.5}')
    seed: Seed | None = None
    error: TrialError | None = None
    checkpoint: Reference | None = None
    protocol: Label | None = Field(
        default=None, description="hash of how it was trained; refused where the study's protocol has another"
    )
    log_tail: LogTail = None

    @model_validator(mode="after")
    def _outcome_fits(self) -> TellRequest:
        if self.value is not None and self.values is not None:
            raise ValueError("give value or values, not both")
        if self.outcome == "complete" and self.value is None and self.values is None:
            raise ValueError('outcome "complete" needs a value; a training that produced none is outcome "failed"')
        if self.outcome in {"failed", "infeasible", "cancelled"} and (
            self.value is not None or self.values is not None
        ):
            raise ValueError(f'outcome "{self.outcome}" carries no value; put numbers worth keeping into metrics')
        if self.error is not None and self.outcome not in {"failed", "infeasible"}:
            raise ValueError(f'error belongs to outcome "failed" or "infeasible", not to "{self.outcome}"')
        return self


class TellAnswer(Trial):
    """The trial after the tell."""

    accepted: bool = Field(
        default=True, description="false: the trial already had a result and this was no value to keep"
    )
    duplicate: bool = Field(default=False, description="the same attempt had told the same before")
    is_best: bool = False


class HeartbeatRequest(Request):
    """``POST …/trials/{number}/heartbeat``: still training."""

    lease_token: LeaseToken
    progress: float | None = Field(default=None, ge=0, le=1)
    log_tail: LogTail = None


class Point(Request):
    """Metrics at one step of the training; told again, a step is overwritten."""

    step: Whole = Field(ge=0, le=2**53 - 1)
    metrics: Metrics


class ReportRequest(Request):
    """``POST …/trials/{number}/report``: a stretch of the learning curve; doubles as a heartbeat."""

    lease_token: LeaseToken
    points: Annotated[list[Point], Field(min_length=1, max_length=1_000)]
    log_tail: LogTail = None


class HeartbeatAnswer(Answer):
    """What the worker should do now. Always 200 for a known trial, so that a training never dies of a heartbeat."""

    directive: Directive
    expires_at: datetime | None = None
    heartbeat_s: float


class ReleaseRequest(Request):
    """``POST …/trials/{number}/release``: given back unfinished; does not count as an attempt."""

    lease_token: LeaseToken
    reason: Text | None = None
    checkpoint: Reference | None = None


class RepeatRequest(Request):
    """``POST …/trials/{number}/repeat``: measure the same cell again with other seeds."""

    count: Whole = Field(default=1, ge=1, le=64)
    protocol: GivenJSON | None = Field(
        default=None,
        description="train it by this protocol instead of the study's: for the report, and kept from the model",
    )


class QueueRequest(Request):
    """``POST …/queue``: cells a person wants measured, before the strategy's own."""

    architectures: Annotated[list[Encoded], Field(min_length=1, max_length=1_000)]
    priority: Annotated[Whole, Field(ge=-1_000_000, le=1_000_000)] = 0
    tags: Tags = Field(default_factory=list)


class Queued(Trial):
    """A queued trial; ``created`` is false where the study already had the cell."""

    created: bool


class QueueAnswer(Answer):
    """One entry an architecture, in the order given."""

    trials: list[Queued]


class Imported(Request):
    """A result measured elsewhere."""

    architecture: Encoded
    value: float | None = None
    values: Metrics | None = None
    metrics: Metrics = Field(default_factory=dict)
    cost: Metrics = Field(default_factory=dict)
    seed: Seed | None = None
    source: Label | None = None

    @model_validator(mode="after")
    def _one_value(self) -> Imported:
        if (self.value is None) == (self.values is None):
            raise ValueError("an observation needs exactly one of value and values")
        return self


class ObservationsRequest(Request):
    """``POST …/observations``: tell without ask, in bulk, all or nothing."""

    observations: Annotated[list[Imported], Field(min_length=1, max_length=10_000)]
    on_duplicate: Literal["skip", "measure", "error"] = Field(
        default="skip",
        description="a cell the study has already: leave it, keep the value as a further measurement, or refuse the lot",
    )


class ObservationsAnswer(Answer):
    """How many of the observations became trials, further measurements, or nothing."""

    added: int
    measured: int
    skipped: int


class TrialChange(Request):
    """The body of ``PATCH …/trials/{number}``."""

    tags: Tags | None = None
    note: Text | None = None
    priority: Annotated[Whole, Field(ge=-1_000_000, le=1_000_000)] | None = None
    invalidate: Literal[True] | None = Field(
        default=None, description="drop a completed result from the model; the cell may be proposed again"
    )


class Event(Answer):
    """One change of state; ``seq`` is dense in a study, from 1."""

    seq: int
    at: datetime
    kind: str
    number: int | None = None
    data: JSON = Field(default_factory=dict)
