"""The wire form of what a study's model says of any architecture."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bonanza.schemas.base import Answer, Request
from bonanza.schemas.trial import Encoded


class PredictRequest(Request):
    """The body of ``POST /v1/studies/{study}/predict``."""

    architectures: Annotated[list[Encoded], Field(min_length=1, max_length=1_000)]
    wait_s: float = Field(default=10, ge=0, le=50, description="how long the server may take to fit the model")


class Predicted(Answer):
    """What the model says of one architecture, in the objective's unit."""

    arch_id: str
    mean: float | None = Field(default=None, description="null where there is nothing to predict from")
    std: float | None = None


class PredictAnswer(Answer):
    """Predictions in the order of the request's architectures."""

    predictions: list[Predicted]
    observations: int = Field(description="cells that the model was fitted to: all that the study has measured by now")
