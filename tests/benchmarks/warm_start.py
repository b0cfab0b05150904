"""``warm_start_from`` on NAS-Bench-201: a search on CIFAR-100 after 50 random cells were measured on CIFAR-10, and after as many values that say nothing.

    python -m tests.benchmarks.warm_start [--seeds 10] [--first-seed 0] [--target cifar100] [--sources none,short,cifar10,shuffled] [--option n_initial=3 ...]

Queries until the cell of the best mean validation accuracy is measured, as ``bonanza bench`` counts them (no noise, one worker, a miss counts twice the
cap); the source's own trials are not counted, because they are there. The source of a seed is the same cells, with their values or with these shuffled.
A line of JSON for each search goes to standard error, so that a measurement can be made in pieces.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bonanza.spaces import Architecture
from bonanza_server.bench.contestant import Contestant, Searcher, StrategySearch, parse
from bonanza_server.bench.race import Terms, race
from bonanza_server.bench.table import Table, load
from bonanza_server.search.history import History, Observation, Source
from bonanza_server.search.strategy import strategy_from_spec

CAP = 300
LENT = 50


@dataclass(frozen=True)
class Warm(Contestant):
    """The default with a source."""

    source: Source

    def start(self, table: Table, seed: int, *, through_server: bool = False) -> Searcher:
        """A search that is given the source at each fit."""
        return WarmSearch(self, table, seed)


class WarmSearch(StrategySearch):
    """One search."""

    def __init__(self, contestant: Warm, table: Table, seed: int) -> None:
        super().__init__(strategy_from_spec(contestant.spec), table, seed)
        self._source = contestant.source

    def _history(self, pending: Sequence[Architecture]) -> History:
        return replace(super()._history(pending), sources=(self._source,))


def source_of(table: Table, seed: int, *, shuffled: bool) -> Source:
    """``LENT`` different random cells with their mean accuracies, or with these shuffled."""
    rng = random.Random(f"source of {seed}")
    cells: dict[str, Architecture] = {}
    while len(cells) < LENT:
        cell = table.space.sample(rng)
        cells.setdefault(cell.arch_id, cell)
    values = [table.draw(cell, 0, mean=True) for cell in cells.values()]
    if shuffled:
        rng.shuffle(values)
    observed = [
        Observation(cell, (value,), k)
        for k, (cell, value) in enumerate(zip(cells.values(), values, strict=True))
        if value is not None
    ]
    return Source(table.name, table.space, table.maximize, tuple(observed))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each source."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.warm_start", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--target", default="cifar100")
    parser.add_argument("--sources", default="none,short,cifar10,shuffled", help="short: none, and n_initial=3")
    parser.add_argument("--option", action="append", default=[], help="of bonanza with a source")
    given = parser.parse_args(arguments)
    target, lender = (load("nasbench201", name, "", True) for name in (given.target, "cifar10"))
    print(f"| source | queries to the optimum of {given.target} | median | found |\n|---|--:|--:|--:|")
    for name in given.sources.split(","):
        counts = []
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            contestant = parse("bonanza:n_initial=3" if name == "short" else "bonanza", peer=False)
            if name in {"cifar10", "shuffled"}:
                written = ":".join(("bonanza", 'warm_start_from=["source"]', *given.option))
                warm = parse(written, peer=False)
                source = source_of(lender, seed, shuffled=name == "shuffled")
                contestant = Warm(warm.label, warm.peer, warm.spec, source)
            outcome = race(target, contestant, seed, Terms(trials=CAP, cap=CAP, workers=1, mean=True))
            counts.append(outcome.found or 2 * CAP)
            told = {"source": name, "seed": seed, "found": outcome.found, "correlation": outcome.rank_correlation}
            print(json.dumps({**told, "seconds": outcome.seconds}), file=sys.stderr, flush=True)
        error = np.std(counts, ddof=1) / np.sqrt(len(counts)) if len(counts) > 1 else np.nan
        found = f"{sum(count <= CAP for count in counts)} of {len(counts)}"
        print(f"| {name} | {np.mean(counts):.1f} ± {error:.1f} | {np.median(counts):.0f} | {found} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
