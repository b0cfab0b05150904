"""Who is compared: our strategies as functions of a history, and peers behind the same two calls.

A contestant is written as a name with options after colons, ``bananas:loss=mae:epochs=200``; what is after the equals sign is JSON where
it can be read as some. A strategy of one's own is the name of an installed one, or ``MODULE:CLASS``, with options likewise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bonanza import extensions
from bonanza.spaces import Architecture
from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.table import Table
from bonanza_server.lifecycle.posterior import Cell, recommended
from bonanza_server.search.correlation import spearman
from bonanza_server.search.features import features_of
from bonanza_server.search.fit import order_of
from bonanza_server.search.history import History, Observation
from bonanza_server.search.spec import InvalidStrategy, n_initial, strategy_names, strategy_spec
from bonanza_server.search.strategy import Model, Strategy, strategy_from_spec

N_INITIAL = 10
"""Random trials before anybody's model is asked, where a strategy does not say."""
OPTION = re.compile(r":(?=[A-Za-z_]\w*=)")
"""What stands before an option."""
PEERS = ("optuna", "smac")


@dataclass(frozen=True)
class Confirm:
    """The ``top`` cells are measured again, ``seeds`` times each, at the end of the budget."""

    top: int
    seeds: int

    @property
    def trials(self) -> int:
        """Of the budget."""
        return self.top * self.seeds


class Searcher(Protocol):
    """One search. It is told every result, the initial design's too, and asked one cell at a time."""

    def begin(self, architecture: Architecture) -> None:
        """A cell of the initial design, which it was not asked for, is being measured."""

    def ask(self, pending: Sequence[Architecture]) -> Architecture | None:
        """What to measure next while ``pending`` are being measured, oldest first; None where the space is used up."""

    def tell(self, architecture: Architecture, value: float | None) -> None:
        """The result of an architecture; None if it failed."""

    def confirm(self, wanted: Confirm) -> list[Architecture] | None:
        """The cells to measure again, each as often as that is; None where that is for their values to say. It is told the results."""

    def recommend(self) -> Architecture | None:
        """The measured cell that it holds for the best; None where that is the one of the best value, or mean of those confirmed."""

    def rank_correlation(self, architectures: Sequence[Architecture], values: Sequence[float]) -> float | None:
        """Between the model's predictions and the ``values`` of architectures it may not have seen; None where there is no model."""


@dataclass(frozen=True)
class Contestant:
    """A strategy, or a peer, with its options. ``label`` is how it was written."""

    label: str
    peer: bool
    spec: Mapping[str, Any]

    @property
    def n_initial(self) -> int:
        """Trials of its initial design."""
        return N_INITIAL if self.peer else n_initial(self.spec) or N_INITIAL

    def start(self, table: Table, seed: int, *, through_server: bool = False) -> Searcher:
        """A new search of it; of a strategy of ours on request through a server. Peers always run in this process.

        Raises:
            CannotBench: The peer is not installed, or does not know the table's space.
        """
        if not self.peer and through_server:
            from bonanza_server.bench.service_search import ServiceSearch

            return ServiceSearch(self.spec, table, seed)
        if not self.peer:
            return StrategySearch(strategy_from_spec(self.spec), table, seed)
        if self.spec_name == "smac":
            from bonanza_server.bench.smac_peer import SmacSearch

            return SmacSearch(table, seed, dict(self.spec))
        from bonanza_server.bench.optuna_peer import OptunaSearch

        return OptunaSearch(table, seed, dict(self.spec))

    @property
    def spec_name(self) -> str:
        """The name that it was written with, without the options."""
        return OPTION.split(self.label)[0]


def parse(text: str, *, peer: bool) -> Contestant:
    """The contestant that is written so.

    Raises:
        CannotBench: There is no such strategy, option or peer.
    """
    name, *settings = OPTION.split(text)
    for word in (name, *settings):  # whoever runs the benchmark has named it
        extensions.allow(re.findall(r"([\w.]+):\w+$", word))
    options = {key: _value(value) for key, _, value in (setting.partition("=") for setting in settings)}
    if peer:
        if name not in PEERS:
            raise CannotBench(f"there is no peer {name!r}; there are {', '.join(PEERS)}")
        return Contestant(text, True, options)
    family, _, rest = name.partition(":")
    if rest and family in strategy_names():
        raise CannotBench(f"{text}: {rest!r} is no option, write {family}:OPTION=VALUE")
    try:
        return Contestant(text, False, strategy_spec({"name": name, **options}))
    except InvalidStrategy as error:
        raise CannotBench(f"{text}: {error}") from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


class StrategySearch:
    """One of our strategies: fitted anew to all results at each ask, with a generator of (seed, results), as the server does."""

    def __init__(self, strategy: Strategy, table: Table, seed: int) -> None:
        self._strategy, self._table, self._seed = strategy, table, seed
        self._features = features_of(table.space, table.known.lines) if table.known else None
        self._values: dict[Architecture, list[float]] = {}
        self._predictions: dict[Architecture, tuple[float, float]] = {}
        self._seen: set[str] = set()
        self._told = 0

    def begin(self, architecture: Architecture) -> None:
        """Nothing: what is pending is said when it is asked."""

    def ask(self, pending: Sequence[Architecture]) -> Architecture | None:
        """The first proposal of a fit of all results."""
        history = self._history(pending)
        proposals = self._strategy.propose(history, 1, np.random.default_rng([self._seed, self._told]))
        if not proposals:
            return None
        [proposal] = proposals
        self._predictions[proposal.architecture] = proposal.mean, proposal.std
        return proposal.architecture

    def tell(self, architecture: Architecture, value: float | None) -> None:
        """Keep it; a failed cell is not proposed again."""
        self._seen.add(architecture.arch_id)
        if value is not None:
            self._values.setdefault(architecture, []).append(value)
        self._told += 1

    def confirm(self, wanted: Confirm) -> list[Architecture] | None:
        """The first by the model's posterior mean, seed by seed, as a study's phase does it."""
        return self._ranked()[: wanted.top] * wanted.seeds

    def recommend(self) -> Architecture | None:
        """The first by the model's posterior mean; of those confirmed, by the posterior of each, as a study's report recommends."""
        measured = list(self._values.items())
        confirmed = {k for k, (_, values) in enumerate(measured) if len(values) > 1}
        if not confirmed:
            return next(iter(self._ranked()), None)
        cells = [Cell(k, tuple(values), self._predictions.get(cell)) for k, (cell, values) in enumerate(measured)]
        best = recommended(cells, confirmed, maximize=self._table.maximize)
        return None if best is None else measured[best.number][0]

    def rank_correlation(self, architectures: Sequence[Architecture], values: Sequence[float]) -> float | None:
        """Spearman's, on those of the architectures that were not measured."""
        model = self._fitted(self._history(()))
        unseen = [row for row, cell in enumerate(architectures) if cell.arch_id not in self._seen]
        means, _ = model.predict([architectures[row] for row in unseen])
        return spearman(means, [values[row] for row in unseen]) if np.isfinite(means).all() else None

    def _ranked(self) -> list[Architecture]:
        history = self._history(())
        if not history.observations:
            return []
        cells = list(self._values)
        return [cells[number] for number, *_ in order_of(self._fitted(history), history)]

    def _fitted(self, history: History) -> Model:
        return self._strategy.fit(history, np.random.default_rng([self._seed, self._told]))

    def _history(self, pending: Sequence[Architecture]) -> History:
        seen = self._seen.union(cell.arch_id for cell in pending)
        observed = tuple(Observation(cell, tuple(values), k) for k, (cell, values) in enumerate(self._values.items()))
        return History(
            self._table.space,
            self._table.maximize,
            observed,
            tuple(pending),
            frozenset(seen),
            features=self._features,
        )
