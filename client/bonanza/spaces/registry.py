"""Every kind of search space, by the ``kind`` of its spec: ours, and those that others offer (``bonanza.extensions``, group ``spaces``).

A kind of somebody else's is a ``Kind`` whose name is the one that it is found by. Ours cannot be replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from bonanza import extensions
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
from bonanza.spaces.base import InvalidSpace, SearchSpace
from bonanza.spaces.constrained import constrainable
from bonanza.spaces.kind import Kind, kind_named, nearest_name, parse_spec


class Kinds(Mapping[str, Kind]):
    """Kinds by name; where they end, those of others, which are loaded when they are named."""

    def __init__(self, ours: Mapping[str, Kind]) -> None:
        self.ours = ours

    def __getitem__(self, name: str) -> Kind:
        """The kind of that name.

        Raises:
            KeyError: There is none.
            InvalidSpace: There is one that cannot be used; the message says what to do.
        """
        if name in self.ours:
            return self.ours[name]
        try:
            found = extensions.find("spaces", name)
        except extensions.ExtensionFailed as error:
            raise InvalidSpace("/kind", str(error)) from error
        if found is None:
            raise KeyError(name)
        if not isinstance(found, Kind) or found.name != name:
            what = f"the Kind named {found.name!r}" if isinstance(found, Kind) else f"a {type(found).__name__}"
            raise InvalidSpace("/kind", f"{name!r} must be a bonanza.spaces.Kind of that name, and is {what}")
        return constrainable(found)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.ours, *extensions.installed("spaces")]))

    def __len__(self) -> int:
        return len(list(iter(self)))


_OURS: Mapping[str, Kind] = {
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
KINDS: Mapping[str, Kind] = Kinds(
    {**_OURS, **{kind.name: constrainable(kind) for kind in pool.kinds_within(_OURS, Kinds(_OURS))}}
)
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
    """Each kind of spec that can be used, with an example to copy and its schemas."""
    usable = []
    for name in KINDS:
        with suppress(InvalidSpace):  # somebody else's that does not load is told of where it is named
            usable.append(KINDS[name])
    return tuple(usable)
