"""Spaces of ResNet strings such as "1211-211-1111-12111": when to halve the resolution, when to double the channels.

What the characters mean is told in ``resnet``. A string of n blocks and s parts is two choices: s - 1 of the n - 1 gaps
between blocks have a dash, and d of the n blocks double. So there are C(n-1, s-1) C(n, d) of them, and all of a space are
counted and drawn exactly.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, pairwise, product
from math import comb
from typing import Any

from bonanza.spaces.base import Architecture, InvalidArchitecture, InvalidSpace
from bonanza.spaces.cost import Cost
from bonanza.spaces.fields import pointed, read_int, read_list, read_object, show
from bonanza.spaces.graph import INPUT, OUTPUT, LabelledDag, graph_id
from bonanza.spaces.kind import Kind, Schema, list_schema, object_schema
from bonanza.spaces.mutation import mutated, walked
from bonanza.spaces.paths import Paths
from bonanza.spaces.resnet import CHANNELS, DASH, DOUBLE, KEEP, Characters, edits, network_cost

MOST_STAGES = 6
"""224 pixels at most: the sixth stage of blocks has 2 x 2 of them."""
MOST_BLOCKS = 200
MOST_DOUBLINGS = 8

Bounds = tuple[int, int]
"""At least, at most."""


@dataclass(frozen=True)
class ResNetStages:
    """The space of all strings within the bounds; made by ``resnet_stages``, or by ``parse`` of a spec.

    ``stages`` counts the parts between dashes, ``blocks`` the digits, ``doublings`` the digits "2". An architecture's
    genes are the characters of its string.
    """

    stages: Bounds
    blocks: Bounds
    doublings: Bounds

    @property
    def kind(self) -> str:
        """The only kind of this family."""
        return "resnet_stages"

    @property
    def zero_op(self) -> str | None:
        """None: every block computes."""
        return None

    @property
    def identity_op(self) -> str | None:
        """None: every block computes."""
        return None

    @property
    def size(self) -> int:
        """The number of strings, exactly."""
        return sum(self._sizes)

    @property
    def paths(self) -> Paths:
        """Any labels: the only path is the whole string, too long for a column of its own."""
        return Paths()

    @property
    def choices(self) -> None:
        """None: a string has as many characters as it needs."""

    def spec(self) -> dict[str, Any]:
        """All three bounds."""
        bounds = {"stages": self.stages, "blocks": self.blocks, "doublings": self.doublings}
        return {"kind": "resnet_stages", **{name: list(pair) for name, pair in bounds.items()}}

    def sample(self, rng: random.Random) -> Architecture:
        """A string drawn uniformly from all of them: first its number of blocks, then where it has dashes and twos.

        Long strings are by far the most, so most draws are near the upper bound of the blocks.
        """
        n = _draw(rng, self._lengths, self._sizes)
        stages, doublings = self._stages(n), self._doublings(n)
        s = _draw(rng, stages, [comb(n - 1, s - 1) for s in stages])
        d = _draw(rng, doublings, [comb(n, d) for d in doublings])
        return self._string(n, rng.sample(range(1, n), s - 1), rng.sample(range(n), d))

    def mutate(
        self, arch: Architecture, rng: random.Random, *, rate: float = 1.0, silent: bool = False
    ) -> Architecture:
        """A string ``rate`` edits away (``walked``)."""
        arch.genes_in(self)
        return mutated(arch, rng, lambda: walked(arch, rng, rate=rate), silent=silent)

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """Every string of the space with one character more, less, other or moved (``resnet.edits``)."""
        genes: Characters = arch.genes_in(self)
        found = dict.fromkeys(edits(genes))
        return (Architecture(self, edited) for edited in found if edited != genes and self._refusal(edited) is None)

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """A string that has each stage, by number, and how many there are, from one of its parents.

        Where the child of stages is out of bounds a hundred times, as where strings have to be of one length, a parent.
        """
        parents = ["".join(arch.genes_in(self)).split(DASH) for arch in (a, b)]
        for _ in range(100):
            s = len(rng.choice(parents))
            parts = [rng.choice([parts[k] for parts in parents if k < len(parts)]) for k in range(s)]
            genes = tuple(DASH.join(parts))
            if self._refusal(genes) is None:
                return Architecture(self, genes)
        return rng.choice((a, b))

    def enumerate(self) -> Iterator[Architecture]:
        """Every string, shorter ones first."""
        for n in self._lengths:
            for s, d in product(self._stages(n), self._doublings(n)):
                for dashes in combinations(range(1, n), s - 1):
                    for twos in combinations(range(n), d):
                        yield self._string(n, dashes, twos)

    def validate(self, value: object) -> Architecture:
        """The architecture of ``"1211-211-1111-12111"``, or of ``{"stages": [...]}`` with a list of its parts.

        Raises:
            InvalidArchitecture: it is none of this space.
        """
        longest = self.blocks[1] + self.stages[1] - 1
        if isinstance(value, str):
            pointer, text = "", value
        elif isinstance(value, Mapping):
            fields = read_object(value, "", InvalidArchitecture, required=("stages",))
            least, most = self.stages
            parts = read_list(fields["stages"], "/stages", InvalidArchitecture, least=least, most=most, of="strings")
            for k, part in enumerate(parts):
                if not isinstance(part, str) or not 1 <= len(part) <= longest or set(part) - {KEEP, DOUBLE}:
                    raise InvalidArchitecture(
                        pointed("/stages", k), f'must be a string of digits "1" and "2", not {show(part)}'
                    )
            pointer, text = "/stages", DASH.join(parts)
        else:
            raise InvalidArchitecture(
                "", f'must be a string such as "12-211" or {{"stages": [...]}}, not {show(value)}'
            )
        if len(text) > longest:
            raise InvalidArchitecture(pointer, f"has at most {longest} characters in this space, not {len(text)}")
        if refusal := self._refusal(tuple(text)):
            raise InvalidArchitecture(pointer, f"{refusal}: {show(text)}")
        return Architecture(self, tuple(text))

    def graph(self, arch: Architecture) -> LabelledDag:
        """A chain of the characters, as BONAS encodes them."""
        genes = arch.genes_in(self)
        return LabelledDag((INPUT, *genes, OUTPUT), tuple((k, k + 1) for k in range(len(genes) + 1)))

    def canonical(self, arch: Architecture) -> LabelledDag:
        """The graph itself: a chain has one order, so two strings are two networks."""
        return self.graph(arch)

    def cost(self, arch: Architecture, *, channels: int | None = None) -> Cost | None:
        """The bottleneck ResNet for ImageNet (``resnet.network_cost``) with ``channels`` (64) base channels."""
        return network_cost(arch.genes_in(self), CHANNELS if channels is None else channels)

    def to_json(self, arch: Architecture) -> dict[str, Any]:
        """``{"stages": ["1211", "211", ...]}``."""
        return {"stages": self.to_text(arch).split(DASH)}

    def to_text(self, arch: Architecture) -> str:
        """BONAS's string."""
        return "".join(arch.genes_in(self))

    def identify(self, arch: Architecture) -> str:
        """The id of the chain."""
        return graph_id(self.graph(arch))

    def __reduce__(self) -> tuple[Any, tuple[Bounds, Bounds, Bounds]]:
        return resnet_stages, (self.stages, self.blocks, self.doublings)

    def _string(self, n: int, dashes: Iterable[int], twos: Iterable[int]) -> Architecture:
        cuts, doubled = set(dashes), set(twos)
        blocks = (DASH * (k in cuts) + (DOUBLE if k in doubled else KEEP) for k in range(n))
        return Architecture(self, tuple("".join(blocks)))

    def _refusal(self, genes: Characters) -> str | None:
        """What keeps the characters from being a string of this space, in words; None if nothing does."""
        if set(genes) - {DASH, KEEP, DOUBLE}:
            return 'has the characters "1", "2" and "-" only'
        if genes[:1] in {(), (DASH,)} or genes[-1] == DASH or (DASH, DASH) in pairwise(genes):
            return "has a block before and behind each dash"
        dashes, doublings = genes.count(DASH), genes.count(DOUBLE)
        for name, number, (least, most) in (
            ("stages", dashes + 1, self.stages),
            ("blocks", len(genes) - dashes, self.blocks),
            ("doublings", doublings, self.doublings),
        ):
            if not least <= number <= most:
                return f"has {least} to {most} {name} in this space, not {number}"
        return None

    @cached_property
    def _lengths(self) -> range:
        """Numbers of blocks that some string has."""
        return range(max(self.blocks[0], self.stages[0], self.doublings[0]), self.blocks[1] + 1)

    @cached_property
    def _sizes(self) -> list[int]:
        """For each of ``_lengths`` its number of strings."""
        return [
            sum(comb(n - 1, s - 1) for s in self._stages(n)) * sum(comb(n, d) for d in self._doublings(n))
            for n in self._lengths
        ]

    def _stages(self, n: int) -> range:
        return range(self.stages[0], min(n, self.stages[1]) + 1)

    def _doublings(self, n: int) -> range:
        return range(self.doublings[0], min(n, self.doublings[1]) + 1)


def _draw(rng: random.Random, choices: range, weights: list[int]) -> int:
    """One of the choices, by exact weights, which may be too large for floating point."""
    left = rng.randrange(sum(weights))
    for choice, weight in zip(choices, weights, strict=True):
        if left < weight:
            return choice
        left -= weight
    raise AssertionError("the draw is below the sum of the weights")


@lru_cache(maxsize=64)
def resnet_stages(stages: Bounds, blocks: Bounds, doublings: Bounds) -> ResNetStages:
    """The space; one object for equal arguments, so that unpickled architectures share what it has worked out."""
    return ResNetStages(stages, blocks, doublings)


_FIELDS: Mapping[str, tuple[int, int, Bounds]] = {
    "stages": (1, MOST_STAGES, (4, 4)),
    "blocks": (1, MOST_BLOCKS, (4, 33)),
    "doublings": (0, MOST_DOUBLINGS, (0, 4)),
}
"""For each field the least and the most it may be, and what it is unless said.

Four stages are the paper's; it gives no other bounds. 33 blocks are ResNet-101's, and four doublings one more than any
ResNet has.
"""


def parse(spec: Mapping[str, Any]) -> ResNetStages:
    """The space of ``{"kind": "resnet_stages"}`` with ``stages``, ``blocks`` and ``doublings``, each [least, most].

    Raises:
        InvalidSpace: a field is wrong or unknown, or no string is within the bounds.
    """
    read_object(spec, "", InvalidSpace, required=("kind",), optional=tuple(_FIELDS))
    stages, blocks, doublings = (_read_bounds(spec, name, *allowed) for name, allowed in _FIELDS.items())
    for name, (least, _) in (("stages", stages), ("doublings", doublings)):
        if least > blocks[1]:
            raise InvalidSpace(
                pointed(pointed("", name), 0), f"must be at most {blocks[1]}, the most blocks, not {least}"
            )
    return resnet_stages(stages, blocks, doublings)


def _read_bounds(spec: Mapping[str, Any], name: str, least: int, most: int, usual: Bounds) -> Bounds:
    if name not in spec:
        return usual
    here = pointed("", name)
    pair = read_list(spec[name], here, InvalidSpace, least=2, most=2, of="integers, the least and the most")
    low = read_int(pair[0], pointed(here, 0), InvalidSpace, least=least, most=most)
    return low, read_int(pair[1], pointed(here, 1), InvalidSpace, least=low, most=most)


def _bounds_schema(least: int, most: int) -> Schema:
    return list_schema({"type": "integer", "minimum": least, "maximum": most}, least=2, most=2)


_STAGE: Schema = {"type": "string", "pattern": "^[12]+$"}

KINDS = (
    Kind(
        name="resnet_stages",
        description=(
            'ResNet strings such as "1211-211-1111-12111": a digit is a bottleneck block, 2 doubles the channels, a '
            "dash halves the resolution. The bounds, each [least, most], are 4 stages, 4 to 33 blocks and 0 to 4 "
            "doublings unless said."
        ),
        example={"kind": "resnet_stages", "blocks": [8, 20], "doublings": [2, 3]},
        spec_schema=object_schema(
            {"kind": {"const": "resnet_stages"}},
            {name: _bounds_schema(least, most) for name, (least, most, _) in _FIELDS.items()},
        ),
        architecture_schema={
            "anyOf": [
                object_schema({"stages": list_schema(_STAGE, least=1, most=MOST_STAGES)}),
                {"type": "string", "pattern": "^[12]+(-[12]+)*$", "description": "1211-211-1111-12111"},
            ]
        },
        parse=parse,
    ),
)
