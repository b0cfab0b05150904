"""Cells with an op on each edge of a complete DAG, as NAS-Bench-201 has them.

Node 0 is the input, node j the sum over i < j of op_ij(node i), the last node the output. Genes, JSON and string list
the edges by target, then by source: (0,1), (0,2), (1,2), (0,3), (1,3), (2,3), ..
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from bonanza.spaces import nasbench201
from bonanza.spaces.base import Architecture, InvalidArchitecture, InvalidSpace
from bonanza.spaces.canonical import canonical_form
from bonanza.spaces.cost import Cost
from bonanza.spaces.fields import LONGEST_NAME, listed, pointed, read_int, read_list, read_name, read_object, show
from bonanza.spaces.genes import Genes, Genome
from bonanza.spaces.graph import INPUT, OUTPUT, LabelledDag, graph_id
from bonanza.spaces.kind import Kind, Schema, list_schema, object_schema
from bonanza.spaces.mutation import mutated
from bonanza.spaces.paths import Paths
from bonanza.spaces.simplification import simplify

MOST_NODES = 12
MOST_OPS = 64
DEFAULT_ZERO_OP = "none"
DEFAULT_IDENTITY_OP = "skip_connect"


@dataclass(frozen=True)
class EdgeCell:
    """The space of all cells of ``nodes`` nodes with ``ops``; made by ``edge_cell``, or by ``parse`` of a spec."""

    nodes: int
    ops: tuple[str, ...]
    zero_op: str | None
    identity_op: str | None

    @property
    def kind(self) -> str:
        """The preset's name where there is one, whether the space was spelled so or not."""
        return _NAMES.get(self, "edge_cell")

    @property
    def size(self) -> int:
        """Ops to the power of edges."""
        return self._genome.size

    @property
    def paths(self) -> Paths:
        """An op on each edge that a path takes."""
        return Paths(self.ops, 1, self.nodes - 1)

    @property
    def choices(self) -> tuple[int, ...]:
        """The ops, for each edge."""
        return self._genome.sizes

    def spec(self) -> dict[str, Any]:
        """``{"kind": "nasbench201"}``, or nodes, ops and both special ops."""
        if self in _NAMES:
            return {"kind": _NAMES[self]}
        ops = {"ops": list(self.ops), "zero_op": self.zero_op, "identity_op": self.identity_op}
        return {"kind": "edge_cell", "nodes": self.nodes, **ops}

    def sample(self, rng: random.Random) -> Architecture:
        """A cell whose ops are drawn uniformly, each on its own."""
        return Architecture(self, self._genome.sample(rng))

    def mutate(
        self, arch: Architecture, rng: random.Random, *, rate: float = 1.0, silent: bool = False
    ) -> Architecture:
        """A cell with about ``rate`` other ops, at least one (``Genome.mutate``)."""
        genes = arch.genes_in(self)
        return mutated(arch, rng, lambda: Architecture(self, self._genome.mutate(genes, rng, rate=rate)), silent=silent)

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """Every cell with another op on one edge: 24 in NAS-Bench-201."""
        return (Architecture(self, genes) for genes in self._genome.neighbors(arch.genes_in(self)))

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """A cell with each op from one of its parents."""
        return Architecture(self, self._genome.crossover(a.genes_in(self), b.genes_in(self), rng))

    def enumerate(self) -> Iterator[Architecture]:
        """Every cell, in lexicographic order of the genes."""
        return (Architecture(self, genes) for genes in self._genome.enumerate())

    def validate(self, value: object) -> Architecture:
        """The cell of ``{"edges": [op, ...]}``, or of the official string ``|op~0|+|op~0|op~1|+...``.

        Raises:
            InvalidArchitecture: it is no cell of this space; a string is pointed at as a whole, and its message names
            the edge.
        """
        edges = len(self._genome.sizes)
        if isinstance(value, str):
            ops: list[Any] = list(nasbench201.parse_cell(value))
            if len(ops) != edges:
                raise InvalidArchitecture("", f"a cell of {self.nodes} nodes has {edges} edges, this one {len(ops)}")
        elif not isinstance(value, Mapping):
            raise InvalidArchitecture(
                "", f'must be {{"edges": [op, ...]}} or |op~0|+|op~0|op~1|+..., not {show(value)}'
            )
        else:
            fields = read_object(value, "", InvalidArchitecture, required=("edges",))
            ops = read_list(fields["edges"], "/edges", InvalidArchitecture, least=edges, most=edges, of="ops")
        for k, op in enumerate(ops):
            if not isinstance(op, str) or op not in self._index:
                pointer = "" if isinstance(value, str) else pointed("/edges", k)
                raise InvalidArchitecture(
                    pointer, f"the op on edge {self._ends[k]} must be one of {listed(self.ops)}, not {show(op)}"
                )
        return Architecture(self, tuple([self._index[op] for op in ops]))

    def graph(self, arch: Architecture) -> LabelledDag:
        """The raw graph: the op on edge (i, j) is a node, and its sources are the ops on edges into i, or the input."""
        return LabelledDag((INPUT, *self._ops_of(arch), OUTPUT), self._raw_edges)

    def canonical(self, arch: Architecture) -> LabelledDag:
        """The simplified graph in canonical order."""
        return canonical_form(simplify(self.graph(arch), zero_op=self.zero_op, identity_op=self.identity_op).graph)

    def cost(self, arch: Architecture, *, channels: int | None = None) -> Cost | None:
        """NAS-Bench-201's (``nasbench201.cell_cost``) where the ops are its; None where they are the user's own."""
        if self.kind != "nasbench201":
            return None
        return nasbench201.cell_cost(self._ops_of(arch), nasbench201.CHANNELS if channels is None else channels)

    def to_json(self, arch: Architecture) -> dict[str, Any]:
        """``{"edges": [op, ...]}``."""
        return {"edges": self._ops_of(arch)}

    def to_text(self, arch: Architecture) -> str:
        """NAS-Bench-201's official string."""
        return nasbench201.print_cell(self._ops_of(arch))

    def identify(self, arch: Architecture) -> str:
        """The id of the canonical graph."""
        return _identify(self, arch.genes_in(self))

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return edge_cell, (self.nodes, self.ops, self.zero_op, self.identity_op)

    def _ops_of(self, arch: Architecture) -> list[str]:
        return [self.ops[gene] for gene in arch.genes_in(self)]

    @cached_property
    def _ends(self) -> list[tuple[int, int]]:
        return [(i, j) for j in range(1, self.nodes) for i in range(j)]

    @cached_property
    def _genome(self) -> Genome:
        return Genome((len(self.ops),) * len(self._ends))

    @cached_property
    def _index(self) -> Mapping[str, int]:
        return {op: index for index, op in enumerate(self.ops)}

    @cached_property
    def _raw_edges(self) -> tuple[tuple[int, int], ...]:
        ends, last = self._ends, len(self._ends) + 1
        found = [(0, w) for w, (i, _) in enumerate(ends, start=1) if i == 0]
        found += [(v, w) for v, (_, j) in enumerate(ends, start=1) for w, (i, _) in enumerate(ends, start=1) if i == j]
        found += [(v, last) for v, (_, j) in enumerate(ends, start=1) if j == self.nodes - 1]
        return tuple(sorted(found))


@lru_cache(maxsize=64)
def edge_cell(nodes: int, ops: tuple[str, ...], zero_op: str | None, identity_op: str | None) -> EdgeCell:
    """The space; one object for equal arguments, so that unpickled architectures share what it has worked out."""
    return EdgeCell(nodes, ops, zero_op, identity_op)


@lru_cache(maxsize=16_384)
def _identify(space: EdgeCell, genes: Genes) -> str:
    """Kept for as many cells as NAS-Bench-201 has, some 6 MB: searches meet the same cells over and over."""
    return graph_id(space.canonical(Architecture(space, genes)))


PRESETS: Mapping[str, EdgeCell] = {
    "nasbench201": edge_cell(nasbench201.NODES, nasbench201.OPS, nasbench201.ZERO_OP, nasbench201.IDENTITY_OP)
}
_NAMES: Mapping[EdgeCell, str] = {space: name for name, space in PRESETS.items()}


def parse(spec: Mapping[str, Any]) -> EdgeCell:
    """The space of a spec of this family, whose ``kind`` is "edge_cell" or a preset's name.

    ``zero_op`` and ``identity_op`` may be null: no op is special. Left out, they are "none" and "skip_connect" where
    these are among the ops.

    Raises:
        InvalidSpace: a field is wrong, missing or unknown.
    """
    if spec["kind"] in PRESETS:
        read_object(spec, "", InvalidSpace, required=("kind",))
        return PRESETS[spec["kind"]]
    read_object(spec, "", InvalidSpace, required=("kind", "nodes", "ops"), optional=("zero_op", "identity_op"))
    nodes = read_int(spec["nodes"], "/nodes", InvalidSpace, least=2, most=MOST_NODES)
    ops: list[str] = []
    for k, value in enumerate(read_list(spec["ops"], "/ops", InvalidSpace, least=1, most=MOST_OPS, of="op names")):
        op = read_name(value, pointed("/ops", k), InvalidSpace)
        if op in ops or op in {INPUT, OUTPUT} or "|" in op:
            raise InvalidSpace(
                pointed("/ops", k),
                f'must differ from the other ops, "input" and "output", without a bar; not {show(op)}',
            )
        ops.append(op)
    zero_op = _special(spec, "zero_op", ops, DEFAULT_ZERO_OP)
    identity_op = _special(spec, "identity_op", ops, DEFAULT_IDENTITY_OP)
    if zero_op is not None and zero_op == identity_op:
        raise InvalidSpace("/identity_op", f"must be another op than zero_op, or null; not {show(identity_op)}")
    return edge_cell(nodes, tuple(ops), zero_op, identity_op)


def _special(spec: Mapping[str, Any], name: str, ops: list[str], default: str) -> str | None:
    if name not in spec:
        return default if default in ops else None
    value = spec[name]
    if value is not None and (not isinstance(value, str) or value not in ops):
        raise InvalidSpace(pointed("", name), f"must be null or one of the ops, {listed(ops)}, not {show(value)}")
    return value


_OP: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME}
_TEXT: Schema = {"type": "string", "pattern": r"^\|.*\|$", "description": "|op~0|+|op~0|op~1|+..."}

KINDS = (
    Kind(
        name="nasbench201",
        description="The 15,625 cells of NAS-Bench-201: edge_cell with 4 nodes and its 5 ops.",
        example={"kind": "nasbench201"},
        spec_schema=object_schema({"kind": {"const": "nasbench201"}}),
        architecture_schema={
            "anyOf": [object_schema({"edges": list_schema({"enum": list(nasbench201.OPS)}, least=6, most=6)}), _TEXT]
        },
        parse=parse,
    ),
    Kind(
        name="edge_cell",
        description=(
            "A complete DAG of 2 to 12 nodes with one of up to 64 ops on each edge. When architectures are compared, "
            'the zero_op ("none" unless said) is cut and the identity_op ("skip_connect" unless said) is contracted.'
        ),
        example={"kind": "edge_cell", "nodes": 5, "ops": ["none", "skip_connect", "sep_conv_3x3", "max_pool_3x3"]},
        spec_schema=object_schema(
            {
                "kind": {"const": "edge_cell"},
                "nodes": {"type": "integer", "minimum": 2, "maximum": MOST_NODES},
                "ops": list_schema(_OP, least=1, most=MOST_OPS) | {"uniqueItems": True},
            },
            {name: {"anyOf": [_OP, {"type": "null"}]} for name in ("zero_op", "identity_op")},
        ),
        architecture_schema={
            "anyOf": [
                object_schema({"edges": list_schema(_OP, least=1, most=MOST_NODES * (MOST_NODES - 1) // 2)}),
                _TEXT,
            ]
        },
        parse=parse,
    ),
)
