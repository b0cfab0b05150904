"""Whether a space has an architecture that meets constraints, and the search for one where draws do not find any.

The search is a descent on the violation: the sum over the constraints of how far each value is outside its bounds, as
a share of the bound. A mutation of the inner space is kept if it is not worse, so that plateaus are crossed.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from bonanza.spaces.base import Architecture, InvalidSpace, SearchSpace
from bonanza.spaces.constraint import Constraint
from bonanza.spaces.fields import listed, show
from bonanza.spaces.quantity import COSTS, LIVE, RAW, Features, Measure, OpCount, Quantity, Word

LISTED = 30_000
"""Architectures of a space that is looked through whole: NAS-Bench-201's 15,625 take about a second."""
TRIES = 250
"""Draws before a search: where one in fifty architectures is feasible, 0.6 % of the samples take more."""
STEPS = 2_000
"""Mutations of one descent."""
DESCENTS = 2
"""Descents before a set of constraints is given up."""
MET = 200
"""Draws that a space's vocabulary is read from."""
MET_NEARBY = 300
"""Neighbours of the last draw that are read too."""


@dataclass
class Survey:
    """What a search has seen of a space: the feasible architectures, and how near the others came."""

    space: SearchSpace
    constraints: tuple[Constraint, ...]
    feasible: list[Architecture] = field(default_factory=list)
    nearest: tuple[int, ...] = ()
    """The values of the architecture with the least violation."""
    violation: float = math.inf
    """Its violation."""
    closest: tuple[int, ...] = ()
    """For each constraint the value nearest to its bounds, whatever the others are."""
    seen: int = 0

    def look(self, arch: Architecture) -> float:
        """The violation of ``arch``, 0 if it is feasible."""
        features = Features(self.space, arch)
        values = tuple([constraint.quantity.of(features) for constraint in self.constraints])
        pairs = zip(self.constraints, values, self.closest or values, strict=True)
        self.closest = tuple([min(value, best, key=constraint.excess) for constraint, value, best in pairs])
        total = sum(map(Constraint.excess, self.constraints, values))
        if total < self.violation:
            self.nearest, self.violation = values, total
        if not total:
            self.feasible.append(arch)
        self.seen += 1
        return total

    def descend(self, start: Architecture, rng: random.Random) -> Architecture | None:
        """A feasible architecture by mutations of ``start``, None if there is none in ``STEPS``."""
        arch, violation = start, self.look(start)
        for _ in range(STEPS):
            if not violation:
                return arch
            child = self.space.mutate(arch, rng, silent=True)
            found = self.look(child)
            if found <= violation:
                arch, violation = child, found
        return arch if not violation else None


def is_listed(space: SearchSpace) -> bool:
    """Whether a space is small enough to be looked through whole."""
    return space.size is not None and space.size <= LISTED


def survey(space: SearchSpace, constraints: tuple[Constraint, ...]) -> Survey:
    """All of a small space; of a larger one what draws and descents see until they find a feasible architecture.

    The generator is the survey's own, so that a process that asks again gets the same answer.
    """
    found = Survey(space, constraints)
    if is_listed(space):
        for arch in space.enumerate():
            found.look(arch)
        return found
    rng = random.Random(0)
    for _ in range(TRIES):
        if not found.look(space.sample(rng)):
            return found
    for _ in range(DESCENTS):
        if found.descend(space.sample(rng), rng) is not None:
            break
    return found


def refuse_unsatisfiable(found: Survey, read: list[Constraint]) -> None:
    """Refuse the constraints, ``read`` from a spec, that a survey has found nobody to meet.

    The pointer is that of the first bound that no architecture seen keeps, not even in a search for it alone; else of
    the bound that is missed by the architecture nearest to keeping all of them.

    Raises:
        InvalidSpace: there is no feasible architecture in the survey.
    """
    if found.feasible:
        return
    for k, (constraint, value) in enumerate(zip(found.constraints, found.closest, strict=True)):
        if constraint.excess(value):
            whole = is_listed(found.space) or len(found.constraints) == 1
            alone, place = (found, k) if whole else (survey(found.space, (constraint,)), 0)
            if constraint.excess(alone.closest[place]):
                _refuse(constraint, alone.closest[place], alone.seen, found.space, read, "")
            break  # met alone: so much for this one, and one more search is as much as a spec may cost
    constraint, value = next(
        (constraint, value)
        for constraint, value in zip(found.constraints, found.nearest, strict=True)
        if constraint.excess(value)
    )
    _refuse(constraint, value, found.seen, found.space, read, " together with the other constraints")


def _refuse(
    constraint: Constraint, value: int, seen: int, space: SearchSpace, read: list[Constraint], together: str
) -> None:
    missed = constraint.missed(value)
    bound = getattr(constraint, missed)
    place = next(k for k, c in enumerate(read) if c.quantity == constraint.quantity and getattr(c, missed) == bound)
    sure, all_of = ("meets", f"all {seen:,}") if is_listed(space) else ("was found that meets", f"{seen:,} tried")
    nearest = f"in the nearest of {all_of} the {constraint.quantity} is {value:,}"
    raise InvalidSpace(f"/constraints/{place}/{missed}", f"no architecture {sure} {constraint}{together}: {nearest}")


def refuse_unknown(space: SearchSpace, read: list[Constraint]) -> None:
    """Refuse what a space has not: an op or a value that it never shows, a formula for costs.

    Names are looked for in ``MET`` draws and in the neighbours of the last. What is not there is refused only where the
    draws have shown everything else in more than one of them: then hardly anything is left unseen (Good 1953, "The
    population frequencies of species": the share unseen is about the share of what was met once).

    Raises:
        InvalidSpace: pointed at in the list that was ``read`` from a spec.
    """
    open_to = {k: constraint.quantity for k, constraint in enumerate(read)}
    missing = {k: quantity.words() for k, quantity in open_to.items()}
    met: dict[int, Counter[Word]] = {k: Counter() for k in open_to}
    for n, features in enumerate(_looks(space)):
        for k, quantity in list(open_to.items()):
            if not n:
                _refuse_meaningless(quantity, features, f"/constraints/{k}")
            vocabulary = quantity.vocabulary(features)
            missing[k] -= vocabulary
            if n < MET:
                met[k].update(vocabulary)
            if not missing[k]:
                del open_to[k]
        if not open_to:
            return
    for k in open_to:
        for member, (_, word) in sorted(missing[k], key=repr):
            known = {name[1]: times for (of, name), times in met[k].items() if of == member}
            if not known:
                message = f"leads to no value in an architecture of this space, such as {show(features.arch.text)}"
                raise InvalidSpace(f"/constraints/{k}/in", message)
            if min(known.values()) > 1:
                message = f"must be one of {listed(sorted(known, key=repr))}, not {show(word)}"
                raise InvalidSpace(f"/constraints/{k}/{member}", message)


def _looks(space: SearchSpace) -> Iterator[Features]:
    rng = random.Random(0)
    for _ in range(MET):
        arch = space.sample(rng)
        yield Features(space, arch)
    for other in itertools.islice(space.neighbors(arch), MET_NEARBY):
        yield Features(space, other)


def _refuse_meaningless(quantity: Quantity, features: Features, here: str) -> None:
    """Refuse a quantity that is 0 for every architecture, or unknown for all."""
    space, arch = features.space, features.arch
    if isinstance(quantity, OpCount) and quantity.graph == LIVE:
        for member, op in (("count", quantity.op), ("into", quantity.into)):
            if op is not None and op in {space.zero_op, space.identity_op}:
                raise InvalidSpace(f"{here}/{member}", f'{show(op)} is never in the live graph: add "in": "{RAW}"')
    if (
        isinstance(quantity, Measure)
        and quantity.name in COSTS
        and space.cost(arch, channels=quantity.channels) is None
    ):
        raise InvalidSpace(f"{here}/measure", f"a space of the kind {space.kind} has no formula for {quantity.name}")
