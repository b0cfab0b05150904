"""Every kind of search space, by the ``kind`` of its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bonanza.spaces import edge_cell, sequence
from bonanza.spaces.base import InvalidSpace, SearchSpace
from bonanza.spaces.fields import listed, show
from bonanza.spaces.kind import Kind

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for family in (
        edge_cell,
        sequence,
    )
    for kind in family.KINDS
}
"""In the order they are listed to users."""


def space_from_spec(spec: Mapping[str, Any]) -> SearchSpace:
    """The search space that ``spec`` (JSON) describes; ``space_kinds`` has an example of each kind.

    Raises:
        InvalidSpace: a field is wrong, missing or unknown; ``pointer`` is the field, ``message`` what is allowed.
    """
    if not isinstance(spec, Mapping):
        raise InvalidSpace("", f"must be an object with a kind, one of {listed(KINDS)}, not {show(spec)}")
    if "kind" not in spec:
        raise InvalidSpace("/kind", f"is missing; there are {listed(KINDS)}")
    kind = spec["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidSpace("/kind", f"must be one of {listed(KINDS)}, not {show(kind)}")
    return KINDS[kind].parse(spec)


def space_kinds() -> tuple[Kind, ...]:
    """Each kind of spec, with an example to copy and its schemas."""
    return tuple(KINDS.values())
