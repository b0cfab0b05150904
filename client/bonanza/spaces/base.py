"""What an architecture is, what a search space is, and how either is refused.

An architecture is a small frozen value; everything it can say of itself (JSON, text, id) its space says for it, so
that thousands of candidates cost their genes and nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from bonanza.spaces.cost import Cost
from bonanza.spaces.graph import LabelledDag
from bonanza.spaces.paths import Paths


class Invalid(ValueError):
    """A value from outside was refused.

    ``pointer`` is the JSON pointer (RFC 6901) of the field that is wrong, "" for the value as a whole; ``message``
    says what is allowed.
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(pointer, message)
        self.pointer = pointer
        self.message = message

    def __str__(self) -> str:
        return f"{self.pointer}: {self.message}" if self.pointer else self.message


class InvalidSpace(Invalid):
    """The value specifies no search space."""


class InvalidArchitecture(Invalid):
    """The value is no architecture of the search space."""


@dataclass(frozen=True, slots=True, repr=False)
class Architecture:
    """A point of a search space, made by its space only.

    Equal when the spaces and the genes are equal: two spellings of one network are two architectures with one
    ``arch_id``. Pickled, it carries the constructor arguments of its space, once a pickle however many architectures
    are in it.
    """

    space: SearchSpace
    genes: tuple[Any, ...]
    _arch_id: str | None = field(default=None, init=False, compare=False)

    @property
    def json(self) -> dict[str, Any]:
        """The wire form; ``space.validate(arch.json) == arch``."""
        return self.space.to_json(self)

    @property
    def text(self) -> str:
        """One line for people: NAS-Bench-201's official string where ops are on edges, else compact JSON."""
        return self.space.to_text(self)

    @property
    def arch_id(self) -> str:
        """The canonical id (``graph.graph_id``): equal exactly when the simplified graphs are isomorphic."""
        known = self._arch_id
        if known is None:
            known = _identified(self)
            object.__setattr__(self, "_arch_id", known)  # what is remembered changes nothing that can be seen
        return known

    def genes_in(self, space: SearchSpace) -> tuple[Any, ...]:
        """The genes, of which ``space`` can make sense.

        Raises:
            ValueError: this is no architecture of ``space``, but of another.
        """
        if self.space is not space and self.space != space:
            raise ValueError(f"{self.text} is of another space: make it one of this space with validate(arch.json)")
        return self.genes

    def __hash__(self) -> int:
        return hash(self.genes)  # not of the space: a set of architectures is of one space, whose hash may be slow

    def __reduce__(self) -> tuple[type[Architecture], tuple[SearchSpace, tuple[Any, ...]]]:
        return Architecture, (self.space, self.genes)

    def __repr__(self) -> str:
        return f"<Architecture {self.text}>"

    def _repr_svg_(self) -> str:
        """The picture that a notebook shows."""
        from bonanza.spaces.drawing import draw

        return draw(self)


@lru_cache(maxsize=16_384)
def _identified(architecture: Architecture) -> str:
    """The canonical id, remembered: a search meets its observed cells and their neighbours at every fit again, as other objects."""
    return architecture.space.identify(architecture)


class SearchSpace(Protocol):
    """A set of architectures and the moves between them.

    Frozen, hashable, picklable; equal exactly when the specs are equal. Each method that takes architectures takes
    those of this space only and raises ``ValueError`` for others. All randomness is the generator's: an equal
    generator gives an equal draw.
    """

    @property
    def kind(self) -> str:
        """The ``kind`` of the spec."""

    @property
    def size(self) -> int | None:
        """How many architectures ``enumerate`` lists; None if endless or unknown."""

    @property
    def zero_op(self) -> str | None:
        """The op whose output is zero, or None if there is none; it is cut from the canonical graph."""

    @property
    def identity_op(self) -> str | None:
        """The op whose output is its input, or None if there is none; it is contracted in the canonical graph."""

    @property
    def paths(self) -> Paths | None:
        """What the paths of its graphs carry; None where a graph is one path, which no two architectures share."""

    @property
    def choices(self) -> tuple[int, ...] | None:
        """How many choices each gene has; None where the genes are no fixed list of choices."""

    def __hash__(self) -> int: ...

    def spec(self) -> dict[str, Any]:
        """The shortest JSON that ``space_from_spec`` makes this space of; equal for equal spaces, however spelled."""

    def sample(self, rng: random.Random) -> Architecture:
        """An architecture; its family says how it is distributed, as a rule uniformly among those of ``enumerate``."""

    def mutate(
        self, arch: Architecture, rng: random.Random, *, rate: float = 1.0, silent: bool = False
    ) -> Architecture:
        """A copy with about ``rate`` edits (> 0), at least one: never the parent, unless the space has nothing else.

        Nor does it have the parent's id, unless all networks within reach do or ``silent`` edits, which change the
        spelling only, are asked for (``mutation.mutated``).
        """

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """Every architecture one edit away, each once, in a fixed order."""

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """A child that has each gene from one of its parents, with equal chances."""

    def validate(self, value: object) -> Architecture:
        """The architecture whose wire form ``value`` is.

        Raises:
            InvalidArchitecture: it is none of this space.
        """

    def graph(self, arch: Architecture) -> LabelledDag:
        """The raw graph: every op a node, dead or not."""

    def canonical(self, arch: Architecture) -> LabelledDag:
        """The simplified graph in canonical order; equal exactly for equal ids."""

    def enumerate(self) -> Iterator[Architecture]:
        """Architectures, each once, in a fixed order: every spelling, or, where the family says so, one a network.

        Raises:
            ValueError: ``size`` is None; the message says "endless".
        """

    def cost(self, arch: Architecture, *, channels: int | None = None) -> Cost | None:
        """Parameters and FLOPs of the network that the worker trains of ``arch``, None where no formula is known.

        ``channels`` is the width of the skeleton's first layer; None: the published one.
        """

    def to_json(self, arch: Architecture) -> dict[str, Any]:
        """What ``Architecture.json`` answers."""

    def to_text(self, arch: Architecture) -> str:
        """What ``Architecture.text`` answers."""

    def identify(self, arch: Architecture) -> str:
        """What ``Architecture.arch_id`` answers."""


def count_ids(space: SearchSpace) -> int:
    """The number of distinct networks of a finite space, by the id of every architecture listed: some 0.1 ms each."""
    return len({arch.arch_id for arch in space.enumerate()})
