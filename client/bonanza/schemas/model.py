"""The wire form of a study's surrogate model: how fresh it is and how good."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from bonanza.schemas.base import JSON, Answer


class ModelStatus(Answer):
    """How far the model is behind the results; in every answer to an ask."""

    version: int = Field(default=0, description="the number of the newest fit; 0: none yet")
    observations: int = Field(default=0, description="results the newest fit has seen")
    lag: int = Field(default=0, description="results told since")
    refitting: bool = False
    degraded: bool = Field(
        default=False, description="the last fits failed: proposals come from an older model or at random"
    )


class Model(ModelStatus):
    """The answer of ``GET /v1/studies/{study}/model``."""

    strategy: JSON
    fit_seconds: float | None = None
    fitted_at: datetime | None = None
    pool: int = Field(default=0, description="proposals of the newest fit that nobody has taken yet")
    rank_correlation: float | None = Field(
        default=None, description="Kendall's tau between predictions made at the ask and the results told later"
    )
    predictions: int = Field(default=0, description="pairs behind rank_correlation")
    diagnostics: JSON = Field(default_factory=dict)
    last_error: str | None = None


class Alternative(Answer):
    """A proposal that was in the pool but not taken."""

    arch_id: str
    architecture: JSON
    mean: float | None = Field(default=None, description="null where there was nothing to predict from")
    std: float | None = None
    acquisition: float | None = None


class Explanation(Answer):
    """Why a trial was proposed: ``GET /v1/studies/{study}/trials/{number}/explain``."""

    number: int
    origin: str
    model_version: int | None = Field(default=None, description="the fit that proposed it; null: no model was used")
    read_sequence: int | None = Field(default=None, description="the event that fit had read up to")
    rank: int | None = Field(default=None, description="its place in that fit's pool, from 0")
    mean: float | None = None
    std: float | None = None
    acquisition: float | None = None
    pending: list[int] = Field(default_factory=list, description="trials under way when it was proposed")
    alternatives: list[Alternative] = Field(default_factory=list)
