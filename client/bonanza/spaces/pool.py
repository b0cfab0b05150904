"""Pools: any space restricted to a list of its architectures, such as those that a table has measured.

A pool holds each network once, spelled as it was listed first. Where an architecture is asked for, any spelling of a
member will do, and the answer is the member. All that concerns one architecture is what the space it is taken from says
of it; the moves are between members.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

from bonanza.spaces.base import Architecture, InvalidArchitecture, InvalidSpace, SearchSpace
from bonanza.spaces.cost import Cost
from bonanza.spaces.fields import pointed, read_list, read_object
from bonanza.spaces.graph import LabelledDag
from bonanza.spaces.kind import Kind, list_schema, object_schema, parse_spec
from bonanza.spaces.mutation import mutated, walked
from bonanza.spaces.nearness import Nearness
from bonanza.spaces.paths import Paths
from bonanza.spaces.simplification import simplify

MOST_MEMBERS = 100_000
NEIGHBOURS = 32
"""Neighbours of a member at least: one more than what is left of it, NAS-Bench-201's 24, would be too few to choose from."""
MOST_EDITS = 2_000
"""Edits of a member that are looked up; in the largest spaces it has a million."""
MOST_LOOKS = 2_048
"""Members whose neighbours are kept."""

Genes = tuple[Any, ...]


@dataclass(frozen=True)
class Pool:
    """The members, in the order they were listed; made by ``pool``, or by the ``parse`` of ``kinds_within``.

    An architecture's genes are those it has in ``of``. ``digest`` is of the members' genes: it stands for them where
    pools are compared and hashed.
    """

    of: SearchSpace
    members: tuple[Genes, ...] = field(compare=False, repr=False)
    ids: tuple[str, ...] = field(compare=False, repr=False)
    digest: str

    @property
    def kind(self) -> str:
        """The only kind of this family."""
        return "pool"

    @property
    def zero_op(self) -> str | None:
        """That of the space it is taken from."""
        return self.of.zero_op

    @property
    def identity_op(self) -> str | None:
        """That of the space it is taken from."""
        return self.of.identity_op

    @property
    def size(self) -> int:
        """The number of members."""
        return len(self.members)

    @property
    def paths(self) -> Paths | None:
        """Those of the space it is taken from."""
        return self.of.paths

    @property
    def choices(self) -> tuple[int, ...] | None:
        """Those of the space it is taken from, as the genes are."""
        return self.of.choices

    def spec(self) -> dict[str, Any]:
        """The space it is taken from, and the members' JSON."""
        members = [Architecture(self.of, genes).json for genes in self.members]
        return {"kind": "pool", "of": self.of.spec(), "architectures": members}

    def plain(self, arch: Architecture) -> Architecture:
        """The same architecture, of the space that the pool is taken from."""
        return Architecture(self.of, arch.genes_in(self))

    def sample(self, rng: random.Random) -> Architecture:
        """A member, uniformly."""
        return Architecture(self, rng.choice(self.members))

    def mutate(
        self, arch: Architecture, rng: random.Random, *, rate: float = 1.0, silent: bool = False
    ) -> Architecture:
        """The member at the end of ``rate`` steps between neighbours (``walked``)."""
        arch.genes_in(self)
        return mutated(arch, rng, lambda: walked(arch, rng, rate=rate), silent=silent)

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """The members one edit away in ``of``, then, up to ``NEIGHBOURS`` in all, the nearest others.

        One edit is between the spellings listed; of more than ``MOST_EDITS`` edits the first are looked up. The distance
        is that of ``nearness``, on simplified graphs; of equal ones, those listed first. A member may be among the
        nearest of another that is not among its own.
        """
        return (Architecture(self, genes) for genes in self._neighbors(arch.genes_in(self)))

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """The child that ``of`` makes if it is a member, else the member nearest to it (``nearness``)."""
        child = self.of.crossover(self.plain(a), self.plain(b), rng)
        member = self._member(child)
        if member is None:
            member = self.members[next(self._nearness.nearest(_live(child)))]
        return Architecture(self, member)

    def enumerate(self) -> Iterator[Architecture]:
        """Every member, in the order they were listed."""
        return (Architecture(self, genes) for genes in self.members)

    def validate(self, value: object) -> Architecture:
        """The member whose network ``value``, any form and spelling that ``of`` takes, is.

        Raises:
            InvalidArchitecture: it is no architecture of ``of``, or no member.
        """
        arch = self.of.validate(value)
        member = self._member(arch)
        if member is None:
            raise InvalidArchitecture(
                "", f"must be one of the {self.size:,} architectures of the pool, not {arch.text}"
            )
        return Architecture(self, member)

    def graph(self, arch: Architecture) -> LabelledDag:
        """The raw graph of the member as it was listed."""
        return self.of.graph(self.plain(arch))

    def canonical(self, arch: Architecture) -> LabelledDag:
        """The simplified graph in canonical order."""
        return self.of.canonical(self.plain(arch))

    def cost(self, arch: Architecture, *, channels: int | None = None) -> Cost | None:
        """What ``of`` says."""
        return self.of.cost(self.plain(arch), channels=channels)

    def to_json(self, arch: Architecture) -> dict[str, Any]:
        """The JSON of the spelling listed, also where the list had it as a string."""
        return self.of.to_json(self.plain(arch))

    def to_text(self, arch: Architecture) -> str:
        """The text of the spelling listed."""
        return self.of.to_text(self.plain(arch))

    def identify(self, arch: Architecture) -> str:
        """The id, worked out when the pool was made."""
        return self.ids[self._places[arch.genes_in(self)]]

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return pool, (self.of, self.members, self.ids, self.digest)

    def _member(self, arch: Architecture) -> Genes | None:
        """The genes, as listed, of the member that an architecture of ``of`` is; None if it is none."""
        if arch.genes in self._places:
            return arch.genes
        place = self._ids.get(arch.arch_id)
        return None if place is None else self.members[place]

    def _find_neighbors(self, genes: Genes) -> tuple[Genes, ...]:
        arch = Architecture(self.of, genes)
        edits = (edited.genes for edited in islice(self.of.neighbors(arch), MOST_EDITS))
        found = dict.fromkeys(edited for edited in edits if edited in self._places)
        for place in islice(self._nearness.nearest(_live(arch)), len(found) + NEIGHBOURS + 1):
            if len(found) >= NEIGHBOURS:
                break
            if self.members[place] != genes:
                found[self.members[place]] = None
        return tuple(found)

    @cached_property
    def _neighbors(self) -> Callable[[Genes], tuple[Genes, ...]]:
        return lru_cache(maxsize=MOST_LOOKS)(self._find_neighbors)

    @cached_property
    def _nearness(self) -> Nearness:
        return Nearness(_live(Architecture(self.of, genes)) for genes in self.members)

    @cached_property
    def _places(self) -> Mapping[Genes, int]:
        return {genes: place for place, genes in enumerate(self.members)}

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        return {arch_id: place for place, arch_id in enumerate(self.ids)}


def _live(arch: Architecture) -> LabelledDag:
    space = arch.space
    return simplify(space.graph(arch), zero_op=space.zero_op, identity_op=space.identity_op).graph


@dataclass(frozen=True)
class _Listed:
    """A list as it was read, by which the pool that was made of it is found again."""

    of: SearchSpace
    genes: tuple[Genes, ...] = field(compare=False)
    digest: str


@lru_cache(maxsize=8)
def _folded(listed: _Listed) -> Pool:
    """The pool of a list. The ids take seconds for the largest lists, which one process reads over and over."""
    first: dict[str, Genes] = {}
    for genes in listed.genes:
        first.setdefault(Architecture(listed.of, genes).arch_id, genes)
    members = tuple(first.values())
    return pool(listed.of, members, tuple(first), _digest(members))


@lru_cache(maxsize=8)
def _one(found: Pool) -> Pool:
    return found


def pool(of: SearchSpace, members: tuple[Genes, ...], ids: tuple[str, ...], digest: str) -> Pool:
    """The pool; one object for equal arguments, so that unpickled architectures share what it has worked out."""
    return _one(Pool(of, members, ids, digest))


def _digest(genes: tuple[Genes, ...]) -> str:
    return hashlib.blake2b(repr(genes).encode(), digest_size=20).hexdigest()


def kinds_within(kinds: Mapping[str, Kind], within: Mapping[str, Kind]) -> tuple[Kind, ...]:
    """The kind of pools that are taken from spaces of ``within``, described by ``kinds``; there are none of pools."""

    def parse(spec: Mapping[str, Any]) -> Pool:
        """The pool of ``{"kind": "pool", "of": {...}, "architectures": [...]}``; of equal networks the first.

        Raises:
            InvalidSpace: a field is wrong, missing or unknown, or an item is no architecture of ``of``.
        """
        read_object(spec, "", InvalidSpace, required=("kind", "of", "architectures"))
        here = "/architectures"
        try:
            of = parse_spec(spec["of"], within)
        except InvalidSpace as error:
            raise InvalidSpace("/of" + error.pointer, error.message) from error
        values = read_list(spec["architectures"], here, InvalidSpace, least=1, most=MOST_MEMBERS, of="architectures")
        genes: list[Genes] = []
        for k, value in enumerate(values):
            try:
                genes.append(of.validate(value).genes)
            except InvalidArchitecture as error:
                raise InvalidSpace(pointed(here, k) + error.pointer, error.message) from error
        listed = tuple(genes)
        return _folded(_Listed(of, listed, _digest(listed)))

    of = kinds["nasbench201"].example
    cells = ["|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"]
    return (
        Kind(
            name="pool",
            description=(
                "Any other space restricted to a list of up to 100,000 of its architectures, each in any form that the "
                "space takes; of equal networks, the first one listed."
            ),
            example={"kind": "pool", "of": of, "architectures": [*cells, {"edges": ["nor_conv_3x3"] * 6}]},
            spec_schema=object_schema(
                {
                    "kind": {"const": "pool"},
                    "of": {"anyOf": [kind.spec_schema for kind in kinds.values()]},
                    "architectures": list_schema(
                        {"anyOf": [kind.architecture_schema for kind in kinds.values()]}, least=1, most=MOST_MEMBERS
                    ),
                }
            ),
            architecture_schema={"anyOf": [kind.architecture_schema for kind in kinds.values()]},
            parse=parse,
        ),
    )
