"""A kind of search space, as the registry knows it and users read of it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bonanza.spaces.base import InvalidSpace, SearchSpace
from bonanza.spaces.fields import LONGEST_NAME, listed, show

Schema = Mapping[str, Any]
"""A JSON Schema, draft 2020-12."""


@dataclass(frozen=True)
class Kind:
    """One ``kind`` of spec: a family, or a preset of one.

    The schemas say what has which form; what only holds between fields (an acyclic graph, an edge for each pair) is
    for ``parse`` and ``validate``, which accept nothing that the schemas refuse.
    """

    name: str
    description: str
    example: Mapping[str, Any]
    """A spec to copy."""
    spec_schema: Schema
    """Of the spec."""
    architecture_schema: Schema
    """Of an architecture of such a space."""
    parse: Callable[[Mapping[str, Any]], SearchSpace]
    """The space of a spec whose ``kind`` is this one; raises ``InvalidSpace``."""


def parse_spec(spec: object, kinds: Mapping[str, Kind]) -> SearchSpace:
    """The search space that ``spec`` (JSON) describes, of one of these kinds.

    Raises:
        InvalidSpace: a field is wrong, missing or unknown.
    """
    if not isinstance(spec, Mapping):
        raise InvalidSpace("", f"must be an object with a kind, one of {listed(kinds)}, not {show(spec)}")
    if "kind" not in spec:
        raise InvalidSpace("/kind", f"is missing; there are {listed(kinds)}")
    return kind_named(spec["kind"], kinds).parse(spec)


def kind_named(name: object, kinds: Mapping[str, Kind]) -> Kind:
    """The kind of that name.

    Raises:
        InvalidSpace: there is none; the message has the names there are, and the one that was meant.
    """
    if isinstance(name, str) and name in kinds:
        return kinds[name]
    nearest = nearest_name(name, kinds)
    meant = "" if nearest is None else f"; did you mean {show(nearest)}?"
    raise InvalidSpace("/kind", f"must be one of {listed(kinds)}, not {show(name)}{meant}")


def nearest_name(name: object, names: Iterable[str]) -> str | None:
    """The one that is spelled much like ``name``, or None."""
    close = difflib.get_close_matches(name[:LONGEST_NAME].lower(), names, n=1) if isinstance(name, str) else []
    return close[0] if close else None


def object_schema(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> dict[str, Any]:
    """The schema of an object with these members and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def list_schema(items: Schema, *, least: int, most: int) -> dict[str, Any]:
    """The schema of a list of ``least`` to ``most`` items."""
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}
