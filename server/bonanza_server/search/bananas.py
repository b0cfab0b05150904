"""BANANAS: Bayesian optimisation with an ensemble of meta neural networks on the path encoding.

White, Neiswanger, Savani 2021 (arXiv 1910.11858), algorithm 1: encode the measured cells, fit the ensemble, mutate the best cells,
measure the candidates that the acquisition function puts first. The pieces are one module each: ``encodings``, ``targets``,
``surrogates.meta_network``, ``acqopt``, ``acquisition``, ``batch``.

Deviations from the paper and from naszilla's code, besides those the pieces tell of: what stands at each position is encoded beside the paths (option
``encoding``), because the paths of NAS-Bench-201 do not tell its cells apart; paths through dead edges are left out; identical cells are recognised by their canonical
graph, not by their paths; cells under way count as measured at their predicted mean when a batch is chosen; asked for many
proposals, the optimiser makes ``CANDIDATES_PER_PROPOSAL`` candidates for each, where the original would hand out the tail of its 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import mutants, python_random
from bonanza_server.search.acquisition import acquisition
from bonanza_server.search.batch import choose
from bonanza_server.search.correlation import spearman
from bonanza_server.search.encodings import Encoder, Rows, encoder_for
from bonanza_server.search.exhaustive import is_listed, listing_of
from bonanza_server.search.history import History, Proposal
from bonanza_server.search.options import BananasOptions
from bonanza_server.search.random_search import RandomModel
from bonanza_server.search.surrogates.meta_network import MetaNetworks, Training, train
from bonanza_server.search.targets import TargetScale

CANDIDATES_PER_PROPOSAL = 2


@dataclass(frozen=True)
class BananasModel:
    """An ensemble fitted to a history of at least one observation."""

    options: BananasOptions
    history: History
    encoder: Encoder
    scale: TargetScale
    networks: MetaNetworks
    train_rank_correlation: float | None

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How the fit went."""
        return {
            "observations": len(self.history.observations),
            "encoding": self.encoder.name,
            "columns": self.encoder.size,
            "epochs": self.networks.epochs,
            "members": self.options.ensemble,
            "members_restarted": self.networks.restarted,
            "train_rank_correlation": self.train_rank_correlation,
        }

    def predict(self, architectures: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation over the members, (n,) and (n,), in the objective's unit."""
        members = self.networks.predict(self.encoder.encode(architectures))
        return self.scale.values(members.mean(axis=0), members.std(axis=0))

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """The ``n`` candidates that the acquisition function puts first."""
        options = self.options
        candidates, cells = self._candidates(n, rng)
        if not candidates:
            return []
        members = self.networks.predict(cells)
        best = float(self.scale.targets([self.history.best_first[0].value])[0])
        score = acquisition(options.acquisition, members, best=best, beta=options.beta, rng=rng)
        chosen = choose(score, cells, self.encoder.encode(self.history.pending), n)
        means, stds = self.scale.values(members.mean(axis=0), members.std(axis=0))
        return [Proposal(candidates[row], float(means[row]), float(stds[row]), value) for row, value in chosen]

    def _candidates(self, n: int, rng: np.random.Generator) -> tuple[list[Architecture], Rows]:
        """The cells that are scored, and their encoding."""
        options, history = self.options, self.history
        if options.optimiser == "exhaustive" and is_listed(history.space):
            every = listing_of(history.space, self.encoder)
            rows = [row for row, arch_id in enumerate(every.arch_ids) if arch_id not in history.seen]
            return [every.architectures[row] for row in rows], every.rows[rows]
        wanted = max(options.candidates, CANDIDATES_PER_PROPOSAL * n)
        candidates = mutants(history, wanted, python_random(rng), parents=options.parents, rate=options.mutation_rate)
        return candidates, self.encoder.encode(candidates)


class Bananas:
    """The strategy ``bananas``."""

    name = "bananas"

    def __init__(self, options: BananasOptions) -> None:
        self.options = options

    @property
    def n_initial(self) -> int | None:
        """Trials of the initial design before the model is asked."""
        return self.options.n_initial

    def fit(self, history: History, rng: np.random.Generator) -> BananasModel | RandomModel:
        """The ensemble of ``history``; without a single observation there is nothing to fit, and cells are drawn at random."""
        if not history.observations:
            return RandomModel(history)
        options = self.options
        encoder = encoder_for(
            history.space,
            encoding=options.encoding,
            prune_zero_paths=options.prune_zero_paths,
            truncate=options.truncate,
        )
        cells = encoder.encode([observed.architecture for observed in history.evidence])
        values = [observed.value for observed in history.evidence]
        scale = TargetScale.of(values, maximize=history.maximize)
        targets = scale.targets(values)
        training = Training(
            members=options.ensemble,
            layers=options.layers,
            width=options.width,
            epochs=options.epochs,
            batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            loss=options.loss,
        )
        networks = train(cells, targets, training, rng)
        correlation = spearman(networks.predict(cells).mean(axis=0), targets)
        return BananasModel(options, history, encoder, scale, networks, correlation)

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` distinct unseen architectures; fewer only where the space holds no more."""
        return self.fit(history, rng).propose(n, rng)
