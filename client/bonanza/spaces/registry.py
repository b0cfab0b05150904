"""Every kind of search space, by the ``kind`` of its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bonanza.spaces import edge_cell, sequence
from bonanza.spaces.base import InvalidSpace, SearchSpace
from bonanza.spaces.fields import listed, show

_PARSERS: Mapping[str, Callable[[Mapping[str, Any]], SearchSpace]] = {
    **dict.fromkeys(edge_cell.PRESETS, edge_cell.parse),
    "edge_cell": edge_cell.parse,
    "sequence": sequence.parse,
}

_KINDS: tuple[dict[str, Any], ...] = (
    {
        "kind": "nasbench201",
        "description": "The 15,625 cells of NAS-Bench-201: edge_cell with 4 nodes and its 5 ops.",
        "example": {"kind": "nasbench201"},
    },
    {
        "kind": "edge_cell",
        "description": (
            "A complete DAG of 2 to 12 nodes with one of up to 64 ops on each edge. When architectures are compared, "
            'the zero_op ("none" unless said) is cut and the identity_op ("skip_connect" unless said) is contracted.'
        ),
        "example": {"kind": "edge_cell", "nodes": 5, "ops": ["none", "skip_connect", "sep_conv_3x3", "max_pool_3x3"]},
    },
    {
        "kind": "sequence",
        "description": "One choice (a string, a number or a boolean) at each of up to 1,000 named positions.",
        "example": {
            "kind": "sequence",
            "positions": [{"name": "depth", "choices": [2, 3, 4]}, {"name": "block", "choices": ["plain", "residual"]}],
        },
    },
)


def space_from_spec(spec: Mapping[str, Any]) -> SearchSpace:
    """The search space that ``spec`` (JSON) describes; ``space_kinds`` has an example of each kind.

    Raises:
        InvalidSpace: a field is wrong, missing or unknown; ``pointer`` is the field, ``message`` what is allowed.
    """
    if not isinstance(spec, Mapping):
        raise InvalidSpace("", f"must be an object with a kind, one of {listed(_PARSERS)}, not {show(spec)}")
    if "kind" not in spec:
        raise InvalidSpace("/kind", f"is missing; there are {listed(_PARSERS)}")
    kind = spec["kind"]
    if not isinstance(kind, str) or kind not in _PARSERS:
        raise InvalidSpace("/kind", f"must be one of {listed(_PARSERS)}, not {show(kind)}")
    return _PARSERS[kind](spec)


def space_kinds() -> list[dict[str, Any]]:
    """Each kind of spec, with an example to copy: ``{"kind", "description", "example"}``."""
    return [{**kind, "example": dict(kind["example"])} for kind in _KINDS]
