"""The strategies under the contract of all strategies."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from bonanza_server.search import catalogue
from bonanza_server.search.contract.strategy import SPACES
from bonanza_server.search.features import features_of
from bonanza_server.search.history import History, Observation, Proposal, Source
from bonanza_server.search.known_cells import encoded
from bonanza_server.search.strategy import Model, Strategy, strategy_from_spec
from tests.contracts.strategy import StrategyContract


@pytest.fixture(autouse=True, scope="module")
def room_for_catalogues() -> Iterator[None]:
    """The contract goes back and forth between more spaces than a process that fits: each is listed once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "_catalogue_of", lru_cache(len(SPACES))(catalogue._catalogue_of.__wrapped__))
        yield


class TestRandom(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec({"name": "random"})


class TestEvolution(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec({"name": "evolution"})


class TestEvolutionOfRealEtAl(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec({"name": "evolution", "population": 100, "tournament": 25, "replacement": False})


class TestLocalSearch(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec({"name": "local_search"})


class TestLocalSearchOfWholeNeighbourhoods(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec({"name": "local_search", "full": True, "restart": False, "n_initial": 3})


class TestBananas(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec({"name": "bananas", "epochs": 4})


class TestBonas(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec({"name": "bonas", "epochs": 4, "candidates": 100})


class TestBonasWithOtherOptions(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec(
            {
                "name": "bonas",
                "sampler": "random",
                "loss": "log",
                "canonical": True,
                "retrain_every": 3,
                "batch_size": 8,
                "epochs": 2,
                "candidates": 20,
            }
        )


class TestBonasWithAPolicyAndAnMlp(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec(
            {"name": "bonas", "sampler": "reinforce", "predictor": "mlp", "epochs": 2, "candidates": 50}
        )


class TestBananasScoringTheWholeSpace(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec({"name": "bananas", "optimiser": "exhaustive", "acquisition": "ei", "epochs": 4})


@pytest.mark.parametrize("acquisition", ["ei", "pi", "ucb", "ts"])
class TestBananasWithOtherOptions(StrategyContract):
    @pytest.fixture
    def strategy(self, acquisition: str) -> Strategy:
        return strategy_from_spec(
            {
                "name": "bananas",
                "acquisition": acquisition,
                "loss": "mape",
                "encoding": "path" if acquisition < "r" else "positions",
                "prune_zero_paths": False,
                "truncate": 2,
                "ensemble": 2,
                "layers": 2,
                "epochs": 2,
                "batch_size": 8,
                "candidates": 20,
                "parents": 2,
                "mutation_rate": 2.0,
            }
        )


class TestBonanza(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec({"name": "bonanza", "candidates": 120})


class Lending:
    """``bonanza`` beside another study in whatever space it is asked about: cells it may have measured itself, ties, and values out of all proportion."""

    name = "bonanza"
    n_initial = 3
    strategy = strategy_from_spec(
        {"name": "bonanza", "candidates": 30, "views": "counts", "warm_start_from": ["other"]}
    )

    def fit(self, history: History, rng: np.random.Generator) -> Model:
        return self.strategy.fit(self.beside(history), rng)

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        return self.strategy.propose(self.beside(history), n, rng)

    def beside(self, history: History) -> History:
        draw = random.Random(7)
        values = (10.0, 10.0, 1e9, -1e308, 5e-324, 40.0, 55.0, 60.0, 61.0, 62.0)
        observed = tuple(Observation(history.space.sample(draw), (value,), k) for k, value in enumerate(values))
        return replace(history, sources=(Source("other", history.space, False, observed),))


class TestBonanzaBesideAnotherStudy(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Lending()


class Telling(Lending):
    """``bonanza`` in studies that know something odd of some cells, and nothing of others."""

    def beside(self, history: History) -> History:
        draw = random.Random(8)
        values = (10.0, 10.0, 1e308, -1e308, 5e-324, -0.0, 55.0, 60.0, 61.0, 62.0)
        cells = {cell.arch_id: cell for cell in (history.space.sample(draw) for _ in values)}
        known = [
            (arch_id, cells[arch_id].json, {"a": value, **({"b": value} if k % 3 else {}), "constant": 1.0})
            for k, (arch_id, value) in enumerate(zip(sorted(cells), values, strict=False))
        ]
        return replace(history, features=features_of(history.space, encoded(known)))


class TestBonanzaThatIsToldFeatures(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Telling()


class TestNasbot(StrategyContract):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return strategy_from_spec({"name": "nasbot", "draws": 4, "fitted": 12})
