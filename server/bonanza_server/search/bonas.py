"""BONAS: a graph network's embedding, a Bayesian linear regression on it, expected improvement over what a sampler offers.

Shi et al. 2020, "Bridging the Gap between Sample-based and One-shot Neural Architecture Search with BONAS" (arXiv 1911.09336), algorithm 1. The regression is
fitted to every result, the network to every k-th: to the first k * floor(n / k) of them, with a seed from that number, so that a restarted server trains the
same network. The pieces are one module each: ``embedder`` (and ``surrogates.predictor``), ``transfer``, ``surrogates.bayesian_regression``,
``samplers``, ``batch``.

Deviations: accuracies are not taken as they are but standardised (``targets``); what the paper fits in logit space, log(y / (1 - y)), is then the
standardised value itself, because the network's target is its sigmoid. A batch is chosen as if earlier places had been measured, where the released code takes
the best by score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import python_random
from bonanza_server.search.acquisition import log_expected_improvement
from bonanza_server.search.batch import MOST_PENDING, greedy
from bonanza_server.search.history import History, Proposal
from bonanza_server.search.options import BonasOptions
from bonanza_server.search.policy_sampler import reinforced
from bonanza_server.search.random_search import RandomModel
from bonanza_server.search.samplers import evolved, sampled
from bonanza_server.search.surrogates.bayesian_regression import BayesianRegression, UnknownWeights
from bonanza_server.search.targets import TargetScale
from bonanza_server.search.transfer import Transfer, transferred

CANDIDATES_PER_PROPOSAL = 2


@dataclass(frozen=True)
class BonasModel:
    """A network and a regression fitted to a history of at least one observation."""

    options: BonasOptions
    history: History
    transfer: Transfer
    trained_on: int
    scale: TargetScale
    regression: BayesianRegression

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How the fit went; with sources, how much was read of them and whether it was of use."""
        sources = {source.study: len(source.observations) for source in self.history.sources}
        return {
            "observations": len(self.history.observations),
            "trained_on": self.trained_on,
            "labels": self.transfer.embedder.encoder.features,
            "alpha": self.regression.alpha,
            "beta": self.regression.beta,
            "columns": len(self.regression.columns),
            **({"sources": sources, **self.transfer.diagnostics} if self.options.pretrain_from else {}),
        }

    def predict(self, architectures: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation, the noise included, (n,) and (n,), in the objective's unit."""
        if not architectures:
            return np.empty(0), np.empty(0)
        return self.scale.values(*self.regression.predict(self.transfer.embedder.embed(architectures)))

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """The ``n`` candidates of the sampler with the greatest expected improvement."""
        options, history = self.options, self.history
        wanted = max(options.candidates, CANDIDATES_PER_PROPOSAL * n)
        draw = python_random(rng)
        embed = self.transfer.embedder.embed
        best = float(self.scale.targets([history.best_first[0].value])[0])
        if options.sampler == "reinforce":
            candidates = reinforced(
                history, wanted, draw, embed, lambda phi: log_expected_improvement(*self.regression.predict(phi), best)
            )
        else:
            candidates = (sampled if options.sampler == "random" else evolved)(history, wanted, draw)
        if not candidates:
            return []
        pending = history.pending[-MOST_PENDING:]
        phi = embed([*candidates, *pending])
        mean, std = self.regression.predict(phi[: len(candidates)])
        chosen = greedy(
            lambda factor: log_expected_improvement(mean, std * factor, best),
            UnknownWeights(self.regression, phi),
            len(candidates),
            len(pending),
            n,
        )
        means, stds = self.scale.values(mean, std)
        return [Proposal(candidates[row], float(means[row]), float(stds[row]), value) for row, value in chosen]


class Bonas:
    """The strategy ``bonas``."""

    name = "bonas"

    def __init__(self, options: BonasOptions) -> None:
        self.options = options

    @property
    def n_initial(self) -> int | None:
        """Trials of the initial design before the model is asked."""
        return self.options.n_initial

    def fit(self, history: History, rng: np.random.Generator) -> BonasModel | RandomModel:  # noqa: ARG002 - the protocol's
        """The model of ``history``; without a single observation there is nothing to fit, and cells are drawn at random."""
        if not history.observations:
            return RandomModel(history)
        every = self.options.retrain_every
        trained_on = every * (len(history.observations) // every) or len(history.observations)
        transfer = transferred(history, trained_on, self.options)
        scale = TargetScale.of([seen.value for seen in history.evidence], maximize=history.maximize)
        phi = transfer.embedder.embed([observed.architecture for observed in history.evidence])
        regression = BayesianRegression.fit(phi, scale.targets([seen.value for seen in history.evidence]))
        return BonasModel(self.options, history, transfer, trained_on, scale, regression)

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` distinct unseen architectures; fewer only where the space holds no more."""
        return self.fit(history, rng).propose(n, rng)
