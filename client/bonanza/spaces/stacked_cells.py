"""Networks stacked of one or two kinds of cell, each of four two-input blocks: DARTS' space and its relatives.

Each cell reads the outputs of the two cells before it, c_{k-2} and c_{k-1}, brought to its own width by 1x1
convolutions with weights; its output is the values of its blocks side by side. A reduction cell's ops on its two
inputs have stride 2, where a skip_connect is a factorised reduction: a layer with weights, and no identity.

Identity is that of the cells. What only the stacking kills is not seen: a normal cell that passes nothing on starves
the whole network, whatever its reduction cell.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from bonanza.spaces.base import Architecture, InvalidArchitecture
from bonanza.spaces.blocks import BLOCKS, BlockGenome
from bonanza.spaces.canonical import canonical_form
from bonanza.spaces.cost import Cost
from bonanza.spaces.darts_network import CHANNELS, Pair, network_cost
from bonanza.spaces.fields import listed, pointed, read_int, read_list, read_object, show
from bonanza.spaces.genotype import Genotype, parse_genotype
from bonanza.spaces.graph import INPUT, OUTPUT, LabelledDag, graph_id
from bonanza.spaces.kind import Schema, list_schema, object_schema
from bonanza.spaces.mutation import mutated
from bonanza.spaces.paths import Paths
from bonanza.spaces.simplification import simplify

OPS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""Names and order of the DARTS repository (quark0/darts cnn/genotypes.py)."""
ZERO_OP = "none"
IDENTITY_OP = "skip_connect"
PAIRS = 2 * BLOCKS
"""Ops with their sources, of a cell."""
CONCAT = range(2, 2 + BLOCKS)
"""The nodes whose values a cell puts side by side, as a genotype numbers them."""
NORMAL = "normal"
"""The role without stride."""
FACTORIZED_REDUCE = "factorized_reduce"
"""The label of a skip_connect of stride 2."""
MEMBER = "concat"
"""The label of one block's share of a cell's output.

Whatever reads the output weighs each share with weights of its own and adds up, so a share is a node: a function of
its block's value, of which the order among the others does not matter.
"""


@dataclass(frozen=True)
class StackedCells:
    """The space of all cells for ``roles``; made by ``stacked_cells``.

    The roles are a normal and a reduction cell, or one cell that is both. ``repeats`` is ``BlockGenome``'s; ``options``
    is what the spec says beside the kind.
    """

    kind: str
    roles: tuple[str, ...]
    ops: tuple[str, ...]
    repeats: bool
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def size(self) -> int:
        """Allowed blocks to the power of their number, each order of a block's two inputs counted."""
        return self._genome.size

    @property
    def zero_op(self) -> str | None:
        """``none``, where it is among the ops."""
        return ZERO_OP if ZERO_OP in self.ops else None

    @property
    def identity_op(self) -> str:
        """``skip_connect``; of stride 2 it is ``factorized_reduce`` in the graph, and is not contracted."""
        return IDENTITY_OP

    @property
    def paths(self) -> Paths:
        """Any labels: the first of a path tells its cell and its input."""
        return Paths()

    @property
    def choices(self) -> tuple[int, ...]:
        """An op and a source, twice for each block."""
        return tuple([size for _ in self.roles for k in range(BLOCKS) for size in (len(self.ops), k + 2) * 2])

    def spec(self) -> dict[str, Any]:
        """The kind, and the options that are not left to their defaults."""
        return {"kind": self.kind, **dict(self.options)}

    def sample(self, rng: random.Random) -> Architecture:
        """Cells whose blocks are drawn uniformly, each on its own."""
        return Architecture(self, self._genome.sample(rng))

    def mutate(
        self, arch: Architecture, rng: random.Random, *, rate: float = 1.0, silent: bool = False
    ) -> Architecture:
        """Cells with about ``rate`` other ops or sources, at least one (``BlockGenome.mutate``)."""
        genes = arch.genes_in(self)
        return mutated(arch, rng, lambda: Architecture(self, self._genome.mutate(genes, rng, rate=rate)), silent=silent)

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """All cells with another op or source at one input: 120 in ``darts``, 96 of an op and 24 of a source."""
        return (Architecture(self, genes) for genes in self._genome.neighbors(arch.genes_in(self)))

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """Cells with each input from one of their parents."""
        return Architecture(self, self._genome.crossover(a.genes_in(self), b.genes_in(self), rng))

    def enumerate(self) -> Iterator[Architecture]:
        """All cells, in lexicographic order of the genes."""
        return (Architecture(self, genes) for genes in self._genome.enumerate())

    def validate(self, value: object) -> Architecture:
        """The cells of ``{role: [[op, source], ... two for each block], ...}``, or of a genotype's text.

        Raises:
            InvalidArchitecture: it is none of this space; a text is pointed at as a whole, and its message names the
            place in the JSON.
        """
        if not isinstance(value, str):
            return self._read(value)
        genotype = parse_genotype(value)
        for field, concat in (("normal_concat", genotype.normal_concat), ("reduce_concat", genotype.reduce_concat)):
            if len(concat) != BLOCKS or sorted(concat) != list(CONCAT):  # the length first: a range may be huge
                raise InvalidArchitecture("", f"{field} must be range(2, 6): a cell's output has all of its nodes")
        if len(self.roles) == 1 and list(genotype.normal) != list(genotype.reduce):
            raise InvalidArchitecture("", "normal and reduce must be equal: the one cell of this space has both roles")
        try:
            return self._read(dict(zip(self.roles, (genotype.normal, genotype.reduce), strict=False)))
        except InvalidArchitecture as refusal:
            raise InvalidArchitecture("", f"{refusal.pointer} {refusal.message}") from None

    def graph(self, arch: Architecture) -> LabelledDag:
        """The raw graph: cells side by side, 14 nodes each: 2 inputs, 8 ops, 4 shares of the output.

        Paths tell the cells and their inputs apart, since they begin with a label as ``normal c_{k-2}``. Where one cell
        has both roles it is drawn as the reduction cell, whose graph tells all that the normal one's does.
        """
        labels: list[str] = [INPUT]
        edges: list[tuple[int, int]] = []
        shares: list[int] = []
        for role, cell in self._cells(arch).items():
            first = len(labels)
            labels += [f"{role} c_{{k-2}}", f"{role} c_{{k-1}}"]
            edges += [(0, first), (0, first + 1)]
            values: list[tuple[int, ...]] = [(first,), (first + 1,)]  # of each source, the nodes that it adds up
            for k, (op, source) in enumerate(cell):
                node = len(labels)
                strided = source < 2 and role != NORMAL
                labels.append(FACTORIZED_REDUCE if strided and op == IDENTITY_OP else op)
                edges += [(v, node) for v in values[source]]
                if k % 2:
                    values.append((node - 1, node))
            for value in values[2:]:
                shares.append(len(labels))
                edges += [(v, len(labels)) for v in value]
                labels.append(MEMBER)
        edges += [(share, len(labels)) for share in shares]
        return LabelledDag((*labels, OUTPUT), tuple(sorted(edges)))

    def canonical(self, arch: Architecture) -> LabelledDag:
        """The simplified graph in canonical order."""
        return canonical_form(simplify(self.graph(arch), zero_op=self.zero_op, identity_op=self.identity_op).graph)

    def cost(self, arch: Architecture, *, channels: int | None = None) -> Cost:
        """That of DARTS' CIFAR network: 36 channels, 20 cells, no auxiliary head (``darts_network.network_cost``)."""
        cells = list(self._cells(arch).values())
        return network_cost(cells[0], cells[-1], CHANNELS if channels is None else channels)

    def to_json(self, arch: Architecture) -> dict[str, Any]:
        """``{role: [[op, source], ...], ...}``."""
        return {role: list(map(list, cell)) for role, cell in self._cells(arch).items()}

    def to_text(self, arch: Architecture) -> str:
        """The genotype of the DARTS repository; one cell with both roles is written twice."""
        cells = list(self._cells(arch).values())
        return repr(Genotype(cells[0], CONCAT, cells[-1], CONCAT))

    def identify(self, arch: Architecture) -> str:
        """The id of the canonical graph."""
        return graph_id(self.canonical(arch))

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return stacked_cells, (self.kind, self.roles, self.ops, self.repeats, self.options)

    def _read(self, value: object) -> Architecture:
        if not isinstance(value, Mapping):
            cells = ", ".join(f'"{role}": [[op, source], ...]' for role in self.roles)
            raise InvalidArchitecture("", f"must be {{{cells}}} or Genotype(normal=[...], ...), not {show(value)}")
        fields = read_object(value, "", InvalidArchitecture, required=self.roles)
        genes: list[int] = []
        for role in self.roles:
            cell = pointed("", role)
            pairs = read_list(fields[role], cell, InvalidArchitecture, least=PAIRS, most=PAIRS, of="[op, source] pairs")
            for k, pair in enumerate(pairs):
                here = pointed(cell, k)
                op, source = read_list(pair, here, InvalidArchitecture, least=2, most=2, of="items, an op and a source")
                if not isinstance(op, str) or op not in self._index:
                    raise InvalidArchitecture(pointed(here, 0), f"must be one of {listed(self.ops)}, not {show(op)}")
                most = k // 2 + 1
                genes += [self._index[op], read_int(source, pointed(here, 1), InvalidArchitecture, least=0, most=most)]
                if k % 2 and not self._genome.allows((genes[-4], genes[-3], genes[-2], genes[-1])):
                    rule = "another op or another source" if self.repeats else "another source"
                    raise InvalidArchitecture(
                        here, f"must have {rule} than the input before it, not {show(op)} of {source}"
                    )
        return Architecture(self, tuple(genes))

    def _cells(self, arch: Architecture) -> dict[str, list[Pair]]:
        genes = arch.genes_in(self)
        pairs = [(self.ops[op], source) for op, source in zip(genes[::2], genes[1::2], strict=True)]
        return {role: pairs[k * PAIRS : (k + 1) * PAIRS] for k, role in enumerate(self.roles)}

    @cached_property
    def _genome(self) -> BlockGenome:
        return BlockGenome(len(self.roles), len(self.ops), self.repeats)

    @cached_property
    def _index(self) -> Mapping[str, int]:
        return {op: index for index, op in enumerate(self.ops)}


@lru_cache(maxsize=16)
def stacked_cells(
    kind: str, roles: tuple[str, ...], ops: tuple[str, ...], repeats: bool, options: tuple[tuple[str, Any], ...] = ()
) -> StackedCells:
    """The space; one object for equal arguments, so that unpickled architectures share what it has worked out."""
    return StackedCells(kind, roles, ops, repeats, options)


def cells_schema(roles: tuple[str, ...]) -> Schema:
    """The schema of an architecture with these roles, as JSON or as a genotype's text."""
    pair = list_schema({}, least=2, most=2) | {
        "prefixItems": [{"enum": list(OPS)}, {"type": "integer", "minimum": 0, "maximum": BLOCKS}]
    }
    text = {
        "type": "string",
        "pattern": r"Genotype\s*\(",
        "description": "Genotype(normal=[('sep_conv_3x3', 1), ...], ...",
    }
    return {"anyOf": [object_schema(dict.fromkeys(roles, list_schema(pair, least=PAIRS, most=PAIRS))), text]}
