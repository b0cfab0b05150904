"""The wire form of keys: what is made, what is listed, and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from bonanza.schemas.base import JSON, Answer, Name, Request

Scope = Literal["read", "ask", "write", "admin"]
"""What a key opens. ``read``: everything a GET answers. ``ask``: ask, tell, heartbeat, report, release, and the study itself. ``write``: both, and
making and steering studies. ``admin``: all that, and keys."""

KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
"""What a key is called where it is listed and revoked; it stands in the key too, and opens nothing."""

TEN_YEARS_S = 10 * 366 * 86_400


class KeySpec(Request):
    """The body of ``POST /v1/keys``."""

    name: Name = Field(description="for people: whose it is, or what for")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    study: Name | None = Field(default=None, description="the one study it is for; only with the scopes read and ask")
    project: Name | None = Field(default=None, description="yours if left out")
    expires_in_s: float | None = Field(default=None, gt=0, le=TEN_YEARS_S, description="never if left out")

    @model_validator(mode="after")
    def _bound(self) -> Self:
        if self.study is not None and not {"read", "ask"}.issuperset(self.scopes):
            raise ValueError("a key for one study can have the scopes read and ask, and no others")
        return self


class Key(Answer):
    """A key as it is listed: everything but the key itself, of which the server keeps a hash."""

    id: KeyId
    name: Name
    project: Name
    scopes: list[Scope]
    study: str | None = None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = Field(default=None, description="within half a minute")


class NewKey(Key):
    """A key that was just made, with the one sight of it that there will ever be."""

    key: str = Field(description="what goes after Authorization: Bearer; it cannot be shown again")


class KeyList(Answer):
    """The keys of a project, the newest first."""

    keys: list[Key]


class AuditEvent(Answer):
    """Something that was done with keys, or tried."""

    id: int
    at: datetime
    kind: Literal["key.made", "key.revoked", "session.opened", "refused"]
    project: str
    key: str | None = Field(default=None, description="the key it is about, or under which it was tried")
    data: JSON = Field(default_factory=dict)


class AuditList(Answer):
    """What was done with keys, the newest first."""

    events: list[AuditEvent]
    next_page_token: str | None = None
