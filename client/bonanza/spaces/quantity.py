"""Whole numbers that are worked out of an architecture: what a constraint bounds.

    {"count": "nor_conv_3x3"}                                   ops of the live graph: what simplification leaves
    {"count": "none", "in": "raw"}                              ops of the raw graph, dead or not
    {"count": "max_pool_3x3", "into": "max_pool_3x3"}           edges from op to op; "input", "output" too
    {"count": "none", "in": "/edges/0"}                         values in the wire form, at or below a JSON pointer
    {"measure": "depth"}                                        ops on the longest live path from input to output
    {"measure": "ops"}, {"measure": "edges"}                    of the live graph
    {"measure": "parameters", "channels": 16}, {"measure": "flops"}  of the space's skeleton (``SearchSpace.cost``)

Ops are all nodes of a graph but the input and the output; an edge counts as often as its source is added. The live graph
is the default because it is the network that is computed: what the output never sees adds nothing to its accuracy. Costs
are what the space's formula says, NAS-Bench-201's with the dead ops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from bonanza.spaces.base import Architecture, SearchSpace
from bonanza.spaces.fields import Scalar, scalar_key, show
from bonanza.spaces.graph import LabelledDag
from bonanza.spaces.simplification import simplify

LIVE = "live"
RAW = "raw"
MEASURES = {
    "depth": "depth",
    "ops": "number of live ops",
    "edges": "number of live edges",
    "parameters": "number of parameters",
    "flops": "number of FLOPs",
}
"""How a message calls each."""
COSTS = ("parameters", "flops")

Word = tuple[str, tuple[str, Scalar]]
"""A member of a quantity's JSON and what it names there: an op, or a value as ``scalar_key`` has it."""


class Features:
    """What quantities read of one architecture, each worked out once."""

    def __init__(self, space: SearchSpace, arch: Architecture) -> None:
        """Of ``arch``, an architecture of ``space``."""
        self.space = space
        self.arch = arch

    @cached_property
    def raw(self) -> LabelledDag:
        """The raw graph."""
        return self.space.graph(self.arch)

    @cached_property
    def live(self) -> LabelledDag:
        """The simplified graph, in any order: nothing that is counted depends on it."""
        return simplify(self.raw, zero_op=self.space.zero_op, identity_op=self.space.identity_op).graph

    @cached_property
    def json(self) -> dict[str, Any]:
        """The wire form."""
        return self.space.to_json(self.arch)


class Quantity(Protocol):
    """One of the module's quantities: frozen and hashable; equal quantities have equal JSON."""

    def of(self, features: Features) -> int:
        """The value, from 0."""

    def json(self) -> dict[str, Any]:
        """The shortest JSON of it."""

    def words(self) -> set[Word]:
        """What it names, which the space has to have."""

    def vocabulary(self, features: Features) -> set[Word]:
        """What it could have named in this architecture."""

    @property
    def pointer(self) -> str:
        """Where in the wire form it looks; "" for the architecture as a whole."""

    def __str__(self) -> str:
        """A noun phrase without article."""


@dataclass(frozen=True, slots=True)
class OpCount:
    """Ops of the live or the raw graph; with ``into`` the edges from ``op`` into ``into``."""

    op: str
    into: str | None
    graph: str

    @property
    def pointer(self) -> str:
        """The whole."""
        return ""

    def of(self, features: Features) -> int:
        """The count."""
        graph = features.live if self.graph == LIVE else features.raw
        if self.into is None:
            return graph.labels[1:-1].count(self.op)
        edges = zip(graph.edges, graph.counts, strict=True)
        return sum(n for (v, w), n in edges if graph.labels[v] == self.op and graph.labels[w] == self.into)

    def json(self) -> dict[str, Any]:
        """With ``in`` where it is not the live graph."""
        into = {} if self.into is None else {"into": self.into}
        return {"count": self.op, **into, **({} if self.graph == LIVE else {"in": self.graph})}

    def words(self) -> set[Word]:
        """The op or ops."""
        return {("count", ("str", self.op))} | (set() if self.into is None else {("into", ("str", self.into))})

    def vocabulary(self, features: Features) -> set[Word]:
        """The labels of the raw graph, of which the live ones are some."""
        labels = features.raw.labels
        sources = labels[1:-1] if self.into is None else labels[:-1]
        return {("count", ("str", op)) for op in sources} | {("into", ("str", op)) for op in labels[1:]}

    def __str__(self) -> str:
        what = show(self.op) if self.into is None else f"edges from {show(self.op)} into {show(self.into)}"
        return f"number of {what} in the {self.graph} graph"


@dataclass(frozen=True, slots=True)
class ValueCount:
    """Strings, numbers and booleans that are ``value`` in the wire form, at or below ``pointer``."""

    value: tuple[str, Scalar]
    pointer: str

    def of(self, features: Features) -> int:
        """The count; 0 where the pointer leads nowhere, as in an architecture with fewer positions."""
        return sum(scalar_key(value) == self.value for value in _scalars(_found(features.json, self.pointer)))

    def json(self) -> dict[str, Any]:
        """Both members."""
        return {"count": self.value[1], "in": self.pointer}

    def words(self) -> set[Word]:
        """The value."""
        return {("count", self.value)}

    def vocabulary(self, features: Features) -> set[Word]:
        """The values there."""
        keys = map(scalar_key, _scalars(_found(features.json, self.pointer)))
        return {("count", key) for key in keys if key is not None}

    def __str__(self) -> str:
        return f"number of {show(self.value[1])} in {self.pointer}"


@dataclass(frozen=True, slots=True)
class Measure:
    """Depth, ops or edges of the live graph, or parameters or FLOPs at so many channels."""

    name: str
    channels: int | None

    @property
    def pointer(self) -> str:
        """The whole."""
        return ""

    def of(self, features: Features) -> int:
        """The value; of a cost only where the space has a formula."""
        if self.name in COSTS:
            cost = features.space.cost(features.arch, channels=self.channels)
            assert cost is not None, "constraints on costs that a space does not know are refused"
            return cost.parameters if self.name == "parameters" else cost.flops
        if self.name == "depth":
            return _depth(features.live)
        return len(features.live.labels) - 2 if self.name == "ops" else sum(features.live.counts)

    def json(self) -> dict[str, Any]:
        """With the channels where they are not the published ones."""
        return {"measure": self.name} | ({} if self.channels is None else {"channels": self.channels})

    def words(self) -> set[Word]:
        """None."""
        return set()

    def vocabulary(self, features: Features) -> set[Word]:  # noqa: ARG002 - the protocol's
        """None."""
        return set()

    def __str__(self) -> str:
        return MEASURES[self.name] + ("" if self.channels is None else f" at {self.channels} channels")


def _depth(live: LabelledDag) -> int:
    """Ops on the longest path to the output; 0 if nothing leads there."""
    depth = [0] * len(live.labels)  # of a node's output
    for v, sources in enumerate(live.predecessors()):
        depth[v] = max((depth[u] for u, _ in sources), default=0) + (v > 0)
    return max(0, depth[-1] - 1)


def _found(value: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to, None if nowhere."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list | tuple) and key.isascii() and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _scalars(value: Any) -> Iterator[Any]:
    """The values at every depth that are neither list nor object; on a stack of its own."""
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend(value.values())
        elif isinstance(value, list | tuple):
            stack.extend(value)
        else:
            yield value
