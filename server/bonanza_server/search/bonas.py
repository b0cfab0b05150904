"""BONAS: a graph network's embedding, a Bayesian linear regression on it, expected improvement over what a sampler offers.

Shi et al. 2020, "Bridging the Gap between Sample-based and One-shot Neural Architecture Search with BONAS" (arXiv 1911.09336), algorithm 1. The regression is
fitted to every result, the network to every k-th: to the first k * floor(n / k) of them, with a seed from that number, so that a restarted server trains the
same network. The pieces are one module each: ``graph_tensors``, ``surrogates.graph_network``, ``surrogates.bayesian_regression``, ``samplers``, ``batch``.

Deviations: accuracies are not taken as they are but standardised (``targets``); what the paper fits in logit space, log(y / (1 - y)), is then the
standardised value itself, because the network's target is its sigmoid. A batch is chosen as if earlier places had been measured, where the released code takes
the best by score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bonanza.spaces import Architecture, LabelledDag
from bonanza_server.search.acqopt import python_random
from bonanza_server.search.acquisition import log_expected_improvement
from bonanza_server.search.batch import MOST_PENDING, greedy
from bonanza_server.search.graph_tensors import GraphEncoder
from bonanza_server.search.history import History, Proposal
from bonanza_server.search.random_search import RandomModel
from bonanza_server.search.samplers import evolved, sampled
from bonanza_server.search.spec import BonasOptions
from bonanza_server.search.surrogates.bayesian_regression import BayesianRegression, UnknownWeights
from bonanza_server.search.surrogates.graph_network import GraphNetwork, GraphTraining, train
from bonanza_server.search.targets import TargetScale

CANDIDATES_PER_PROPOSAL = 2
CHUNK = 2_000
"""Graphs embedded at once, which bounds the memory."""


@dataclass(frozen=True)
class Embedder:
    """A trained network and the graphs it reads."""

    encoder: GraphEncoder
    network: GraphNetwork
    canonical: bool

    def embed(self, cells: Sequence[Architecture]) -> NDArray[np.float64]:
        """The embeddings, (n, E)."""
        graphs = [graph_of(cell, canonical=self.canonical) for cell in cells]
        chunks = (graphs[first : first + CHUNK] for first in range(0, len(graphs), CHUNK))
        return np.concatenate([self.network.embeddings(self.encoder.encode(chunk)).numpy() for chunk in chunks]).astype(
            np.float64
        )


def graph_of(cell: Architecture, *, canonical: bool) -> LabelledDag:
    """The graph that the network reads."""
    return cell.space.canonical(cell) if canonical else cell.space.graph(cell)


@lru_cache(maxsize=8)
def embedder(cells: tuple[Architecture, ...], targets: tuple[float, ...], options: BonasOptions) -> Embedder:
    """The network trained on ``cells``; kept, because the next k - 1 fits of the study ask for the same one."""
    graphs = [graph_of(cell, canonical=options.canonical) for cell in cells]
    encoder = GraphEncoder(label for graph in graphs for label in graph.labels)
    training = GraphTraining(
        loss=options.loss,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
    )
    generator = torch.Generator().manual_seed(len(cells))
    network = train(encoder.encode(graphs), torch.tensor(targets, dtype=torch.float64), training, generator)
    return Embedder(encoder, network, options.canonical)


@dataclass(frozen=True)
class BonasModel:
    """A network and a regression fitted to a history of at least one observation."""

    options: BonasOptions
    history: History
    embedder: Embedder
    trained_on: int
    scale: TargetScale
    regression: BayesianRegression

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How the fit went."""
        return {
            "observations": len(self.history.observations),
            "trained_on": self.trained_on,
            "labels": self.embedder.encoder.features,
            "alpha": self.regression.alpha,
            "beta": self.regression.beta,
            "columns": len(self.regression.columns),
        }

    def predict(self, architectures: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation, the noise included, (n,) and (n,), in the objective's unit."""
        if not architectures:
            return np.empty(0), np.empty(0)
        return self.scale.values(*self.regression.predict(self.embedder.embed(architectures)))

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """The ``n`` candidates of the sampler with the greatest expected improvement."""
        options, history = self.options, self.history
        wanted = max(options.candidates, CANDIDATES_PER_PROPOSAL * n)
        draw = python_random(rng)
        candidates = sampled(history, wanted, draw) if options.sampler == "random" else evolved(history, wanted, draw)
        if not candidates:
            return []
        pending = history.pending[-MOST_PENDING:]
        phi = self.embedder.embed([*candidates, *pending])
        mean, std = self.regression.predict(phi[: len(candidates)])
        best = float(self.scale.targets([history.best_first[0].value])[0])
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
        first = history.observations[: every * (len(history.observations) // every) or None]
        values = [observed.value for observed in first]
        targets = TargetScale.of(values, maximize=history.maximize).targets(values)
        trained = embedder(tuple(seen.architecture for seen in first), tuple(targets.tolist()), self.options)
        scale = TargetScale.of([seen.value for seen in history.observations], maximize=history.maximize)
        phi = trained.embed([observed.architecture for observed in history.observations])
        regression = BayesianRegression.fit(phi, scale.targets([seen.value for seen in history.observations]))
        return BonasModel(self.options, history, trained, len(first), scale, regression)

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` distinct unseen architectures; fewer only where the space holds no more."""
        return self.fit(history, rng).propose(n, rng)
