"""How many architectures a second a space draws, names and mutates: of every registered kind, on one core.

    python -m tests.benchmarks.spaces [--kinds nasbench101,node_cell] [--number 20000]

Seconds are the processor's, not the wall's, so that a busy machine changes the figures little; each is the best of three
rounds. ``one by one`` is a sample and its canonical id at a time, as a search asks for it; ``in bulk`` all samples first,
then all ids; ``listed`` is the space's own enumeration with ids, where it has one; ``mutate`` draws until the child has
another id than its parent, so it pays for ids too. Spaces remember some thousand ids, as in a search: where there are fewer
cells than that, the figures tell of little else.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import time
from collections.abc import Callable, Mapping
from itertools import islice

from bonanza.spaces import SearchSpace, space_from_spec, space_kinds

Work = Callable[[SearchSpace, int, random.Random], int]
"""Does so many and says how many it did: a space may have fewer."""

TARGETS: Mapping[str, Mapping[str, int]] = {
    "nasbench101": {"one by one": 3_000, "in bulk": 8_000, "mutate": 3_000},
    "darts": {"one by one": 1_000, "mutate": 1_000},
    "layer_graph": {"one by one": 1_000, "mutate": 1_000},
}
"""A second."""
ROUNDS = 3
MOST_SECONDS = 2.0
"""A round of a slow kind does fewer, by what a tenth of it took."""


def one_by_one(space: SearchSpace, n: int, rng: random.Random) -> int:
    for _ in range(n):
        assert space.sample(rng).arch_id
    return n


def in_bulk(space: SearchSpace, n: int, rng: random.Random) -> int:
    assert {arch.arch_id for arch in [space.sample(rng) for _ in range(n)]}
    return n


def listed(space: SearchSpace, n: int, rng: random.Random) -> int:
    return 0 if space.size is None else len([arch.arch_id for arch in islice(space.enumerate(), n)])


def mutate(space: SearchSpace, n: int, rng: random.Random) -> int:
    parents = [space.sample(rng) for _ in range(100)]
    for k in range(n):
        parents[k % 100] = space.mutate(parents[k % 100], rng)
    return n


MEASURES: Mapping[str, Work] = {"one by one": one_by_one, "in bulk": in_bulk, "listed": listed, "mutate": mutate}


def per_second(work: Work, space: SearchSpace, number: int) -> float | None:
    """The best of the rounds; None if there is nothing to do."""
    rng = random.Random(1)  # moved on from round to round, or the cells would be known from the round before
    first = timed(work, space, max(1, number // 100), rng)
    number = min(number, max(1, int(MOST_SECONDS * first)))
    rates = [timed(work, space, number, rng) for _ in range(ROUNDS)]
    return max(rates) or None


def timed(work: Work, space: SearchSpace, number: int, rng: random.Random) -> float:
    start = time.process_time()
    done = work(space, number, rng)
    return done / max(time.process_time() - start, 1e-9)


def row(name: str, space: SearchSpace, number: int) -> str:
    cells = [
        name,
        "" if space.size is None else f"{space.size:,}" if space.size < 10**12 else f"{float(space.size):.1e}",
    ]
    for measure, work in MEASURES.items():
        rate, target = per_second(work, space, number), TARGETS.get(name, {}).get(measure)
        figure = "" if rate is None else f"{rate:,.0f}"
        verdict = "" if target is None else f" (aim {target:,}{'' if rate and rate >= target else ': MISSED'})"
        cells.append(figure + verdict)
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(kind.name for kind in space_kinds()))
    parser.add_argument("--number", type=int, default=20_000)
    given = parser.parse_args()
    print(
        f"Architectures a second on one of {os.cpu_count()} cores ({platform.machine()}), {platform.python_version()}\n"
    )
    print(f"| kind | size | {' | '.join(MEASURES)} |\n|---|---|{'---|' * len(MEASURES)}")
    for kind in space_kinds():
        if kind.name in given.kinds.split(","):
            print(row(kind.name, space_from_spec(kind.example), given.number), flush=True)


if __name__ == "__main__":
    main()
