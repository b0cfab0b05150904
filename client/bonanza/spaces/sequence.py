"""Lists of categorical choices, one for each named position: macro spaces, sub-networks of a supernet.

The graph is a chain of one node a position, labelled ``name=choice``. A chain has one order only, so it is its own
canonical form, and two architectures of a space are one network only if they are equal.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from bonanza.spaces.base import Architecture, InvalidArchitecture, InvalidSpace
from bonanza.spaces.cost import Cost
from bonanza.spaces.fields import (
    LONGEST_NAME,
    Scalar,
    listed,
    pointed,
    read_list,
    read_name,
    read_object,
    read_scalar,
    scalar_key,
    show,
)
from bonanza.spaces.genes import Genome
from bonanza.spaces.graph import INPUT, OUTPUT, LabelledDag, graph_id
from bonanza.spaces.kind import Kind, Schema, list_schema, object_schema
from bonanza.spaces.mutation import mutated

MOST_POSITIONS = 1_000
MOST_CHOICES = 1_000


@dataclass(frozen=True, slots=True)
class Position:
    """One choice to make: its name, the choices in the order of the genes, and how a label prints each."""

    name: str
    choices: tuple[Scalar, ...]
    printed: tuple[str, ...]


@dataclass(frozen=True)
class Sequence:
    """The space of all lists of choices; made by ``sequence``, or by ``parse`` of a spec.

    ``positions_json`` is the one field, because JSON tells 1 from true where Python's == does not.
    """

    positions_json: str

    @property
    def kind(self) -> str:
        """The only kind of this family."""
        return "sequence"

    @property
    def zero_op(self) -> str | None:
        """None: there are no special choices."""
        return None

    @property
    def identity_op(self) -> str | None:
        """None: there are no special choices."""
        return None

    @property
    def size(self) -> int:
        """The product of the numbers of choices."""
        return self._genome.size

    @property
    def paths(self) -> None:
        """None: the chain is the only path."""

    @property
    def choices(self) -> tuple[int, ...]:
        """The number of choices at each position."""
        return self._genome.sizes

    @cached_property
    def positions(self) -> tuple[Position, ...]:
        """What is chosen, in the order of the genes."""
        found = json.loads(self.positions_json)
        return tuple(Position(p["name"], tuple(p["choices"]), tuple(map(_printed, p["choices"]))) for p in found)

    def spec(self) -> dict[str, Any]:
        """The positions and their choices; whole numbers are integers, however they were written."""
        return {"kind": "sequence", "positions": json.loads(self.positions_json)}

    def sample(self, rng: random.Random) -> Architecture:
        """A list whose choices are drawn uniformly, each on its own."""
        return Architecture(self, self._genome.sample(rng))

    def mutate(
        self, arch: Architecture, rng: random.Random, *, rate: float = 1.0, silent: bool = False
    ) -> Architecture:
        """A list with about ``rate`` other choices, at least one (``Genome.mutate``)."""
        genes = arch.genes_in(self)
        return mutated(arch, rng, lambda: Architecture(self, self._genome.mutate(genes, rng, rate=rate)), silent=silent)

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """Every list with another choice at one position."""
        return (Architecture(self, genes) for genes in self._genome.neighbors(arch.genes_in(self)))

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """A list with each choice from one of its parents."""
        return Architecture(self, self._genome.crossover(a.genes_in(self), b.genes_in(self), rng))

    def enumerate(self) -> Iterator[Architecture]:
        """Every list, in lexicographic order of the genes."""
        return (Architecture(self, genes) for genes in self._genome.enumerate())

    def validate(self, value: object) -> Architecture:
        """The architecture of ``{"choices": [choice, ...]}``; 1.0 is 1, but "1" and true are not.

        Raises:
            InvalidArchitecture: it is none of this space.
        """
        n = len(self.positions)
        fields = read_object(value, "", InvalidArchitecture, required=("choices",))
        genes = []
        for k, choice in enumerate(
            read_list(fields["choices"], "/choices", InvalidArchitecture, least=n, most=n, of="choices")
        ):
            gene = self._index[k].get(scalar_key(choice))
            if gene is None:
                position = self.positions[k]
                raise InvalidArchitecture(
                    pointed("/choices", k),
                    f"{show(position.name)} must be one of {listed(position.choices)}, not {show(choice)}",
                )
            genes.append(gene)
        return Architecture(self, tuple(genes))

    def graph(self, arch: Architecture) -> LabelledDag:
        """A chain of the choices in order."""
        pairs = zip(self.positions, arch.genes_in(self), strict=True)
        labels = (INPUT, *[f"{position.name}={position.printed[gene]}" for position, gene in pairs], OUTPUT)
        return LabelledDag(labels, tuple((k, k + 1) for k in range(len(labels) - 1)))

    def canonical(self, arch: Architecture) -> LabelledDag:
        """The graph itself."""
        return self.graph(arch)

    def cost(self, arch: Architecture, *, channels: int | None = None) -> Cost | None:  # noqa: ARG002 - the protocol's
        """None: what the choices mean is the user's."""
        arch.genes_in(self)
        return None

    def to_json(self, arch: Architecture) -> dict[str, Any]:
        """``{"choices": [choice, ...]}``."""
        return {"choices": [p.choices[gene] for p, gene in zip(self.positions, arch.genes_in(self), strict=True)]}

    def to_text(self, arch: Architecture) -> str:
        """The compact JSON."""
        return json.dumps(self.to_json(arch), separators=(",", ":"), ensure_ascii=False)

    def identify(self, arch: Architecture) -> str:
        """The id of the chain."""
        return graph_id(self.graph(arch))

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return sequence, (self.positions_json,)

    @cached_property
    def _genome(self) -> Genome:
        return Genome(tuple(len(position.choices) for position in self.positions))

    @cached_property
    def _index(self) -> list[dict[object, int]]:
        return [{scalar_key(choice): gene for gene, choice in enumerate(p.choices)} for p in self.positions]


@lru_cache(maxsize=8)
def sequence(positions_json: str) -> Sequence:
    """The space; one object for equal arguments, so that unpickled architectures share what it has worked out."""
    return Sequence(positions_json)


def parse(spec: Mapping[str, Any]) -> Sequence:
    """The space of ``{"kind": "sequence", "positions": [{"name": ..., "choices": [...]}, ...]}``.

    Choices are strings, finite numbers or booleans, and no two choices of a position read alike.

    Raises:
        InvalidSpace: a field is wrong, missing or unknown.
    """
    read_object(spec, "", InvalidSpace, required=("kind", "positions"))
    values = read_list(spec["positions"], "/positions", InvalidSpace, least=1, most=MOST_POSITIONS, of="positions")
    positions: list[dict[str, Any]] = []
    names: set[str] = set()
    for k, value in enumerate(values):
        here = pointed("/positions", k)
        fields = read_object(value, here, InvalidSpace, required=("name", "choices"))
        name = read_name(fields["name"], pointed(here, "name"), InvalidSpace)
        if name in names:
            raise InvalidSpace(pointed(here, "name"), f"must differ from the names before it, not {show(name)} again")
        names.add(name)
        positions.append({"name": name, "choices": _read_choices(fields["choices"], pointed(here, "choices"))})
    return sequence(json.dumps(positions, separators=(",", ":")))


def _read_choices(values: object, pointer: str) -> list[Scalar]:
    choices: dict[str, Scalar] = {}
    for k, value in enumerate(read_list(values, pointer, InvalidSpace, least=1, most=MOST_CHOICES, of="choices")):
        choice = read_scalar(value, pointed(pointer, k), InvalidSpace)
        printed = _printed(choice)
        if printed in choices:
            raise InvalidSpace(pointed(pointer, k), f"must not read like a choice before it, as {show(choice)} does")
        choices[printed] = choice
    return list(choices.values())


def _printed(choice: Scalar) -> str:
    """A string as it is, anything else as JSON."""
    if isinstance(choice, bool):
        return "true" if choice else "false"
    return str(choice)


_CHOICE: Schema = {"type": ["string", "number", "boolean"]}

KINDS = (
    Kind(
        name="sequence",
        description="One choice (a string, a number or a boolean) at each of up to 1,000 named positions.",
        example={
            "kind": "sequence",
            "positions": [{"name": "depth", "choices": [2, 3, 4]}, {"name": "block", "choices": ["plain", "residual"]}],
        },
        spec_schema=object_schema(
            {
                "kind": {"const": "sequence"},
                "positions": list_schema(
                    object_schema(
                        {
                            "name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
                            "choices": list_schema(_CHOICE, least=1, most=MOST_CHOICES),
                        }
                    ),
                    least=1,
                    most=MOST_POSITIONS,
                ),
            }
        ),
        architecture_schema=object_schema({"choices": list_schema(_CHOICE, least=1, most=MOST_POSITIONS)}),
        parse=parse,
    ),
)
