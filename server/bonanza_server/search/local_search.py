"""Local search: measure the neighbours of a cell, move to a better one, start again where there is none.

White, Nolen, Savani 2021, "Exploring the Loss Landscape in Neural Architecture Search" (arXiv 2005.02960), algorithm 1, with the settings of
naszilla (nas_algorithms.py): 10 random cells, the best of them is where the walk begins; its unseen neighbours in random order; the
first better one is the next place; at a local optimum 10 new random cells. Options: move only when all neighbours are measured, to
the best of them; and, instead of starting again, go on from the best cell that still has unseen neighbours.

Where the walk stands is worked out from the history alone, trial by trial in the order of their numbers, so a restarted server walks on.

Deviations: a neighbour that was measured before the walk came by counts too, where naszilla passes over it even if it is better; while
results are on their way, neighbours of the next best cells are proposed as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import Unseen, filled_up, python_random
from bonanza_server.search.history import History, Observation, Proposal
from bonanza_server.search.options import LocalSearchOptions
from bonanza_server.search.random_search import RandomModel


class Walk:
    """A local search replayed on the history it is taken to have made, whatever proposed its cells.

    ``place`` is the cell that the search stands at, None while it draws the random cells to begin from; ``starts`` is how
    often it has begun.
    """

    def __init__(self, history: History, options: LocalSearchOptions) -> None:
        self._history, self._options = history, options
        self._rank = {observed.number: rank for rank, observed in enumerate(history.best_first)}
        self._measured = {observed.architecture.arch_id: observed for observed in history.observations}
        self._gone = history.seen - self._measured.keys()  # pending, failed or cancelled: no result to wait for
        self._known: set[str] = set()
        self._around: set[str] = set()
        self._drawn: list[Observation] = []
        self.place: Observation | None = None
        self.starts = 1
        for observed in history.observations:
            self._see(observed)

    def rank(self, observed: Observation) -> int:
        """The number of observations that are better."""
        return self._rank[observed.number]

    def _see(self, observed: Observation) -> None:
        self._known.add(observed.architecture.arch_id)
        if self.place is None:
            self._drawn.append(observed)
            if len(self._drawn) < self._options.n_initial:
                return
            self._go(min(self._drawn, key=self.rank))
        elif not self._options.full and self.rank(observed) < self.rank(self.place):
            self._go(observed)
        while (better := self._better_neighbour()) is not None:
            self._go(better)
        if self._options.restart and not self._unmeasured():
            self.place, self._drawn, self.starts = None, [], self.starts + 1

    def _go(self, place: Observation) -> None:
        self.place = place
        self._around = {other.arch_id for other in self._history.space.neighbors(place.architecture)}

    def _unmeasured(self) -> set[str]:
        return self._around - self._known - self._gone

    def _better_neighbour(self) -> Observation | None:
        """The best neighbour measured so far, if the place is worse and nothing is to be waited for."""
        if self._options.full and self._unmeasured():
            return None
        around = [self._measured[arch_id] for arch_id in self._around & self._known]
        best = min(around, key=self.rank, default=None)
        worse = best is not None and self.place is not None and self.rank(best) < self.rank(self.place)
        return best if worse else None


@dataclass(frozen=True)
class LocalSearchModel:
    """A walk, and where it may go next."""

    history: History
    walk: Walk

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How often the search has begun, and the trial it stands at: null while it draws random cells."""
        place = self.walk.place
        return {
            "observations": len(self.history.observations),
            "starts": self.walk.starts,
            "place": None if place is None else place.number,
        }

    def predict(self, architectures: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What random search predicts: local search has no model of the values."""
        return RandomModel(self.history).predict(architectures)

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """Unseen neighbours of the place, then of the next best cells, then random ones.

        The acquisition is minus the number of observations better than the cell whose neighbour it is.
        """
        history, draw = self.history, python_random(rng)
        unseen, scores = Unseen(history.seen), list[float]()
        place = self.walk.place
        parents = [] if place is None else [place, *(other for other in history.best_first if other is not place)]
        for parent in parents:
            neighbours = list(history.space.neighbors(parent.architecture))
            draw.shuffle(neighbours)
            for neighbour in neighbours:
                if len(unseen.found) == n:
                    break
                unseen.offer(neighbour)
            scores += [-float(self.walk.rank(parent))] * (len(unseen.found) - len(scores))
        cells = filled_up(history, unseen.found, n, draw)
        scores += [-float(len(history.observations))] * (len(cells) - len(scores))
        return RandomModel(history).proposals(cells, scores)


class LocalSearch:
    """The strategy ``local_search``."""

    name = "local_search"

    def __init__(self, options: LocalSearchOptions) -> None:
        self.options = options

    @property
    def n_initial(self) -> int | None:
        """Random trials before the first walk, and before each later one."""
        return self.options.n_initial

    def fit(self, history: History, rng: np.random.Generator) -> LocalSearchModel:  # noqa: ARG002 - the protocol's
        """The walk that ``history`` amounts to."""
        return LocalSearchModel(history, Walk(history, self.options))

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` distinct unseen architectures; fewer only where the space holds no more."""
        return self.fit(history, rng).propose(n, rng)
