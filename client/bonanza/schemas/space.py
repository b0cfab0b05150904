"""The wire form of search spaces on their own, without a study: which kinds there are, samples, checks, pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bonanza.schemas.base import JSON, Answer, GivenJSON, Request, Seed, Whole
from bonanza.schemas.trial import Encoded

Space = Annotated[
    GivenJSON,
    Field(description='for example {"kind": "nasbench201"}; GET /v1/spaces/{kind} has the schema of each kind'),
]
Cut = Literal["time_limit", "size_limit"]
MOST_SAMPLED = 1_000
MOST_VALIDATED = 100


class SpaceKind(Answer):
    """A kind of search space that studies may use."""

    kind: str
    description: str
    example: JSON


class SpaceKinds(Answer):
    """The answer of ``GET /v1/spaces``."""

    spaces: list[SpaceKind]


class SpaceKindSchemas(SpaceKind):
    """The answer of ``GET /v1/spaces/{kind}``: JSON Schemas, draft 2020-12, for forms and checks of one's own."""

    spec_schema: JSON = Field(description="of the space's JSON")
    architecture_schema: JSON = Field(description="of an architecture of the example, or of any space of the kind")


class SampleRequest(Request):
    """The body of ``POST /v1/spaces/sample``; equal bodies get equal samples."""

    space: Space
    count: Whole = Field(default=1, ge=1, le=MOST_SAMPLED)
    seed: Seed = 0


class SpaceArchitecture(Answer):
    """An architecture in the forms that people and programs use."""

    architecture: JSON = Field(description="the normal form, as studies answer it")
    text: str = Field(description="one line for people: the space's official string where there is one")
    arch_id: str = Field(description="equal for equal networks, of any space")


class SampleAnswer(Answer):
    """Architectures drawn from a space."""

    architectures: list[SpaceArchitecture]
    reason: Cut | None = Field(
        default=None, description="why there are fewer than asked for; those there are the first"
    )


class ValidateRequest(Request):
    """The body of ``POST /v1/spaces/validate``."""

    space: Space
    architecture: Encoded | None = Field(default=None, description="shorthand for one architecture")
    architectures: Annotated[list[Encoded], Field(min_length=1, max_length=MOST_VALIDATED)] | None = None
    draw: bool = Field(default=False, description="add a picture of each")
    simplified: bool = Field(default=False, description="draw the simplified network, not every op that was written")

    @model_validator(mode="after")
    def _one_of_both(self) -> ValidateRequest:
        if (self.architecture is None) == (self.architectures is None):
            raise ValueError("give exactly one of architecture and architectures")
        return self


class ValidateCells(Request):
    """The body of ``POST /v1/studies/{study}/validate``: as ``ValidateRequest``, in the study's own space."""

    architectures: Annotated[list[Encoded], Field(min_length=1, max_length=MOST_VALIDATED)]
    draw: bool = Field(default=False, description="add a picture of each")
    simplified: bool = Field(default=False, description="draw the simplified network, not every op that was written")

    def in_space(self, space: JSON) -> ValidateRequest:
        """The same question of a space."""
        return ValidateRequest(
            space=space, architectures=self.architectures, draw=self.draw, simplified=self.simplified
        )


class ValidArchitecture(SpaceArchitecture):
    """An architecture that is one of the space, with what is known of it before it is trained."""

    parameters: int | None = Field(default=None, description="of the network that the worker trains; null: not known")
    flops: int | None = Field(default=None, description="multiply-adds for one input; null: not known")
    svg: str | None = Field(default=None, description="the picture, if asked for: a document, light and dark")


class ValidateAnswer(Answer):
    """Every architecture of the request, in its order."""

    space: JSON = Field(description="the normal form of the space")
    architectures: list[ValidArchitecture]
    reason: Cut | None = Field(default=None, description="why the last ones are missing; send them again on their own")
