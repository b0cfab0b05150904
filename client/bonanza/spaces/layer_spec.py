"""The rules of a space of layer networks, as its spec has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from bonanza.spaces.base import InvalidSpace
from bonanza.spaces.fields import listed, pointed, read_int, read_list, read_object, show
from bonanza.spaces.kind import Schema, list_schema, object_schema
from bonanza.spaces.layer import CNN, MLP
from bonanza.spaces.layer_rules import Rules

MOST_LAYERS = 100
MOST_EDGES = 500
MOST_UNITS = 65_536
MOST_MASS = 2**53
"""What can be asked for at most; a network of so many layers, built to be as symmetric as can be, gets its id in a second."""

DECISIONS: Mapping[str, tuple[str, ...]] = {CNN: ("softmax",), MLP: ("linear", "softmax")}
"""The decision layers of each flavour; the first unless said, as in the original's demos."""

_RANGES = {"layers": (4, MOST_LAYERS), "units": (1, MOST_UNITS)}
_NUMBERS = {"edges": (3, MOST_EDGES), "in_degree": (1, MOST_LAYERS), "out_degree": (1, MOST_LAYERS)}
_BOUNDS = tuple(field.name for field in fields(Rules) if field.name != "flavour")


def default_rules(flavour: str) -> Rules:
    """The rules of the original's demo."""
    return Rules(flavour, DECISIONS[flavour][0])


def rules_json(rules: Rules) -> dict[str, Any]:
    """The flavour, and what differs from its defaults."""
    default = default_rules(rules.flavour)
    spec: dict[str, Any] = {"flavour": rules.flavour}
    for name in _BOUNDS:
        value = getattr(rules, name)
        if value != getattr(default, name):
            spec[name] = list(value) if isinstance(value, tuple) else value
    return spec


def read_rules(spec: Mapping[str, Any]) -> Rules:
    """The rules that a spec asks for.

    Raises:
        InvalidSpace: a field is wrong, missing or unknown.
    """
    read_object(spec, "", InvalidSpace, required=("kind", "flavour"), optional=_BOUNDS)
    flavour = _read_choice(spec["flavour"], "/flavour", tuple(DECISIONS))
    found: dict[str, Any] = {"decision": DECISIONS[flavour][0]}
    if "decision" in spec:
        found["decision"] = _read_choice(spec["decision"], "/decision", DECISIONS[flavour])
    for name, (least, most) in _RANGES.items():
        if name in spec:
            found[name] = _read_range(spec[name], pointed("", name), least, most, open_end=False)
    if "mass" in spec:
        found["mass"] = _read_range(spec["mass"], "/mass", 0, MOST_MASS, open_end=True)
    for name, (least, most) in _NUMBERS.items():
        if name in spec:
            found[name] = read_int(spec[name], pointed("", name), InvalidSpace, least=least, most=most)
    if spec.get("halvings") is not None:
        if flavour != CNN:
            raise InvalidSpace("/halvings", "must be left out: a perceptron has no image to halve")
        found["halvings"] = read_int(spec["halvings"], "/halvings", InvalidSpace, least=0, most=MOST_LAYERS)
    return Rules(flavour, **found)


def _read_choice(value: object, pointer: str, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise InvalidSpace(pointer, f"must be one of {listed(choices)}, not {show(value)}")
    return value


def _read_range(value: object, pointer: str, least: int, most: int, *, open_end: bool) -> tuple[int, int | None]:
    low, high = read_list(value, pointer, InvalidSpace, least=2, most=2, of="numbers, [least, most]")
    first = read_int(low, pointed(pointer, 0), InvalidSpace, least=least, most=most)
    if high is None and open_end:
        return first, None
    return first, read_int(high, pointed(pointer, 1), InvalidSpace, least=first, most=most)


def _range_schema(least: int, most: int, *, open_end: bool = False) -> Schema:
    number = {"type": "integer", "minimum": least, "maximum": most}
    return list_schema({"anyOf": [number, {"type": "null"}]} if open_end else number, least=2, most=2)


SPEC_SCHEMA: Schema = object_schema(
    {"kind": {"const": "layer_graph"}, "flavour": {"enum": list(DECISIONS)}},
    {
        "decision": {"enum": ["softmax", "linear"]},
        **{name: _range_schema(*bounds) for name, bounds in _RANGES.items()},
        "mass": _range_schema(0, MOST_MASS, open_end=True),
        **{name: {"type": "integer", "minimum": least, "maximum": most} for name, (least, most) in _NUMBERS.items()},
        "halvings": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MOST_LAYERS}, {"type": "null"}]},
    },
)
