"""The wire form of what is known of architectures without training them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bonanza.schemas.base import Answer, Label, Request
from bonanza.schemas.trial import Encoded


class KnownCell(Request):
    """One architecture and what is known of it."""

    architecture: Encoded
    features: Annotated[dict[Label, float], Field(min_length=1, max_length=32)] = Field(
        description="named finite numbers: a zero-cost score, a latency, an accuracy after a few epochs"
    )


class KnownCells(Request):
    """Any number of architectures with what is known of each, which a client sends in as many requests as it takes."""

    cells: Annotated[list[KnownCell], Field(min_length=1)]


class FeaturesRequest(Request):
    """``POST …/features``: what is known of architectures without training them, in bulk, all or nothing."""

    cells: Annotated[list[KnownCell], Field(min_length=1, max_length=10_000)]


class FeaturesAnswer(Answer):
    """Of how many architectures something new is known, and of how many the study knew it all."""

    changed: int
    unchanged: int


class FeatureColumn(Answer):
    """One feature."""

    name: str
    cells: int = Field(description="architectures that have it")
    measured: int = Field(description="those of them that the study has measured, the newest 500 at most")
    rank_correlation: float | None = Field(
        default=None,
        description="Kendall's tau of the feature and the values of those, of either sign; null where it is not defined",
    )


class FeatureList(Answer):
    """What is known of a study's architectures without training them."""

    cells: int = Field(description="architectures that something is known of")
    read: bool = Field(description="whether the study's strategy learns from features")
    features: list[FeatureColumn]
