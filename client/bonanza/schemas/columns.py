"""The wire form of a study for charts and tables: trials as columns, what runs now, what every fit took, many studies at a glance.

Lists of equal length instead of lists of objects: ten thousand trials are some 100 kB compressed, and what has changed since an event a few bytes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from bonanza.schemas.base import JSON, Answer
from bonanza.schemas.study import Study


class TrialColumns(Answer):
    """Trials, one entry of every list each. Times are seconds since the study was created; numbers have about six digits."""

    number: list[int]
    state: list[int] = Field(description="an index into states")
    origin: list[int] = Field(description="an index into origins")
    phase: list[int] = Field(description="an index into phases")
    value: list[float | None]
    mean: list[float | None] = Field(description="predicted when it was proposed")
    std: list[float | None]
    rank: list[int | None] = Field(description="its place in the pool of the fit that proposed it, from 0")
    seconds: list[float | None] = Field(description="the cost named seconds, where one was told, else how long it ran")
    created: list[float]
    started: list[float | None]
    finished: list[float | None]
    attempts: list[int]
    worker: list[int | None] = Field(description="an index into workers: who had it last")
    repeat_of: list[int | None]
    flags: list[int] = Field(description="1: told late, 2: invalidated, 4: has an error, 8: measured more than once")


class FitColumns(Answer):
    """The fits of a study's model, oldest first, thinned out to at most 400."""

    version: list[int]
    observations: list[int]
    seconds: list[float]
    at: list[float] = Field(description="seconds since the study was created")


class StudyColumns(Answer):
    """The answer of ``GET /v1/studies/{study}/columns``."""

    study: Study = Field(description="without its space")
    space_kind: str
    event: int = Field(description="everything up to this event is in; give it back as after")
    now: float = Field(description="the server's clock, in seconds since the study was created")
    states: list[str]
    origins: list[str]
    phases: list[str]
    workers: list[str]
    trials: TrialColumns = Field(description="all of them, or those that events after the given one are about")
    fits: FitColumns


class Curve(Answer):
    """What an attempt has reported: each metric at each step, thinned out to at most 200 steps; null where a step lacks the metric."""

    step: list[int]
    metrics: dict[str, list[float | None]]


class AttemptRecord(Answer):
    """One lease on a trial as it went."""

    number: int = Field(description="1 for the first attempt at the trial")
    trial: int
    worker_id: str | None = None
    state: str = Field(description="leased, succeeded, pruned, failed, released, expired or superseded")
    kind: str | None = Field(default=None, description="how it failed")
    leased_at: datetime
    heartbeat_at: datetime | None = None
    expires_at: datetime
    ended_at: datetime | None = None
    progress: float | None = Field(default=None, description="from 0 to 1, as last told with a heartbeat")
    outcome: str | None = Field(default=None, description="what it told")
    value: float | None = None
    error: dict[str, Any] | None = None
    log_tail: str | None = Field(
        default=None, description="the last lines it has printed, as its worker sent them; not among what runs now"
    )
    curve: Curve


class AttemptList(Answer):
    """The answer of ``GET /v1/studies/{study}/trials/{number}/attempts``: first to last."""

    attempts: list[AttemptRecord]


class StudyWorker(Answer):
    """Who has worked on a study, from its attempts."""

    worker_id: str | None = Field(description="null: those who gave no name")
    trials: list[int] = Field(description="what it holds now")
    last_seen_at: datetime
    succeeded: int = 0
    failed: int = 0
    lost: int = Field(default=0, description="leases that ran out or that another attempt superseded")
    released: int = 0
    busy_s: float = Field(default=0, description="of all its attempts that have ended")


class Live(Answer):
    """The answer of ``GET /v1/studies/{study}/live``: the attempts under way with their curves, and the workers."""

    now: datetime
    attempts: list[AttemptRecord]
    workers: list[StudyWorker]


class StudyGlance(Answer):
    """A study in a list: how it goes."""

    study: Study = Field(description="without its space")
    space_kind: str
    workers: int = Field(description="with a live lease")
    best_so_far: list[float] = Field(description="at most 48 points, evenly spaced over its results")
    last_result_at: datetime | None = None


class Overview(Answer):
    """The answer of ``GET /v1/overview``: studies, the last created first."""

    studies: list[StudyGlance]


class Effect(Answer):
    """What one choice at one place of an architecture goes with, in the objective's unit."""

    choice: str
    count: int = Field(description="measured cells that have it")
    effect: float | None = Field(
        description="what it adds to the mean, the other places held equal; null: too few cells"
    )
    error: float | None = Field(description="standard error of the effect")


class Place(Answer):
    """A place of an architecture's JSON where a choice stands."""

    pointer: str = Field(description="a JSON pointer, for example /edges/0")
    importance: float = Field(description="the share of the explained variance that is this place's, from 0 to 1")
    effects: list[Effect]


class Atlas(Answer):
    """The answer of ``GET /v1/studies/{study}/atlas``: the cells of a study laid out in the plane, and which choices help.

    The plane is the first two principal components of the encoding that the default strategy's process reads (what stands where, op sequences of
    paths, how much of each op), of the measured cells among samples of the space.
    """

    results: int = Field(description="how many results had come when it was made; the study may have more by now")
    number: list[int] = Field(description="trials: the newest and the best where there are many")
    x: list[float]
    y: list[float]
    space_x: list[float] = Field(description="cells drawn from the space, for orientation")
    space_y: list[float]
    explained: list[float] = Field(description="the share of the variance of either axis")
    places: list[Place] = Field(description="the most important first")
    r_squared: float | None = Field(default=None, description="how much of the variance the effects explain together")
    colours: dict[str, str] = Field(description="the colour family of every choice, as pictures have it")


class Neighbour(Answer):
    """A measured trial whose cell is one edit away."""

    number: int
    state: str
    value: float | None = None
    architecture: JSON


class NeighbourList(Answer):
    """The answer of ``GET /v1/studies/{study}/trials/{number}/neighbours``: best first."""

    total: int = Field(description="cells that are one edit away, as far as they were looked at")
    trials: list[Neighbour]


class StrategyKind(Answer):
    """A strategy that studies may use, with the JSON Schema of its options."""

    name: str
    description: str
    default: bool
    options_schema: JSON


class StrategyKinds(Answer):
    """The answer of ``GET /v1/strategies``."""

    strategies: list[StrategyKind]
