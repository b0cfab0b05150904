"""Random search: the baseline that every other strategy is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import python_random, unseen_samples
from bonanza_server.search.history import History, Proposal


@dataclass(frozen=True)
class RandomModel:
    """What random search knows of a history: the mean and spread of its values, the same for every cell."""

    history: History

    @property
    def diagnostics(self) -> dict[str, int]:
        """How many observations there are."""
        return {"observations": len(self.history.observations)}

    def predict(self, architectures: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the observed values, (n,) and (n,); nan without a value."""
        values = np.array([observed.value for observed in self.history.observations] or [np.nan])
        unit = float(np.abs(values).max()) or 1.0  # squares and sums of values near 1e308 would overflow
        mean, std = unit * (values / unit).mean(), unit * (values / unit).std()
        return np.full(len(architectures), mean), np.full(len(architectures), std)

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` unseen cells as the space samples them; every acquisition is 0."""
        cells = unseen_samples(self.history.space, self.history.seen, n, python_random(rng))
        return self.proposals(cells, [0.0] * len(cells))

    def proposals(self, cells: Sequence[Architecture], scores: Sequence[float]) -> list[Proposal]:
        """The cells as proposals with these acquisitions; for any strategy that has no model of the values."""
        means, stds = self.predict(cells)
        return [
            Proposal(cell, float(mean), float(std), score)
            for cell, mean, std, score in zip(cells, means, stds, scores, strict=True)
        ]


class RandomSearch:
    """Proposes cells drawn at random, each at most once."""

    name = "random"
    n_initial: int | None = None

    def fit(self, history: History, rng: np.random.Generator) -> RandomModel:  # noqa: ARG002 - the protocol's
        """The model of ``history``; there is nothing to learn."""
        return RandomModel(history)

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` distinct unseen architectures; fewer only where the space holds no more."""
        return self.fit(history, rng).propose(n, rng)
