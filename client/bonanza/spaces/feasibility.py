"""Whether a space has an architecture that meets constraints, and the search for one where draws do not find any.

The search is a descent on the violation: the sum over the constraints of how far each value is outside its bounds, as
a share of the bound. A mutation of the inner space is kept if it is not worse, so that plateaus are crossed.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from dataclasses import dataclass, field

from bonanza.spaces.base import Architecture, InvalidSpace, SearchSpace
from bonanza.spaces.constraint import Constraint
from bonanza.spaces.fields import listed, pointed, show
from bonanza.spaces.quantity import LIVE, RAW, Features, OpCount, Quantity

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

    The pointer is that of the first bound that no architecture seen keeps, not even in a search for it alone; else of the
    bound that is missed by the architecture nearest to keeping all of them.

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


def refuse_unknown(space: SearchSpace, quantity: Quantity, here: str) -> None:
    """Refuse what a space has not: an op or a value it never shows, a formula for costs.

    Names are compared with those of ``MET`` draws and of one's neighbours. They are refused only where the draws have
    shown each name in more than one of them: then hardly any is left unseen (Good 1953: the share unseen is about the
    share of what was met once).

    Raises:
        InvalidSpace: pointed at from ``here``.
    """
    if isinstance(quantity, OpCount) and quantity.graph == LIVE:
        for member, op in (("count", quantity.op), ("into", quantity.into)):
            if op is not None and op in {space.zero_op, space.identity_op}:
                raise InvalidSpace(pointed(here, member), f'{show(op)} is never in the live graph: add "in": "{RAW}"')
    rng = random.Random(0)
    arch = space.sample(rng)
    try:
        quantity.of(Features(space, arch))
    except LookupError as error:
        raise InvalidSpace(pointed(here, "measure"), str(error.args[0])) from None
    missing = quantity.words()
    met = Counter(quantity.vocabulary(Features(space, arch)))
    for _ in range(MET):
        missing -= met.keys()
        if not missing:
            return
        arch = space.sample(rng)
        met.update(quantity.vocabulary(Features(space, arch)))
    for other in itertools.islice(space.neighbors(arch), MET_NEARBY):
        missing -= quantity.vocabulary(Features(space, other))
    for member, (_, word) in sorted(missing, key=repr):
        known = {name[1]: times for (of, name), times in met.items() if of == member}
        if not known:
            raise InvalidSpace(
                pointed(here, "in"), f"leads to no value in an architecture of this space, such as {show(arch.text)}"
            )
        if min(known.values()) > 1:
            raise InvalidSpace(
                pointed(here, member), f"must be one of {listed(sorted(known, key=repr))}, not {show(word)}"
            )
