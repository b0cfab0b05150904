"""Every kind of search space, by the ``kind`` of its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bonanza.spaces import (
    darts,
    edge_cell,
    layer_graph,
    nasnet,
    node_cell_spec,
    pool,
    recurrent,
    resnet_stages,
    sequence,
)
from bonanza.spaces.base import SearchSpace
from bonanza.spaces.constrained import constrainable
from bonanza.spaces.kind import Kind, kind_named, nearest_name, parse_spec

_WHOLE: Mapping[str, Kind] = {
    kind.name: constrainable(kind)
    for family in (
        edge_cell,
        node_cell_spec,
        darts,
        nasnet,
        sequence,
        recurrent,
        resnet_stages,
        layer_graph,
    )
    for kind in family.KINDS
}
KINDS: Mapping[str, Kind] = {**_WHOLE, **{kind.name: constrainable(kind) for kind in pool.kinds_within(_WHOLE)}}
"""In the order they are listed to users; pools are made within all the others, and any spec may have constraints."""


def space_from_spec(spec: Mapping[str, Any]) -> SearchSpace:
    """The search space that ``spec`` (JSON) describes; ``space_kinds`` has an example of each kind.

    Raises:
        InvalidSpace: a field is wrong, missing or unknown; ``pointer`` is the field, ``message`` what is allowed.
    """
    return parse_spec(spec, KINDS)


def space_kind(name: object) -> Kind:
    """The kind of that name.

    Raises:
        InvalidSpace: there is none; the message has the names there are, and the one that was meant.
    """
    return kind_named(name, KINDS)


def nearest_kind(name: object) -> str | None:
    """The name of a kind that is spelled much like ``name``, or None."""
    return nearest_name(name, KINDS)


def space_kinds() -> tuple[Kind, ...]:
    """Each kind of spec, with an example to copy and its schemas."""
    return tuple(KINDS.values())
