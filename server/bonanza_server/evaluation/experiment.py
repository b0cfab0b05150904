"""The paper's experiment (Yang et al. 2020, section 3.1): search several times, train what each search found from scratch, and beside it as many random cells.

All networks are trained at the end with one and the same augmentation seed; the searches have seeds of their own. A search measures each cell once, with a
training seed of its own, as a lab would, and then confirms: the best cells by the model's posterior mean are trained again with further seeds, all within
the one budget, and the cell recommended is the best by the posterior of all its measurements.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bonanza.spaces import Architecture
from bonanza_server.bench.contestant import Contestant
from bonanza_server.evaluation.measuring import Measurer
from bonanza_server.lifecycle.posterior import Cell, recommended
from bonanza_server.search.fit import order_of
from bonanza_server.search.history import History, Observation
from bonanza_server.search.strategy import strategy_from_spec


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What all searches have in common. ``trials`` is the budget, what is confirmed included; ``top`` 0 confirms nothing."""

    trials: int
    top: int = 5
    seeds: int = 3
    augmentation_seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What one search came to; JSON types. ``value`` is of the recommended cell, trained with the augmentation seed; ``truth`` its mean, where known."""

    architecture: dict[str, Any]
    value: float | None
    truth: float | None
    luckiest_truth: float | None
    hours: float

    @property
    def json(self) -> dict[str, Any]:
        """As the journal has it."""
        return asdict(self)


class SearchRun:
    """One search on a measurer, as far as it was taken. Equal arguments give equal searches."""

    def __init__(self, measurer: Measurer, contestant: Contestant, seed: int) -> None:
        self._measurer = measurer
        self._contestant = contestant
        self._strategy = strategy_from_spec(contestant.spec)
        self._seed = seed
        self._draw = random.Random(f"initial design of {seed}")
        self._cells: dict[str, tuple[Architecture, list[float]]] = {}
        self._predictions: dict[str, tuple[float, float]] = {}
        self._asked: set[str] = set()
        self._sign = 1.0 if measurer.maximize else -1.0
        self.hours = 0.0

    def advance(self, trials: int) -> None:
        """Measure until ``trials`` cells were asked for, or the space is used up."""
        while len(self._asked) < trials:
            cell = self._next()
            if cell is None:
                return
            number = len(self._asked)
            self._asked.add(cell.arch_id)
            value, took = self._measurer.measure(cell, self._seed * 1_000_003 + number)
            self.hours += took
            if value is not None:
                self._cells[cell.arch_id] = (cell, [value])

    def luckiest(self) -> Architecture | None:
        """The cell of the best single value; None without one."""
        found = max(self._cells.values(), key=lambda one: self._sign * one[1][0], default=None)
        return None if found is None else found[0]

    def confirmed(self, top: int, seeds: int) -> Architecture | None:
        """The cell that is recommended once the ``top`` cells were trained again with ``seeds`` seeds; the search itself stays as it is."""
        if not self._cells:
            return None
        read = self._history()
        model = self._strategy.fit(read, self._rng())
        listed = [(cell, list(values)) for cell, values in self._cells.values()]
        chosen = [number for number, _, _ in order_of(model, read)[:top]]
        for place in chosen:
            for k in range(seeds):
                seed = self._seed * 1_000_003 + 500_000 + place * 100 + k
                value, took = self._measurer.measure(listed[place][0], seed)
                self.hours += took
                if value is not None:
                    listed[place][1].append(value)
        cells = [
            Cell(place, tuple(values), self._predictions.get(cell.arch_id))
            for place, (cell, values) in enumerate(listed)
        ]
        best = recommended(cells, chosen, maximize=self._measurer.maximize)
        return None if best is None else listed[best.number][0]

    def _next(self) -> Architecture | None:
        if len(self._asked) < self._contestant.n_initial:
            drawn = (self._measurer.space.sample(self._draw) for _ in range(10_000))
            return next((cell for cell in drawn if cell.arch_id not in self._asked), None)
        proposals = self._strategy.propose(self._history(), 1, self._rng())
        if not proposals:
            return None
        [proposal] = proposals
        self._predictions[proposal.architecture.arch_id] = (proposal.mean, proposal.std)
        return proposal.architecture

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng([self._seed, len(self._cells)])

    def _history(self) -> History:
        observed = tuple(Observation(cell, tuple(values), k) for k, (cell, values) in enumerate(self._cells.values()))
        return History(self._measurer.space, self._measurer.maximize, observed, (), frozenset(self._asked))


def search(measurer: Measurer, contestant: Contestant, seed: int, terms: Terms) -> Searched | None:
    """One search with its confirmation; None where nothing could be measured. Equal arguments give equal results."""
    run = SearchRun(measurer, contestant, seed)
    run.advance(terms.trials - terms.top * terms.seeds)
    luckiest = run.luckiest()
    recommended = run.confirmed(terms.top, terms.seeds) if terms.top else luckiest
    if luckiest is None or recommended is None:
        return None
    value, _ = measurer.measure(recommended, terms.augmentation_seed)
    return Searched(
        architecture=recommended.json,
        value=value,
        truth=measurer.truth(recommended),
        luckiest_truth=measurer.truth(luckiest),
        hours=run.hours,
    )


def random_cell(measurer: Measurer, number: int, terms: Terms) -> float | None:
    """The value of the ``number``-th random cell, trained with the augmentation seed; None where it cannot be trained."""
    cell = measurer.space.sample(random.Random(f"random cell {number}"))
    return measurer.measure(cell, terms.augmentation_seed)[0]
