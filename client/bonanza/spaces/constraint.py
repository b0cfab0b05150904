"""Constraints: the least and the most that a quantity of an architecture may be.

``{"count": "nor_conv_3x3", "most": 2}``, ``{"measure": "parameters", "channels": 16, "most": 1000000}``: ``"most": 0``
forbids, equal bounds prescribe. The quantities are in ``quantity``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bonanza.spaces.base import InvalidSpace
from bonanza.spaces.fields import (
    LARGEST,
    LONGEST_NAME,
    listed,
    pointed,
    read_int,
    read_list,
    read_name,
    read_object,
    read_scalar,
    scalar_key,
    show,
)
from bonanza.spaces.kind import Schema, list_schema, object_schema
from bonanza.spaces.quantity import COSTS, LIVE, MEASURES, RAW, Measure, OpCount, Quantity, ValueCount

MOST_CONSTRAINTS = 32
MOST_CHANNELS = 10_000
BOUNDS = ("least", "most")


@dataclass(frozen=True, slots=True)
class Constraint:
    """``least`` <= quantity <= ``most``; None: any number."""

    quantity: Quantity
    least: int
    most: int | None

    def excess(self, value: int) -> float:
        """How far ``value`` is outside, as a share of the bound, so that parameters weigh no more than ops; 0 inside."""
        if value < self.least:
            return (self.least - value) / self.least
        return (value - self.most) / max(1, self.most) if self.most is not None and value > self.most else 0.0

    def missed(self, value: int) -> str:
        """The bound that ``value`` misses."""
        return "least" if value < self.least else "most"

    def refusal(self, value: int) -> str:
        """What somebody is told whose architecture has ``value`` of the quantity."""
        if self.most is None:
            allowed = f"at least {self.least:,}"
        elif self.least == self.most:
            allowed = f"{self.most:,}"
        else:
            allowed = f"{self.least:,} to {self.most:,}" if self.least else f"at most {self.most:,}"
        return f"the {self.quantity} is {value:,} and must be {allowed}: the space has the constraint {self}"

    def __str__(self) -> str:
        return json.dumps(self.json(), ensure_ascii=False)

    def json(self) -> dict[str, Any]:
        """The shortest JSON of it."""
        least = {"least": self.least} if self.least else {}
        return {**self.quantity.json(), **least, **({} if self.most is None else {"most": self.most})}


def tightest(constraints: Iterable[Constraint]) -> tuple[Constraint, ...]:
    """The same in one constraint a quantity, without those that allow everything, in an order of their own."""
    found: dict[Quantity, Constraint] = {}
    for constraint in constraints:
        quantity = constraint.quantity
        other = found.get(quantity, Constraint(quantity, 0, None))
        mosts = [most for most in (constraint.most, other.most) if most is not None]
        found[quantity] = Constraint(quantity, max(constraint.least, other.least), min(mosts, default=None))
    bounding = [constraint for constraint in found.values() if constraint.least or constraint.most is not None]
    return tuple(sorted(bounding, key=lambda constraint: json.dumps(constraint.json())))


def read_constraints(values: object) -> list[Constraint]:
    """The constraints of the member ``constraints`` of a spec, in its order.

    Raises:
        InvalidSpace: one is not in the form, or its bounds contradict each other or those of one before it.
    """
    found: list[Constraint] = []
    for k, value in enumerate(
        read_list(values, "/constraints", InvalidSpace, least=0, most=MOST_CONSTRAINTS, of="constraints")
    ):
        here = pointed("/constraints", k)
        quantity = read_quantity(value, here, besides=BOUNDS)
        bounds = {
            bound: read_int(value[bound], pointed(here, bound), InvalidSpace, least=0, most=LARGEST)
            for bound in BOUNDS
            if bound in value
        }
        if not bounds:
            raise InvalidSpace(
                here, 'must have "least" or "most", or both: a constraint without bounds allows everything'
            )
        found.append(Constraint(quantity, bounds.get("least", 0), bounds.get("most")))
        for j, other in enumerate(found):
            if other.quantity == quantity:
                _refuse_contradiction(k, found[k], j, other)
    return found


def read_quantity(value: object, here: str, *, besides: tuple[str, ...]) -> Quantity:
    """The quantity of ``value``, an object whose members ``besides`` are somebody else's.

    Raises:
        InvalidSpace: a member is wrong, missing or unknown, pointed at from ``here``.
    """
    if not isinstance(value, Mapping) or not ("count" in value or "measure" in value):
        raise InvalidSpace(here, f'must be an object with "count" or "measure", not {show(value)}')
    if "measure" in value:
        return _read_measure(
            read_object(value, here, InvalidSpace, required=("measure",), optional=("channels", *besides)), here
        )
    fields = read_object(value, here, InvalidSpace, required=("count",), optional=("in", "into", *besides))
    place = fields.get("in", LIVE)
    if not isinstance(place, str) or not (place in {LIVE, RAW} or place.startswith("/")):
        allowed = f'"{LIVE}", "{RAW}" or a JSON pointer into an architecture'
        raise InvalidSpace(pointed(here, "in"), f"must be {allowed}, such as /edges/0; not {show(place)}")
    if place.startswith("/"):
        if "into" in fields:
            raise InvalidSpace(
                pointed(here, "into"), f"is for edges of the {LIVE} or the {RAW} graph, not for {show(place)}"
            )
        key = scalar_key(read_scalar(fields["count"], pointed(here, "count"), InvalidSpace))
        assert key is not None, "a scalar has a key"
        return ValueCount(key, read_name(place, pointed(here, "in"), InvalidSpace))
    op = read_name(fields["count"], pointed(here, "count"), InvalidSpace)
    into = read_name(fields["into"], pointed(here, "into"), InvalidSpace) if "into" in fields else None
    return OpCount(op, into, place)


def _read_measure(fields: Mapping[str, Any], here: str) -> Measure:
    name = fields["measure"]
    if not isinstance(name, str) or name not in MEASURES:
        raise InvalidSpace(pointed(here, "measure"), f"must be one of {listed(MEASURES)}, not {show(name)}")
    if "channels" not in fields:
        return Measure(name, None)
    if name not in COSTS:
        raise InvalidSpace(pointed(here, "channels"), f"is for {listed(COSTS)}; {show(name)} does not depend on it")
    return Measure(
        name, read_int(fields["channels"], pointed(here, "channels"), InvalidSpace, least=1, most=MOST_CHANNELS)
    )


def _refuse_contradiction(k: int, constraint: Constraint, j: int, other: Constraint) -> None:
    """Refuse constraint ``k`` if it leaves no number to constraint ``j``, ``other``: itself or one before it."""
    whose = "its own" if j == k else f"/constraints/{j} has"
    if constraint.most is not None and constraint.most < other.least:
        pointer = f"/constraints/{k}/most"
        raise InvalidSpace(pointer, f'must be {other.least} or more, as {whose} "least"; not {constraint.most}')
    if other.most is not None and constraint.least > other.most:
        pointer = f"/constraints/{k}/least"
        raise InvalidSpace(pointer, f'must be {other.most} or less, as {whose} "most"; not {constraint.least}')


def _quantity_schemas(besides: Mapping[str, Schema]) -> list[dict[str, Any]]:
    """The JSON Schemas of all forms, each with the members ``besides``."""
    op = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
    channels = {"type": "integer", "minimum": 1, "maximum": MOST_CHANNELS}
    return [
        object_schema({"count": op}, {"in": {"enum": [LIVE, RAW]}, "into": op, **besides}),
        object_schema({"count": {"type": ["string", "number", "boolean"]}, "in": {**op, "pattern": "^/"}}, besides),
        object_schema({"measure": {"enum": [name for name in MEASURES if name not in COSTS]}}, besides),
        object_schema({"measure": {"enum": list(COSTS)}}, {"channels": channels, **besides}),
    ]


def with_constraints(spec_schema: Schema) -> dict[str, Any]:
    """The schema of a kind's spec, which may have constraints too."""
    if "properties" in spec_schema:
        return {**spec_schema, "properties": {**spec_schema["properties"], "constraints": _CONSTRAINTS}}
    branches = next(key for key in ("anyOf", "oneOf") if key in spec_schema)
    return {**spec_schema, branches: [with_constraints(branch) for branch in spec_schema[branches]]}


_BOUND: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST}
_CONSTRAINTS: Schema = list_schema(
    {
        "oneOf": _quantity_schemas(dict.fromkeys(BOUNDS, _BOUND)),
        "anyOf": [{"required": [bound]} for bound in BOUNDS],
    },
    least=0,
    most=MOST_CONSTRAINTS,
)
