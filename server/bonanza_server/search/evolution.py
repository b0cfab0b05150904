"""Regularised evolution: the newest cells are the population, the best of a random few of them is mutated.

Real, Aggarwal, Huang, Le 2019, "Regularized Evolution for Image Classifier Architecture Search" (arXiv 1802.01548), algorithm 1:
sample S cells of the population, mutate the best of them, add the child, remove the oldest. The population is the P newest results, so it
is read off the history and nothing is kept between proposals. P = 30 and S = 10 are naszilla's, tuned for tables (nas_algorithms.py);
Real et al. have P = 100 and S = 25, drawn without replacement.

Deviations: a child that was seen is drawn again, from the same parent with more edits in the end, where both originals train it again;
and age is the order of the trials, not that of the results, so that who was faster does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import TRIES, Unseen, filled_up, python_random
from bonanza_server.search.history import History, Proposal
from bonanza_server.search.options import EvolutionOptions
from bonanza_server.search.random_search import RandomModel

FRUITLESS = 20
"""Tournaments in a row without a new child after which the rest is drawn at random: the population's surroundings are used up."""


@dataclass(frozen=True)
class EvolutionModel:
    """The population of a history."""

    options: EvolutionOptions
    history: History

    @property
    def diagnostics(self) -> dict[str, Any]:
        """The sizes of the history and of the population."""
        observations = len(self.history.observations)
        return {"observations": observations, "population": min(observations, self.options.population)}

    def predict(self, architectures: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What random search predicts: evolution has no model of the values."""
        return RandomModel(self.history).predict(architectures)

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` children, each of a tournament of its own; the acquisition is minus the number of observations better than the parent."""
        history, options = self.history, self.options
        population = history.observations[-options.population :]
        rank = {observed.number: place for place, observed in enumerate(history.best_first)}
        draw = python_random(rng)
        unseen, scores, fruitless = Unseen(history.seen), list[float](), 0
        while population and len(unseen.found) < n and fruitless < FRUITLESS:
            if options.replacement:
                tournament = draw.choices(population, k=options.tournament)
            else:
                tournament = draw.sample(population, min(options.tournament, len(population)))
            parent = min(tournament, key=lambda observed: rank[observed.number])
            fruitless += 1
            for tried in range(TRIES):
                edits = options.mutation_rate * 2 ** (4 * tried // TRIES)
                unseen.offer(history.space.mutate(parent.architecture, draw, rate=edits))
                if len(unseen.found) > len(scores):
                    scores.append(-float(rank[parent.number]))
                    fruitless = 0
                    break
        cells = filled_up(history, unseen.found, n, draw)
        scores += [-float(len(rank))] * (len(cells) - len(scores))
        return RandomModel(history).proposals(cells, scores)


class Evolution:
    """The strategy ``evolution``."""

    name = "evolution"

    def __init__(self, options: EvolutionOptions) -> None:
        self.options = options

    @property
    def n_initial(self) -> int | None:
        """Random trials before the first tournament."""
        return self.options.n_initial

    def fit(self, history: History, rng: np.random.Generator) -> EvolutionModel:  # noqa: ARG002 - the protocol's
        """The population of ``history``."""
        return EvolutionModel(self.options, history)

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` distinct unseen architectures; fewer only where the space holds no more."""
        return self.fit(history, rng).propose(n, rng)
