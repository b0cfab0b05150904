"""A space of any kind, less the architectures that do not meet its constraints.

``{"kind": ..., ..., "constraints": [...]}``: the kind is that of the space within, and so are JSON, text, ids, graphs.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from bonanza.spaces.base import Architecture, InvalidArchitecture, SearchSpace
from bonanza.spaces.constraint import Constraint, read_constraints, tightest, with_constraints
from bonanza.spaces.cost import Cost
from bonanza.spaces.feasibility import TRIES, Survey, is_listed, refuse_unknown, refuse_unsatisfiable, survey
from bonanza.spaces.graph import LabelledDag
from bonanza.spaces.kind import Kind
from bonanza.spaces.paths import Paths
from bonanza.spaces.quantity import Features

MOST_NEIGHBOURS = 2_000
"""Neighbours looked at where draws found no feasible child."""


@dataclass(frozen=True)
class Constrained:
    """The architectures of ``of``, the inner space, that meet all ``constraints``.

    Made by ``constrained``, or by ``constrain`` of a spec's member. Whatever else the inner space has (``ops``,
    ``positions``) is to be had here too.
    """

    of: SearchSpace
    constraints: tuple[Constraint, ...]

    @property
    def kind(self) -> str:
        """The inner space's."""
        return self.of.kind

    @property
    def size(self) -> int | None:
        """How many are feasible of an inner space of at most ``feasibility.LISTED``, counted once; None of a larger one."""
        return len(self._survey.feasible) if is_listed(self.of) else None

    @property
    def zero_op(self) -> str | None:
        """The inner space's."""
        return self.of.zero_op

    @property
    def identity_op(self) -> str | None:
        """The inner space's."""
        return self.of.identity_op

    @property
    def paths(self) -> Paths | None:
        """The inner space's."""
        return self.of.paths

    @property
    def choices(self) -> tuple[int, ...] | None:
        """The inner space's."""
        return self.of.choices

    def spec(self) -> dict[str, Any]:
        """The inner space's, with the constraints in an order of their own, one a quantity."""
        return {**self.of.spec(), "constraints": [constraint.json() for constraint in self.constraints]}

    def plain(self, arch: Architecture) -> Architecture:
        """The same architecture, of the inner space."""
        return Architecture(self.of, arch.genes_in(self))

    def sample(self, rng: random.Random) -> Architecture:
        """A feasible architecture, drawn as the inner space draws: its first feasible one of ``TRIES`` draws.

        Where all of them fail, uniformly from the list of a small inner space, which is the same distribution where the
        inner one is uniform. Of a larger inner space, the end of a descent from the last draw
        (``feasibility.Survey.descend``), or failing that a feasible mutant of the one architecture that parsing has
        found: these are no longer uniform, but nearer to where descents end. It matters where fewer than one
        architecture in a hundred is feasible.
        """
        for _ in range(TRIES):
            drawn = self.of.sample(rng)
            if self._holds(drawn):
                return self._outer(drawn)
        if is_listed(self.of):
            return self._outer(rng.choice(self._survey.feasible))
        repaired = Survey(self.of, self.constraints).descend(drawn, rng)
        if repaired is not None:
            return self._outer(repaired)
        known = self._survey.feasible[0]
        return self._outer(self._mutant(known, rng, rate=1.0, silent=True) or known)

    def mutate(
        self, arch: Architecture, rng: random.Random, *, rate: float = 1.0, silent: bool = False
    ) -> Architecture:
        """The first feasible one of ``TRIES`` mutants; else a feasible neighbour, uniformly; else any feasible one.

        The parent only where no other is known.
        """
        parent = self.plain(arch)
        child = self._mutant(parent, rng, rate=rate, silent=silent)
        if child is not None:
            return self._outer(child)
        if is_listed(self.of):
            others = [other for other in self._survey.feasible if other != parent]
            drawn = [rng.choice(others or [parent]) for _ in range(TRIES)]
            return self._outer(next((other for other in drawn if silent or other.arch_id != parent.arch_id), drawn[0]))
        return self.sample(rng)

    def _mutant(self, parent: Architecture, rng: random.Random, *, rate: float, silent: bool) -> Architecture | None:
        """A feasible mutant or neighbour of ``parent`` in the inner space, None if there is none."""
        for _ in range(TRIES):
            child = self.of.mutate(parent, rng, rate=rate, silent=True)
            if child != parent and self._holds(child) and (silent or child.arch_id != parent.arch_id):
                return child
        near = [other for other in itertools.islice(self.of.neighbors(parent), MOST_NEIGHBOURS) if self._holds(other)]
        others = [] if silent else [other for other in near if other.arch_id != parent.arch_id]
        return rng.choice(others or near) if near else None

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """The feasible ones of the inner space's neighbours."""
        return (self._outer(other) for other in self.of.neighbors(self.plain(arch)) if self._holds(other))

    def crossover(self, a: Architecture, b: Architecture, rng: random.Random) -> Architecture:
        """The first feasible one of ``TRIES`` children, or else one of the parents."""
        parents = self.plain(a), self.plain(b)
        for _ in range(TRIES):
            child = self.of.crossover(*parents, rng)
            if self._holds(child):
                return self._outer(child)
        return rng.choice((a, b))

    def enumerate(self) -> Iterator[Architecture]:
        """The feasible ones of the inner space's, in its order; also where it is finite but too large for ``size``.

        Raises:
            ValueError: the inner space is endless.
        """
        if is_listed(self.of):
            return map(self._outer, self._survey.feasible)
        return (self._outer(arch) for arch in self.of.enumerate() if self._holds(arch))

    def validate(self, value: object) -> Architecture:
        """The inner space's architecture of ``value``.

        Raises:
            InvalidArchitecture: it is none of the inner space, or misses a constraint; the pointer is that of the part of
            the JSON that the constraint is on, if it is on a part.
        """
        arch = self.of.validate(value)
        features = Features(self.of, arch)
        for constraint in self.constraints:
            found = constraint.quantity.of(features)
            if constraint.excess(found):
                pointer = constraint.quantity.pointer if isinstance(value, Mapping) else ""
                raise InvalidArchitecture(pointer, constraint.refusal(found))
        return self._outer(arch)

    def graph(self, arch: Architecture) -> LabelledDag:
        """The inner space's."""
        return self.of.graph(self.plain(arch))

    def canonical(self, arch: Architecture) -> LabelledDag:
        """The inner space's."""
        return self.of.canonical(self.plain(arch))

    def cost(self, arch: Architecture, *, channels: int | None = None) -> Cost | None:
        """The inner space's."""
        return self.of.cost(self.plain(arch), channels=channels)

    def to_json(self, arch: Architecture) -> dict[str, Any]:
        """The inner space's."""
        return self.of.to_json(self.plain(arch))

    def to_text(self, arch: Architecture) -> str:
        """The inner space's."""
        return self.of.to_text(self.plain(arch))

    def identify(self, arch: Architecture) -> str:
        """The inner space's: a network has one id, constrained or not."""
        return self.plain(arch).arch_id

    def refuse_if_empty(self, read: list[Constraint]) -> None:
        """Refuse the constraints, ``read`` from the spec, if no architecture meets them.

        Raises:
            InvalidSpace: none does, or none was found.
        """
        rng = random.Random(0)
        if not any(self._holds(self.of.sample(rng)) for _ in range(TRIES)):
            refuse_unsatisfiable(self._survey, read)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "of":  # pickle and copy ask an object that has no fields yet
            raise AttributeError(name)
        return getattr(self.of, name)

    def __reduce__(self) -> tuple[Any, tuple[SearchSpace, tuple[Constraint, ...]]]:
        return constrained, (self.of, self.constraints)

    def _holds(self, arch: Architecture) -> bool:
        features = Features(self.of, arch)
        return not any(constraint.excess(constraint.quantity.of(features)) for constraint in self.constraints)

    def _outer(self, arch: Architecture) -> Architecture:
        return Architecture(self, arch.genes)

    @cached_property
    def _survey(self) -> Survey:
        return survey(self.of, self.constraints)


@lru_cache(maxsize=8)
def _cached(inner: SearchSpace, constraints: tuple[Constraint, ...]) -> Constrained:
    """One object for equal arguments, so that unpickled architectures share what it has worked out."""
    return Constrained(inner, constraints)


def constrained(space: SearchSpace, constraints: tuple[Constraint, ...]) -> SearchSpace:
    """``space`` with these constraints besides any it has: never a constrained space within another.

    Whether anything is left is for ``constrain`` to know.
    """
    inner, before = (space.of, space.constraints) if isinstance(space, Constrained) else (space, ())
    bounding = tightest((*before, *constraints))
    return _cached(inner, bounding) if bounding else inner


def constrain(space: SearchSpace, values: object) -> SearchSpace:
    """``space`` with the constraints of ``values``, the member ``constraints`` of its spec.

    The work is bounded: a few draws where one is feasible soon, else the whole of a space of at most
    ``feasibility.LISTED`` architectures, else some thousand mutations.

    Raises:
        InvalidSpace: a constraint is not in the form, names what the space has not, or leaves nothing of it; the
        message has the value that comes nearest.
    """
    read = read_constraints(values)
    refuse_unknown(space, read)
    found = constrained(space, tuple(read))
    if isinstance(found, Constrained):
        found.refuse_if_empty(read)
    return found


def constrainable(kind: Kind) -> Kind:
    """The same kind, whose specs may have ``constraints`` too: neither its parser nor its schema knows of them."""

    def parse(spec: Mapping[str, Any]) -> SearchSpace:
        """The space of the spec; raises ``InvalidSpace``."""
        space = kind.parse({member: value for member, value in spec.items() if member != "constraints"})
        return constrain(space, spec["constraints"]) if "constraints" in spec else space

    return replace(kind, spec_schema=with_constraints(kind.spec_schema), parse=parse)
