"""The wire form of a study's report: what "NAS evaluation is frustratingly hard" (Yang et al. 2020) asks of a paper, answered from the data.

A part that the study has no data for is null, and ``missing`` says why and what to do. Times are in hours of one worker, values in the objective's unit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from bonanza.schemas.base import JSON, Answer


class Interval(Answer):
    """A confidence interval."""

    low: float
    high: float
    level: float = Field(default=0.95, description="how often such intervals cover the truth")
    method: str


class Sample(Answer):
    """A sample of values; ``std`` is null of a single one."""

    n: int
    mean: float
    std: float | None = None
    min: float
    max: float
    values: list[float] = Field(default_factory=list)


class Histogram(Answer):
    """``counts[i]`` values lie from ``edges[i]`` to ``edges[i + 1]``."""

    edges: list[float]
    counts: list[int]


class RandomSample(Sample):
    """The random baseline: what the average architecture of the space reaches under the study's protocol."""

    histogram: Histogram


class RelativeImprovement(Answer):
    """RI = 100 (searched - random) / random, in percent; for an objective that is minimised the sign is turned, so that larger is better."""

    value: float
    interval: Interval | None = None
    searched: Sample
    random: Sample
    note: str = Field(description="what the interval does and does not cover")


class Recommended(Answer):
    """The cell the study recommends, and beside it the one of the single best value."""

    number: int
    arch_id: str
    architecture: JSON
    mean: float = Field(description="of the posterior")
    std: float | None = None
    low: float | None = None
    high: float | None = None
    count: int = Field(description="measurements")
    confirmed: bool
    confirm_values: list[float] = Field(default_factory=list)
    luckiest_number: int
    luckiest_value: float


class Curve(Answer):
    """Best value so far after each result, and what as many random cells reach on average (from the baseline's sample)."""

    trials: list[int]
    best: list[float]
    hours: list[float] = Field(description="of training, all workers together")
    wall_hours: list[float] = Field(description="since the study was created")
    random: list[float | None] = Field(default_factory=list)


class RankingChange(Answer):
    """The same cells measured under two conditions."""

    cells: int
    kendall_tau: float | None
    mean_change: float = Field(description="mean absolute difference")
    max_change: float
    most_places: int = Field(description="the most places a cell moves in the ranking")
    pairs: list[tuple[float, float]]
    first: str
    second: str


class Smoothing(Answer):
    """How well the accuracy at a step ranks the final ones: as it is, and as the mean of the steps before it."""

    curves: int
    metric: str
    window: int
    steps: list[int]
    raw: list[float | None] = Field(description="Kendall's tau with the last step")
    smoothed: list[float | None]
    best_step: Sample = Field(description="of each curve, its best step: what choosing the epoch flatters to")
    last_step: Sample


class ProtocolResults(Answer):
    """What was measured under one training protocol."""

    hash: str | None
    protocol: JSON | None
    study: bool = Field(description="the study's own; others are of single trials")
    epoch: Literal["last", "best"] | None = None
    tricks: list[str] = Field(
        default_factory=list, description="fields of the protocol that are training tricks, and on"
    )
    values: Sample
    shared: Sample | None = Field(default=None, description="of the cells that were trained under every protocol here")


class Calibration(Answer):
    """How often results fell into the intervals that were predicted for them."""

    level: float
    covered: float


class SurrogateQuality(Answer):
    """How good the predictions were that were made before the results were known."""

    predictions: int
    kendall_tau: float | None
    rmse: float
    mean_std: float
    calibration: list[Calibration]
    trials: list[int] = Field(description="number of the last trial of each window")
    tau: list[float | None] = Field(description="Kendall's tau of each window of predictions")
    points: list[tuple[float, float, float]] = Field(description="(predicted mean, predicted std, value)")


class Cost(Answer):
    """Hours of training, as told or else from start to end of each attempt; and of fitting."""

    baseline_hours: float
    search_hours: float
    confirm_hours: float
    other_hours: float = Field(description="repeats, queued and imported cells")
    failed_hours: float
    fit_hours: float
    wall_hours: float
    tuning_hours: float | None = Field(
        default=None, description="of choosing hyper-parameters; the study's protocol may say tuning_hours"
    )


class Answered(Answer):
    """One recommendation of the paper, answered from the data."""

    question: str
    answer: Literal["yes", "no", "not enough data"]
    evidence: str


class TransferSource(Answer):
    """Another study whose results the strategy read."""

    study: str
    cells: int
    correlation: float | None = Field(
        default=None,
        description="with this study, by the likeliest model: 1 - correlation² of the variance is misfit, and 0 means that it is not used; null where the strategy has none",
    )


class Transfer(Answer):
    """What other studies' results did to this one, by its newest fit."""

    sources: list[TransferSource]
    used: bool
    rank_correlation: float | None = Field(
        default=None,
        description="Spearman's, of this study's results with what the model says of each without knowing it",
    )
    rank_correlation_without: float | None = Field(default=None, description="the same without the sources")


class Reproducibility(Answer):
    """What another must have to get the same; ``citation`` is for a paper."""

    bonanza: str
    python: str | None = None
    circumstances: JSON = Field(default_factory=dict, description="of the fits: torch, numpy, threads, processor")
    seed: int
    space_hash: str
    spec_hash: str
    protocol_hash: str | None = None
    events: int
    events_hash: str = Field(description="SHA-256 over the events, which are the study")
    citation: str


class Missing(Answer):
    """A part of the report that cannot be told, why, and what would tell it."""

    part: str
    reason: str


class Report(Answer):
    """The answer of ``GET /v1/studies/{study}/report``."""

    study: str
    made_at: datetime
    objective: str
    direction: Literal["maximize", "minimize"]
    strategy: JSON
    space: JSON
    description: str = ""
    trials: dict[str, int] = Field(description="by state")
    phases: dict[str, int] = Field(description="completed trials by phase")
    relative_improvement: RelativeImprovement | None = None
    random_sample: RandomSample | None = None
    recommended: Recommended | None = None
    curve: Curve | None = None
    seeds: RankingChange | None = None
    depth: RankingChange | None = None
    smoothing: Smoothing | None = None
    protocols: list[ProtocolResults] = Field(default_factory=list)
    surrogate: SurrogateQuality | None = None
    cost: Cost | None = None
    transfer: Transfer | None = None
    reproducibility: Reproducibility
    checklist: list[Answered]
    missing: list[Missing]
