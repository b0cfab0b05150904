"""Cells with an op on each vertex of a DAG, as NAS-Bench-101 has them.

Vertex 0 is the input, the last one the output; each vertex between is op(sum of its sources). Vertices and edges on no
path from input to output are no part of the network, and such edges do not count as edges. A cell is kept as it was
written, with fewer vertices than the space allows or with dead ones.

The graph is the cell itself. Concatenating at the output, as NAS-Bench-101 does, is a sum of sources there as well:
whatever reads the concatenation has weights of its own for each of them, and none of them comes twice.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress
from typing import Any

from bonanza.spaces import nasbench101
from bonanza.spaces.base import Architecture, InvalidArchitecture
from bonanza.spaces.canonical import canonical_form
from bonanza.spaces.catalogue import Catalogue
from bonanza.spaces.cost import Cost
from bonanza.spaces.fields import listed, pointed, read_int, read_list, read_object, show
from bonanza.spaces.genes import Genes
from bonanza.spaces.graph import INPUT, OUTPUT, LabelledDag, graph_id
from bonanza.spaces.mutation import mutated
from bonanza.spaces.node_genome import NodeGenome, edges_of, ops_of, vertices_of
from bonanza.spaces.paths import Paths
from bonanza.spaces.simplification import simplify
from bonanza.spaces.spellings import Spellings
from bonanza.spaces.wiring import live_edges, triangle

MOST_MATRICES = 250_000
"""Matrices without a dead vertex of a space that is counted and enumerated; no space of 7 vertices has more."""
UNIFORM = "uniform"
HALF_EDGE = "half_edge"
SAMPLINGS = (UNIFORM, HALF_EDGE)


@dataclass(frozen=True)
class NodeCell:
    """The space of cells of 2 to ``max_nodes`` vertices; made by ``node_cell``, or of a spec by ``node_cell_spec.parse``."""

    max_nodes: int
    max_edges: int
    ops: tuple[str, ...]
    input: str
    output: str
    sampling: str

    @property
    def kind(self) -> str:
        """The preset's name where there is one, whether the space was spelled so or not."""
        return _NAMES.get(self.sampled(UNIFORM), "node_cell")

    @property
    def zero_op(self) -> None:
        """None: an edge that is not wanted is not there."""

    @property
    def identity_op(self) -> None:
        """None: every op is an op."""

    @property
    def size(self) -> int | None:
        """The number of distinct networks, each counted once; None where there are too many to go through."""
        return self._catalogue.size if self._catalogue else None

    @property
    def paths(self) -> Paths:
        """Any ops, as many as the vertices and edges allow, or none."""
        return Paths(self.ops, 0, min(self.max_nodes - 2, self.max_edges - 1))

    @property
    def choices(self) -> None:
        """None: a cell has as many genes as its vertices need."""

    def spec(self) -> dict[str, Any]:
        """``{"kind": "nasbench101"}``, or the fields; ``input``, ``output`` and ``sampling`` where they are unusual."""
        found: dict[str, Any] = {"kind": self.kind}
        if self.kind not in PRESETS:
            found |= {"max_nodes": self.max_nodes, "max_edges": self.max_edges, "ops": list(self.ops)}
        usual = {"input": INPUT, "output": OUTPUT, "sampling": UNIFORM}
        return found | {name: getattr(self, name) for name, value in usual.items() if getattr(self, name) != value}

    def sample(self, rng: random.Random) -> Architecture:
        """A cell, drawn as ``sampling`` says.

        "uniform": each distinct network with the same chance, in the spelling that ``enumerate`` has; where ``size`` is
        None, each spelling without a dead vertex with the same chance, so that a network of many comes more often.
        "half_edge": what published random searches on NAS-Bench-101 draw from (its ``example.py``, naszilla):
        ``max_nodes`` vertices, each edge with chance 1/2, uniform ops, drawn again until the cell is valid.
        """
        if self.sampling == HALF_EDGE:
            return Architecture(self, self._genome.half_edge(rng))
        return Architecture(self, (self._catalogue or self._spellings).sample(rng))

    def sampled(self, sampling: str) -> NodeCell:
        """The same cells, drawn otherwise."""
        return node_cell(self.max_nodes, self.max_edges, self.ops, self.input, self.output, sampling)

    def mutate(
        self, arch: Architecture, rng: random.Random, *, rate: float = 1.0, silent: bool = False
    ) -> Architecture:
        """A cell of ``max_nodes`` vertices with about ``rate`` other edges and ops (``NodeGenome.mutate``)."""
        genes = arch.genes_in(self)
        return mutated(arch, rng, lambda: Architecture(self, self._genome.mutate(genes, rng, rate=rate)), silent=silent)

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """Every valid cell of as many vertices with one edge more or less, or another op on one vertex."""
        return (Architecture(self, genes) for genes in self._genome.neighbors(arch.genes_in(self)))

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """A cell with each edge and op from one of its parents (``NodeGenome.crossover``)."""
        return Architecture(self, self._genome.crossover(a.genes_in(self), b.genes_in(self), rng))

    def enumerate(self) -> Iterator[Architecture]:
        """One spelling of every network: by the number of vertices, then by wiring, then by ops.

        Raises:
            ValueError: there are too many.
        """
        if self._catalogue is None:
            raise ValueError(
                f"cells of up to {self.max_nodes} vertices and {self.max_edges} edges are endless for every practical "
                "purpose: sample them, or lower max_nodes or max_edges"
            )
        return (Architecture(self, genes) for genes in self._catalogue.enumerate())

    def validate(self, value: object) -> Architecture:
        """The cell of ``{"adjacency": [[0, 1, ...], ...], "ops": ["input", op, ..., "output"]}``.

        As upstream, the limit is on live edges. Deviation from upstream: that on vertices is on all, dead ones too.

        Raises:
            InvalidArchitecture: it is no cell of this space.
        """
        fields = read_object(value, "", InvalidArchitecture, required=("adjacency", "ops"))
        matrix = fields["adjacency"]
        rows = read_list(matrix, "/adjacency", InvalidArchitecture, least=2, most=self.max_nodes, of="rows")
        n = len(rows)
        bits = [bit for i, row in enumerate(rows) for bit in _read_row(row, i, n)]
        ops = read_list(fields["ops"], "/ops", InvalidArchitecture, least=n, most=n, of="ops, one for each row")
        for k, op in enumerate(ops):
            allowed = [self.input] if k == 0 else [self.output] if k == n - 1 else self.ops
            if not isinstance(op, str) or op not in allowed:
                raise InvalidArchitecture(pointed("/ops", k), f"must be one of {listed(allowed)}, not {show(op)}")
        live = live_edges(n, tuple(compress(triangle(n), bits)))
        if not live:
            raise InvalidArchitecture(
                "/adjacency", f"must have a path from vertex 0, the input, to {n - 1}, the output"
            )
        if len(live) > self.max_edges:
            raise InvalidArchitecture(
                "/adjacency", f"must have at most {self.max_edges} edges on paths to the output, not {len(live)}"
            )
        return Architecture(self, (*bits, *[self.ops.index(op) for op in ops[1:-1]]))

    def graph(self, arch: Architecture) -> LabelledDag:
        """The cell as it was written."""
        genes = arch.genes_in(self)
        return LabelledDag((INPUT, *self._ops_of(genes), OUTPUT), edges_of(genes))

    def canonical(self, arch: Architecture) -> LabelledDag:
        """The live part in canonical order."""
        return canonical_form(simplify(self.graph(arch), zero_op=None, identity_op=None).graph)

    def cost(self, arch: Architecture, *, channels: int | None = None) -> Cost | None:
        """NAS-Bench-101's (``nasbench101.cell_cost``) for its ops and up to its 7 vertices; None for all others."""
        genes = arch.genes_in(self)
        if not set(self.ops) <= set(nasbench101.OPS) or self.max_nodes > nasbench101.MAX_VERTICES:
            return None
        ops = (INPUT, *self._ops_of(genes), OUTPUT)
        return nasbench101.cell_cost(ops, edges_of(genes), nasbench101.CHANNELS if channels is None else channels)

    def to_json(self, arch: Architecture) -> dict[str, Any]:
        """``{"adjacency": [[0, 1, ...], ...], "ops": ["input", op, ..., "output"]}``."""
        genes = arch.genes_in(self)
        n, edges = vertices_of(genes), set(edges_of(genes))
        adjacency = [[int((i, j) in edges) for j in range(n)] for i in range(n)]
        return {"adjacency": adjacency, "ops": [self.input, *self._ops_of(genes), self.output]}

    def to_text(self, arch: Architecture) -> str:
        """The compact JSON."""
        return json.dumps(self.to_json(arch), separators=(",", ":"), ensure_ascii=False)

    def identify(self, arch: Architecture) -> str:
        """The id of the canonical graph."""
        return _identify(self, arch.genes_in(self))

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return node_cell, (self.max_nodes, self.max_edges, self.ops, self.input, self.output, self.sampling)

    def _ops_of(self, genes: Genes) -> list[str]:
        return [self.ops[op] for op in ops_of(genes)]

    @cached_property
    def _genome(self) -> NodeGenome:
        return NodeGenome(self.max_nodes, self.max_edges, len(self.ops))

    @cached_property
    def _spellings(self) -> Spellings:
        return Spellings(self.max_nodes, self.max_edges, len(self.ops))

    @cached_property
    def _catalogue(self) -> Catalogue | None:
        few = self._spellings.matrices <= MOST_MATRICES
        return Catalogue(self.max_nodes, self.max_edges, len(self.ops)) if few else None


@lru_cache(maxsize=64)
def node_cell(max_nodes: int, max_edges: int, ops: tuple[str, ...], source: str, sink: str, sampling: str) -> NodeCell:
    """The space; one object for equal arguments, so that unpickled architectures share what it has worked out."""
    return NodeCell(max_nodes, max_edges, ops, source, sink, sampling)


@lru_cache(maxsize=16_384)
def _identify(space: NodeCell, genes: Genes) -> str:
    """Kept for some cells, about 8 MB: searches meet the same ones over and over."""
    return graph_id(space.canonical(Architecture(space, genes)))


def _read_row(row: object, i: int, n: int) -> list[int]:
    """Row ``i`` right of the diagonal; left of it there are zeros."""
    here = pointed("/adjacency", i)
    bits = read_list(row, here, InvalidArchitecture, least=n, most=n, of="columns, one for each row")
    for j, bit in enumerate(bits):
        read_int(bit, pointed(here, j), InvalidArchitecture, least=0, most=1)
        if bit and j <= i:
            raise InvalidArchitecture(
                pointed(here, j),
                "must be 0: an edge leads to a later vertex, so list the vertices in an order in which all edges do",
            )
    return bits[i + 1 :]


PRESETS: Mapping[str, NodeCell] = {
    "nasbench101": node_cell(
        nasbench101.MAX_VERTICES, nasbench101.MAX_EDGES, nasbench101.OPS, nasbench101.INPUT, nasbench101.OUTPUT, UNIFORM
    )
}
_NAMES: Mapping[NodeCell, str] = {space: name for name, space in PRESETS.items()}
