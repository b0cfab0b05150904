"""The wire form of the service itself: problems, health."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from bonanza.schemas.base import Answer


class FieldError(Answer):
    """One thing wrong with a request."""

    pointer: str = Field(description="a JSON pointer into the body, or a parameter's name")
    message: str


class Problem(Answer):
    """RFC 9457 problem details: the body of every answer that is not a success. Some types carry more members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:bonanza:problem:… ; stable, for programs")
    title: str
    status: int
    detail: str
    instance: str | None = None
    request_id: str | None = None
    errors: list[FieldError] | None = None
    retry_after_s: float | None = None


class Health(Answer):
    """The process answers."""

    status: str
    version: str


class Readiness(Answer):
    """Whether the service can do its work; ``checks`` names what cannot."""

    status: str = Field(description="ready; degraded: works, and a person should look; unavailable")
    checks: dict[str, str]
