"""What the domain refuses. ``Refused`` names a problem type of ``bonanza.problems``; the web layer turns it into problem+json.

Nothing here knows HTTP: the status of a type stands in the one table that server and SDK share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bonanza.problems import PROBLEM_TYPES
from bonanza.spaces.base import Invalid


class Refused(Exception):
    """The request cannot be done; nothing was changed. The detail says what to do instead."""

    def __init__(self, slug: str, detail: str, *, errors: Sequence[tuple[str, str]] = (), **members: Any) -> None:
        """Refuse with problem type ``slug``; ``errors`` are (JSON pointer, message), ``members`` further fields of the problem."""
        assert slug in PROBLEM_TYPES, slug
        super().__init__(detail)
        self.slug = slug
        self.detail = detail
        self.errors = list(errors)
        self.members = members

    def __reduce__(self) -> tuple[object, ...]:
        return _refused, (self.slug, self.detail, self.errors, self.members)  # as it is, from another process too


def invalid(slug: str, error: Invalid, pointer: str) -> Refused:
    """What a space says is wrong with a value that stands at ``pointer`` in the body."""
    return wrong_at(slug, pointer + error.pointer, error.message)


def wrong_at(slug: str, pointer: str, message: str) -> Refused:
    """Problem type ``slug`` of the one field at ``pointer``, which the detail names too: whoever prints no more must see what it is about."""
    return Refused(slug, f"{pointer}: {message}", errors=[(pointer, message)])


def no_study(name: str) -> Refused:
    """There is no study of that name."""
    return Refused(
        "not-found", f"there is no study {name!r}: PUT /v1/studies/{name} makes one, GET /v1/studies lists them"
    )


def no_trial(study: str, number: int) -> Refused:
    """There is no trial of that number."""
    return Refused("not-found", f"study {study!r} has no trial {number}: GET /v1/studies/{study}/trials lists them")


def _refused(slug: str, detail: str, errors: Sequence[tuple[str, str]], members: dict[str, Any]) -> Refused:
    return Refused(slug, detail, errors=errors, **members)
