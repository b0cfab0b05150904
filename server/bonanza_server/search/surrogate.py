"""A surrogate of one's own between our candidates and our acquisition functions: the strategy ``surrogate``.

What is somebody else's need only predict. The candidates are BANANAS' (``acqopt``), the batch is that of ``batch``, with the likeness
of cells by their encoding, and the targets are those of ``targets``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import mutants, python_random
from bonanza_server.search.acquisition import acquisition_of
from bonanza_server.search.batch import choose
from bonanza_server.search.correlation import spearman
from bonanza_server.search.encodings import encoder_for
from bonanza_server.search.history import History, Observation, Proposal
from bonanza_server.search.options import MODELS, SurrogateOptions
from bonanza_server.search.own import own_surrogate
from bonanza_server.search.random_search import RandomModel
from bonanza_server.search.spec import InvalidStrategy
from bonanza_server.search.strategy import Strategy, strategy_from_spec
from bonanza_server.search.targets import TargetScale

Vector = NDArray[np.float64]

CANDIDATES_PER_PROPOSAL = 2


class Posterior(Protocol):
    """What a surrogate knows."""

    def predict(self, architectures: Sequence[Architecture]) -> tuple[Vector, Vector]:
        """Mean and standard deviation of the targets, (n,) and (n,), finite."""


class Surrogate(Protocol):
    """Predicts; has no state, and is made without arguments."""

    def fit(self, architectures: Sequence[Architecture], targets: Vector, rng: np.random.Generator) -> Posterior:
        """What is known after these cells, at least one, had these targets: (n,), larger is better, centred, of unit spread."""


class ModelOf:
    """The model of a strategy as a surrogate."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy

    def fit(self, architectures: Sequence[Architecture], targets: Vector, rng: np.random.Generator) -> Posterior:
        """The strategy fitted to targets as if they were what is maximised."""
        cells = enumerate(zip(architectures, targets.tolist(), strict=True))
        observed = tuple(Observation(cell, (target,), number) for number, (cell, target) in cells)
        seen = frozenset(cell.arch_id for cell in architectures)
        return self._strategy.fit(History(architectures[0].space, True, observed, (), seen), rng)


@dataclass(frozen=True)
class SurrogateModel:
    """A surrogate fitted to a history of at least one observation."""

    options: SurrogateOptions
    history: History
    scale: TargetScale
    posterior: Posterior

    @property
    def diagnostics(self) -> Mapping[str, Any]:
        """How well the measured cells are told apart."""
        observed = self.history.observations
        mean, _ = self.posterior.predict([one.architecture for one in observed])
        targets = self.scale.targets([one.value for one in observed])
        return {"observations": len(observed), "train_rank_correlation": spearman(mean, targets)}

    def predict(self, architectures: Sequence[Architecture]) -> tuple[Vector, Vector]:
        """Mean and standard deviation, (n,) and (n,), in the objective's unit."""
        if not architectures:
            return np.empty(0), np.empty(0)
        return self.scale.values(*self.posterior.predict(architectures))

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """The ``n`` candidates that the acquisition function puts first."""
        options, history = self.options, self.history
        wanted = max(options.candidates, CANDIDATES_PER_PROPOSAL * n)
        candidates = mutants(history, wanted, python_random(rng))
        if not candidates:
            return []
        mean, std = self.posterior.predict(candidates)
        best = float(self.scale.targets([history.best_first[0].value])[0])
        score = acquisition_of(options.acquisition, mean, std, best=best, beta=options.beta, rng=rng)
        encoder = encoder_for(history.space)
        chosen = choose(score, encoder.encode(candidates), encoder.encode(history.pending), n)
        means, stds = self.scale.values(mean, std)
        return [Proposal(candidates[row], float(means[row]), float(stds[row]), value) for row, value in chosen]


class SurrogateSearch:
    """The strategy ``surrogate``."""

    name = "surrogate"

    def __init__(self, options: SurrogateOptions) -> None:
        """Find the surrogate.

        Raises:
            InvalidStrategy: There is none of that name.
        """
        self.options = options
        name = options.surrogate
        found = ModelOf(strategy_from_spec({"name": name})) if name in MODELS else own_surrogate(name)
        if found is None:
            raise InvalidStrategy("/surrogate", f"there is no surrogate {name!r}")
        self.surrogate: Surrogate = found

    @property
    def n_initial(self) -> int | None:
        """Trials of the initial design before the surrogate is asked."""
        return self.options.n_initial

    def fit(self, history: History, rng: np.random.Generator) -> SurrogateModel | RandomModel:
        """The surrogate's posterior; without a single observation there is nothing to fit, and cells are drawn at random."""
        if not history.observations:
            return RandomModel(history)
        values = [observed.value for observed in history.observations]
        scale = TargetScale.of(values, maximize=history.maximize)
        cells = [observed.architecture for observed in history.observations]
        return SurrogateModel(self.options, history, scale, self.surrogate.fit(cells, scale.targets(values), rng))

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` distinct unseen architectures; fewer only where the space holds no more."""
        return self.fit(history, rng).propose(n, rng)
