"""What every body on the wire shares: requests are strict, answers may grow, numbers are finite."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSON or a database cannot give back as it came: NaN, infinities and NUL characters, at any depth."""
    left: list[tuple[str, Any]] = [("", value)]
    while left:
        pointer, item = left.pop()
        if isinstance(item, dict):
            left += [(f"{pointer}/{key}", entry) for key, inner in item.items() for entry in (key, inner)]
        elif isinstance(item, list):
            left += [(f"{pointer}/{index}", inner) for index, inner in enumerate(item)]
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError(f"{pointer} is {item}: numbers must be finite")
        elif isinstance(item, str) and "\0" in item:
            raise ValueError(f"{pointer.replace(chr(0), '')} has a NUL character, which no database keeps")
    return value


JSON = dict[str, Any]
"""One JSON object."""

GivenJSON = Annotated[JSON, AfterValidator(_storable)]
"""One JSON object of a client, kept as it is."""

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no NUL character in a text."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
"""A study's name in URLs: letters, digits, dot, underscore and dash, at most 100, the first a letter or digit."""

WorkerId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
"""A worker's own name: printable ASCII without spaces, for example ``gpu7:0``."""

Text = Annotated[str, StringConstraints(max_length=10_000, pattern=NO_NUL)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL)]
Reference = Annotated[str, StringConstraints(max_length=2_000, pattern=NO_NUL)]
"""Where something lies, in the client's own words: a path, a URL."""
Tags = Annotated[list[Label], Field(max_length=100)]
Metrics = Annotated[dict[Label, float], Field(max_length=200)]
"""Named finite numbers, for example ``{"test_accuracy": 93.1}``; at most 200."""


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""JSON has one kind of number: 3.0 is an integer too, and some languages write it so."""

Seed = Annotated[Whole, Field(ge=0, le=2**53 - 1)]
"""Small enough that every JSON reader keeps it exact."""


class Request(BaseModel):
    """A body a client sends: an unknown field is an error, because a misspelt option silently ignored costs GPU hours.

    Strict: ``"93.1"`` and ``true`` are no numbers. A value that must be guessed at is a mistake in somebody's trainer.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Answer(BaseModel):
    """A body the server sends: an older client ignores fields it does not know."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)
