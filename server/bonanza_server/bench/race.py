"""One search of one contestant on a table, against a clock that does not exist.

``workers`` train at once. Each training ends after the table's seconds on a virtual clock, in whatever order that gives, and the
contestant is asked as soon as a worker is free: asynchronous, never a generation at a time. The initial design of a seed is the same for
all contestants, and so is what comes last, if anything does: the best cells of each are measured again, within the budget (``Confirm``).
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from bonanza.spaces import Architecture
from bonanza_server.bench.contestant import Confirm, Contestant
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
    ``confirm``: the last trials of the budget measure the best cells again. ``through_server``: our strategies are asked over HTTP.
    ``features``: the label of what they are told beforehand.
    """

    trials: int
    cap: int
    workers: int
    mean: bool
    confirm: Confirm | None = None
    through_server: bool = False
    features: str | None = None

    @property
    def limit(self) -> int:
        """Trials of a search that does not end before, those that confirm included."""
        return self.cap if self.mean else self.trials


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one search; JSON types.

    Attributes:
        found: Queries up to and including the optimum's, None if it was not measured.
        regrets: After each query, in the objective's unit: the optimum's mean minus the mean of the cell whose measured value is best;
            None while all have failed. While cells are being confirmed it stays, and at their end it is that of the confirmed cell of the best mean.
        recommended: Where values are single measurements, the same of the cell that the contestant recommends, at the numbers of queries ``READ_AT``
            and at the end: ours by the model's posterior mean, a peer the one of the best value, or of the best mean of those confirmed.
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
    run = _Race(table, contestant, seed, terms)
    run.search()
    if terms.confirm is not None:
        run.confirm(terms.confirm)
    return run.outcome()


class _Race:
    """The state of one search."""

    def __init__(self, table: Table, contestant: Contestant, seed: int, terms: Terms) -> None:
        self.table, self.contestant, self.seed, self.terms = table, contestant, seed, terms
        self.searcher = contestant.start(table, seed, through_server=terms.through_server)
        self.design = random.Random(f"initial design of {seed}")
        self.judged = table.sample(JUDGED_ON)
        self.running: list[tuple[float, int, Architecture]] = []  # a heap by the end of the training
        self.measured: dict[Architecture, list[float]] = {}
        self.asked: set[str] = set()
        self.clock, self.started = 0.0, 0
        self.found: int | None = None
        self.regrets: list[float | None] = []
        self.recommended: dict[str, float] = {}
        self.hours: list[float] = []
        self.thought: list[float] = []
        self.correlation: float | None = None

    @property
    def over(self) -> bool:
        """Whether the optimum is known to be found."""
        return self.terms.mean and self.found is not None

    def search(self) -> None:
        """Measure new cells, to the end of the budget or to what is kept back of it to confirm."""
        kept_back = self.terms.confirm.trials if self.terms.confirm else 0
        self._work(self._next_cell, self.terms.limit - kept_back, self._searched)

    def confirm(self, wanted: Confirm) -> None:
        """Measure the best cells again, once nothing runs any more; a peer's by their values."""
        chosen = self.searcher.confirm(wanted)
        if chosen is None:
            chosen = sorted(self.measured, key=self._value, reverse=True)[: wanted.top] * wanted.seeds
        waiting = iter(chosen)
        self._work(lambda: next(waiting, None), len(self.regrets) + len(chosen), lambda _: None)
        if chosen and self.regrets:
            best = max(dict.fromkeys(chosen), key=self._value)
            self.regrets[-1] = self._regret(best)
            self.recommended[str(len(self.regrets))] = self._regret(self.searcher.recommend() or best)

    def outcome(self) -> Outcome:
        """What came of it."""
        return Outcome(
            found=self.found,
            regrets=self.regrets,
            recommended=self.recommended,
            hours=[round(hour, 4) for hour in self.hours],
            rank_correlation=self.correlation,
            seconds=fmean(self.thought) if self.thought else None,
        )

    def _work(self, source: Callable[[], Architecture | None], limit: int, note: Callable[[int], None]) -> None:
        """Keep the workers busy with what ``source`` gives, until ``limit`` trials have ended or it gives no more."""
        while len(self.regrets) < limit and not self.over:
            while len(self.running) < self.terms.workers and self.started < limit:
                chosen = source()
                if chosen is None:
                    break
                self.asked.add(chosen.arch_id)
                entry = self.table.entry(chosen)
                heapq.heappush(self.running, (self.clock + (entry.seconds if entry else 0.0), self.started, chosen))
                self.started += 1
            if not self.running:
                return
            self._end_one()
            note(limit)

    def _next_cell(self) -> Architecture | None:
        if self.started < self.contestant.n_initial:
            drawn = (self.table.space.sample(self.design) for _ in range(10_000))
            chosen = next((cell for cell in drawn if cell.arch_id not in self.asked), None)
            if chosen is not None:
                self.searcher.begin(chosen)
            return chosen
        before = time.perf_counter()
        asked_for = self.searcher.ask([waiting for _, _, waiting in sorted(self.running, key=lambda one: one[1])])
        self.thought.append(time.perf_counter() - before)
        return asked_for

    def _end_one(self) -> None:
        """The training that ends next ends; while cells are confirmed the regret stays as it is."""
        self.clock, number, cell = heapq.heappop(self.running)
        again = cell in self.measured
        value = self.table.draw(cell, self.seed * 1_000_003 + number, mean=self.terms.mean)
        self.searcher.tell(cell, value)
        if value is not None:
            self.measured.setdefault(cell, []).append(value)
        if again:
            self.regrets.append(self.regrets[-1])
        else:
            self.regrets.append(self._regret(max(self.measured, key=self._value)) if self.measured else None)
        self.hours.append(self.clock * self.terms.workers / 3600.0)
        if value is not None and not again and self.table.key(cell) == self.table.best_key:
            self.found = len(self.regrets)

    def _searched(self, limit: int) -> None:
        """Ask the contestant what is to be known after so many results."""
        if not self.measured:
            return
        ended = len(self.regrets)
        if not self.terms.mean and (ended in READ_AT or ended == limit):
            luckiest = max(self.measured, key=self._value)
            self.recommended[str(ended)] = self._regret(self.searcher.recommend() or luckiest)
        if ended == JUDGED_AFTER or ((ended == limit or self.over) and ended < JUDGED_AFTER):
            means = [self._mean(one) for one in self.judged]
            self.correlation = self.searcher.rank_correlation(self.judged, means)

    def _value(self, cell: Architecture) -> float:
        """The mean of its measurements so far, larger is better; of equal ones the first is taken."""
        return (1.0 if self.table.maximize else -1.0) * fmean(self.measured[cell])

    def _regret(self, cell: Architecture) -> float:
        return round(self.table.regret(self._mean(cell)), 6)

    def _mean(self, cell: Architecture) -> float:
        entry = self.table.entry(cell)
        assert entry is not None, "it was measured, or the sample is of the table"
        return entry.mean
