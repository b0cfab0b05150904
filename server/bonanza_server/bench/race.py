"""One search of one contestant on a table, against a clock that does not exist.

``workers`` train at once. Each training ends after the table's seconds on a virtual clock, in whatever order that gives, and the
contestant is asked as soon as a worker is free: asynchronous, never a generation at a time. The initial design of a seed is the same for
all contestants.
"""

from __future__ import annotations

import heapq
import random
import time
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from bonanza.spaces import Architecture
from bonanza_server.bench.contestant import Contestant
from bonanza_server.bench.table import Table

READ_AT = (30, 50, 100, 150, 300)
"""Queries after which regrets are read."""
JUDGED_AFTER = 50
"""Results after which the surrogate's predictions are compared with the table; fewer where the search ends earlier."""
JUDGED_ON = 1000
"""Architectures they are compared on."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What all searches of a benchmark have in common.

    ``trials`` is the budget that regrets are read within. With ``mean`` values a search that has not found the optimum by then goes
    on to ``cap``, and one that has found it ends; with single seeds nobody can know that it was found, and the budget is the end.
    ``through_server``: our strategies are asked over HTTP.
    """

    trials: int
    cap: int
    workers: int
    mean: bool
    through_server: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one search; JSON types.

    Attributes:
        found: Queries up to and including the optimum's, None if it was not measured.
        regrets: After each query, in the objective's unit: the optimum's mean minus the mean of the cell whose measured value is best;
            None while all have failed.
        recommended: Where values are single measurements, the same of the cell that the contestant recommends, at the numbers of queries ``READ_AT``
            and at the end: ours by the model's posterior mean, a peer the one of the best value.
        hours: The virtual clock after each query, in hours of all workers together.
        rank_correlation: Spearman's, of the predictions and the means of cells that were not measured (see ``JUDGED_AFTER``).
        seconds: Mean wall-clock seconds a proposal.
    """

    found: int | None
    regrets: list[float | None]
    hours: list[float]
    rank_correlation: float | None
    seconds: float | None
    recommended: dict[str, float] = field(default_factory=dict)

    @property
    def json(self) -> dict[str, Any]:
        """As a line of the results has it."""
        return asdict(self)


def race(table: Table, contestant: Contestant, seed: int, terms: Terms) -> Outcome:
    """One search. Equal arguments give equal outcomes, but for ``seconds``."""
    searcher = contestant.start(table, seed, through_server=terms.through_server)
    rng = random.Random(f"initial design of {seed}")
    limit = terms.cap if terms.mean else terms.trials
    judged = table.sample(JUDGED_ON)
    running: list[tuple[float, int, Architecture]] = []  # a heap by the end of the training
    asked: set[str] = set()
    clock, started, ended = 0.0, 0, 0
    found: int | None = None
    incumbent: tuple[float, float] | None = None  # the best measured value, signed, and the regret of its cell
    regrets: list[float | None] = []
    recommended: dict[str, float] = {}
    hours: list[float] = []
    thought: list[float] = []
    correlation: float | None = None
    sign = 1.0 if table.maximize else -1.0

    def next_cell() -> Architecture | None:
        if started < contestant.n_initial:
            for _ in range(10_000):
                drawn = table.space.sample(rng)
                if drawn.arch_id not in asked:
                    searcher.begin(drawn)
                    return drawn
            return None
        before = time.perf_counter()
        asked_for = searcher.ask([waiting for _, _, waiting in sorted(running, key=lambda one: one[1])])
        thought.append(time.perf_counter() - before)
        return asked_for

    while ended < limit and not (terms.mean and found is not None):
        while len(running) < terms.workers and started < limit:
            chosen = next_cell()
            if chosen is None:
                break
            asked.add(chosen.arch_id)
            entry = table.entry(chosen)
            heapq.heappush(running, (clock + (entry.seconds if entry else 0.0), started, chosen))
            started += 1
        if not running:
            break
        clock, number, cell = heapq.heappop(running)
        ended += 1
        value = table.draw(cell, seed * 1_000_003 + number, mean=terms.mean)
        searcher.tell(cell, value)
        entry = table.entry(cell)
        if value is not None and entry is not None:
            regret = table.regret(entry.mean)
            if table.key(cell) == table.best_key:
                found = ended
            if incumbent is None or sign * value > incumbent[0]:
                incumbent = (sign * value, regret)
        regrets.append(round(incumbent[1], 6) if incumbent else None)
        hours.append(clock * terms.workers / 3600.0)
        if not terms.mean and incumbent is not None and (ended in READ_AT or ended == limit):
            held = searcher.recommend()
            recommended[str(ended)] = round(incumbent[1] if held is None else table.regret(_mean(table, held)), 6)
        over = ended == limit or (terms.mean and found is not None)
        if incumbent is not None and (ended == JUDGED_AFTER or (over and ended < JUDGED_AFTER)):
            correlation = searcher.rank_correlation(judged, [_mean(table, one) for one in judged])
    return Outcome(
        found=found,
        regrets=regrets,
        recommended=recommended,
        hours=[round(hour, 4) for hour in hours],
        rank_correlation=correlation,
        seconds=fmean(thought) if thought else None,
    )


def _mean(table: Table, architecture: Architecture) -> float:
    entry = table.entry(architecture)
    assert entry is not None, "the sample is of the table"
    return entry.mean
