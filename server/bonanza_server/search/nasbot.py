"""NASBOT: a Gaussian process on optimal transport distances, expected improvement, an evolutionary search for its greatest value.

Kandasamy et al. 2018, "Neural architecture search with Bayesian optimisation and optimal transport" (arXiv 1802.07191). The pieces are one module each:
``otmann`` with ``op_tables`` and ``path_lengths``, ``surrogates.transport_process``, ``acquisition_evolution``, ``transport_budget``, ``batch``.

It is for networks of layers (``layer_graph``); the graphs of other spaces get masses and likenesses of ops from their names (``op_tables.CELL``).

Deviations, besides those the pieces tell of: values are standardised (``targets``). A distance costs a tenth of a millisecond and a proposal some thousands
of them: of many observations the process is fitted to some (``representatives``), and the optimiser tries fewer networks than the original's 25 sqrt(t) where
those are many (``transport_budget``). Where more are asked for than can be chosen one by one, the last ones are ranked by what the
best few observations say of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import mutants, python_random
from bonanza_server.search.acquisition import log_expected_improvement
from bonanza_server.search.acquisition_evolution import evolve
from bonanza_server.search.batch import greedy, places
from bonanza_server.search.history import History, Observation, Proposal
from bonanza_server.search.options import NasbotOptions
from bonanza_server.search.otmann import Otmann, Penalties, distances
from bonanza_server.search.random_search import RandomModel
from bonanza_server.search.surrogates.transport_process import FLOOR, TransportProcess
from bonanza_server.search.targets import TargetScale
from bonanza_server.search.transport_budget import FEW, affordable, canonical, evaluations, transport_arcs

Array = NDArray[np.float64]

MOST_PENDING = 64
"""Of more pending networks the newest are counted; each costs a distance to every candidate."""
CHUNK = 1_000
"""Networks predicted at once, which bounds the memory."""


@dataclass(frozen=True)
class NasbotModel:
    """A process fitted to a history of at least one observation; ``cells`` are those it was fitted to."""

    options: NasbotOptions
    history: History
    cells: tuple[Architecture, ...]
    scale: TargetScale
    process: TransportProcess

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How the fit went."""
        return {
            "observations": len(self.history.observations),
            "fitted_to": len(self.cells),
            "log_likelihood": self.process.log_likelihood,
            "noise": self.process.hyper.noise,
            "amplitudes": self.process.hyper.a.tolist(),
        }

    def predict(self, architectures: Sequence[Architecture]) -> tuple[Array, Array]:
        """Mean and standard deviation, the noise left out, (n,) and (n,), in the objective's unit."""
        if not architectures:
            return np.empty(0), np.empty(0)
        return self.scale.values(*self.process.predict(self._whiten(architectures)))

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """The ``n`` networks with the greatest expected improvement among those that evolution finds."""
        if n < 1:
            return []
        draw = python_random(rng)
        here = self.process.whiten(self.process.kernel(self.process.distances))
        candidates = evolve(
            self.history,
            self.cells,
            self._improvement(*self.process.predict(here)),
            lambda cells: self._improvement(*self.process.predict(self._whiten(cells))),
            evaluations(len(self.history.observations), transport_arcs(self.cells), n, self.options.evaluations),
            draw,
            rate=self.options.mutation_rate,
        )
        if not candidates:
            return []
        pending = list(self.history.pending[-MOST_PENDING:])
        rows = candidates + pending
        whitened = self._whiten(rows)
        mean, std = self.process.predict(whitened[:, : len(candidates)])
        unknown = UnknownNetworks(self, rows, whitened, len(pending) + places(n, len(candidates)))
        chosen = greedy(lambda factor: self._improvement(mean, std * factor), unknown, len(candidates), len(pending), n)
        means, stds = self.scale.values(mean, std)
        proposals = [Proposal(candidates[row], float(means[row]), float(stds[row]), value) for row, value in chosen]
        if len(proposals) < n:
            seen = self.history.seen.union(cell.arch_id for cell in candidates)
            others = mutants(
                replace(self.history, seen=seen), n - len(proposals), draw, rate=self.options.mutation_rate
            )
            proposals += self._ranked(others)[: n - len(proposals)]
        return proposals

    def _ranked(self, cells: Sequence[Architecture]) -> list[Proposal]:
        """Further networks, the best first, as the best ``FEW`` observations alone would have them."""
        if not cells:
            return []
        rows = np.argsort(-self.process.targets, kind="stable")[:FEW]
        process = self.process.among(rows)
        covariance = process.kernel(self._distances([self.cells[row] for row in rows], cells))
        mean, std = process.predict(process.whiten(covariance))
        score = self._improvement(mean, std)
        means, stds = self.scale.values(mean, std)
        return [
            Proposal(cells[row], float(means[row]), float(stds[row]), float(score[row]))
            for row in np.argsort(-score, kind="stable")
        ]

    def _improvement(self, mean: Array, std: Array) -> Array:
        best = float(self.scale.targets([self.history.best_first[0].value])[0])
        return log_expected_improvement(mean, std, best)

    def _whiten(self, cells: Sequence[Architecture]) -> Array:
        chunks = (cells[first : first + CHUNK] for first in range(0, len(cells), CHUNK))
        return np.concatenate(
            [self.process.whiten(self.process.kernel(self._distances(self.cells, chunk))) for chunk in chunks], axis=1
        )

    def _distances(self, a: Sequence[Architecture], b: Sequence[Architecture]) -> Otmann:
        return otmann(a, b, penalties(self.options))

    def covariances(self, cells: Sequence[Architecture], index: int) -> Array:
        """The prior covariance of each of ``cells`` with the one at ``index``; (cells,)."""
        return np.asarray(self.process.kernel(self._distances(cells[index : index + 1], cells))[0])


class UnknownNetworks:
    """How much of each row's std is left when some rows count as measured (``batch.Uncertainty``): hallucinated observations.

    As ``batch.Unknown``, from the posterior of the process: each adds a row to a partial Cholesky factor of its covariance. The kernel is not quite
    positive definite: no covariance may be more than the standard deviations allow, no variance less than the process's floor.
    """

    def __init__(self, model: NasbotModel, cells: Sequence[Architecture], whitened: Array, most: int) -> None:
        """Nothing of ``cells``, whitened (observations, rows), is measured yet, and at most ``most`` of them will be."""
        self._model, self._cells, self._whitened = model, cells, whitened
        self._noise = model.process.hyper.noise
        self._before = np.square(model.process.predict(whitened)[1])
        self._variance = self._before.copy()
        self._factor = np.empty((most, len(cells)))
        self._measured = 0

    @property
    def factor(self) -> Array:
        """What each row's std is to be multiplied by, (rows,), in [0, 1]."""
        return np.asarray(np.sqrt(np.clip(self._variance / self._before, 0.0, 1.0)))

    def measure(self, index: int) -> None:
        """Count row ``index`` as measured."""
        factor = self._factor[: self._measured]
        column = self._model.covariances(self._cells, index) - self._whitened.T @ self._whitened[:, index]
        row = (column - factor.T @ factor[:, index]) / np.sqrt(self._variance[index] + self._noise)
        most = np.sqrt(
            self._variance
        )  # what a covariance keeps to (Cauchy-Schwarz); else errors would grow with every row
        row = np.clip(row, -most, most)
        self._factor[self._measured] = row
        self._measured += 1
        self._variance = np.maximum(self._variance - row**2, FLOOR * self._noise)


class Nasbot:
    """The strategy ``nasbot``."""

    name = "nasbot"

    def __init__(self, options: NasbotOptions) -> None:
        self.options = options

    @property
    def n_initial(self) -> int | None:
        """Trials of the initial design before the model is asked."""
        return self.options.n_initial

    def fit(self, history: History, rng: np.random.Generator) -> NasbotModel | RandomModel:
        """The model of ``history``; without a single observation there is nothing to fit, and cells are drawn at random."""
        if not history.observations:
            return RandomModel(history)
        scale = TargetScale.of([observed.value for observed in history.evidence], maximize=history.maximize)
        usual = [len(canonical(observed.architecture).labels) for observed in history.best_first[:FEW]]
        fitted = representatives(history, min(self.options.fitted, affordable(sum(usual) / len(usual))))
        cells = tuple(observed.architecture for observed in fitted)
        process = TransportProcess.fit(
            otmann(cells, cells, penalties(self.options)),
            scale.targets([observed.value for observed in fitted]),
            rng,
            draws=self.options.draws,
            tuning=self.options.tuning,
        )
        return NasbotModel(self.options, history, cells, scale, process)

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` distinct unseen architectures; fewer only where the space holds no more."""
        return self.fit(history, rng).propose(n, rng)


def representatives(history: History, most: int) -> list[Observation]:
    """All evidence, or ``most`` of it, in the order of their trials: half the best ones, a quarter the newest, the rest a sample.

    The sample is of the least ids, which are digests: as good as random, and nearly the same in the next fit, which then has few new distances.
    """
    evidence = history.evidence
    if len(evidence) <= most:
        return list(evidence)
    by_id = sorted(evidence, key=lambda observed: (observed.architecture.arch_id, observed.number))
    newest = sorted(evidence, key=lambda observed: -observed.number)
    kept: dict[int, Observation] = {}
    for order, share in ((history.best_first, most // 2), (newest, most // 4), (by_id, most)):
        left = (observed for observed in order if observed.number not in kept)
        for observed, _ in zip(left, range(min(share, most - len(kept))), strict=False):
            kept[observed.number] = observed
    return [kept[number] for number in sorted(kept)]


def penalties(options: NasbotOptions) -> Penalties:
    """What a match costs, as the options say."""
    return Penalties(nonassignment=options.nonassignment, structure=options.structure)


def otmann(a: Sequence[Architecture], b: Sequence[Architecture], costs: Penalties) -> Otmann:
    """The distances of architectures; (n, m, C)."""
    return distances([canonical(cell) for cell in a], [canonical(cell) for cell in b], costs)
