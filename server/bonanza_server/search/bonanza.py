"""The default: an exact Gaussian process on three views of a cell, and log expected improvement over every cell there is.

The pieces are one module each: ``views``, ``upper_scale``, ``surrogates.gaussian_process``, ``catalogue`` (spaces that can be listed are
scored whole), ``candidates`` (others), ``believer`` (a batch, with the cells still being measured).

Measured on NAS-Bench-201 with ``bonanza bench``, 30 seeds, 10 initial trials, one worker, means: queries to the optimum 38 ± 4 on CIFAR-10,
48 ± 4 on CIFAR-100, 84 ± 6 on ImageNet16-120, none missed. On the last the kernel is not the limit alone: told the results of all
other cells, a sum of squared exponentials on these views still ranks the optimum 21st. What did not help beyond the noise of 12 to 24
seeds: five initial trials, a prior mean that rises with the cost, Weisfeiler-Lehman features in place of the paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import python_random
from bonanza_server.search.acquisition import log_expected_improvement
from bonanza_server.search.batch import MOST_PENDING
from bonanza_server.search.believer import choose
from bonanza_server.search.candidates import candidates
from bonanza_server.search.catalogue import catalogue_of, is_listed
from bonanza_server.search.correlation import spearman
from bonanza_server.search.history import History, Proposal
from bonanza_server.search.random_search import RandomModel
from bonanza_server.search.spec import BonanzaOptions
from bonanza_server.search.surrogates import gaussian_process
from bonanza_server.search.surrogates.gaussian_process import GaussianProcess, Prior, scaled
from bonanza_server.search.upper_scale import UpperScale
from bonanza_server.search.views import NAMES, Rows, dense, features_of, views_of

PRIOR = Prior(weights=(1.0, 1.0, 4.0), lengths=(1.0, 1.0, 1.0))
"""In the order of ``views.NAMES``. How much there is of each op explains most of what cells differ by."""
CANDIDATES_PER_PROPOSAL = 2
MOST_DISTANCES = 2_000_000
"""Pairs of an observed cell and a candidate that are held at once, in each view."""
SHORTLIST = 1024
"""Cells that a batch is chosen from: the best by acquisition."""


@dataclass(frozen=True)
class BonanzaModel:
    """A Gaussian process fitted to a history of at least one observation."""

    options: BonanzaOptions
    history: History
    scale: UpperScale
    process: GaussianProcess

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How the fit went; the last is the rank correlation of the results with what all others say of each."""
        likeliest, targets = self.process.members[0].hyper, self.process.targets
        return {
            "observations": len(targets),
            "members": len(self.process.members),
            "weights": dict(zip(NAMES, likeliest.weights.tolist(), strict=True)),
            "lengths": dict(zip(NAMES, likeliest.lengths.tolist(), strict=True)),
            "noise": float(likeliest.noise),
            "left_out_rank_correlation": spearman(self.process.left_out(), targets),
        }

    def predict(self, architectures: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the cells' true values, (n,) and (n,), in the objective's unit."""
        if not architectures:
            return np.empty(0), np.empty(0)
        known, others = views_beside(self.history, architectures)
        predicted = [self.process.predict(self._distances(known, rows)) for rows in _chunks(others, len(known[0]))]
        means, stds = zip(*predicted, strict=True)
        return self.scale.values(np.concatenate(means), np.concatenate(stds))

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """The ``n`` cells of the greatest expected improvement, each as if those before it and the pending ones had their results."""
        history = self.history
        if is_listed(history.space):
            catalogue = catalogue_of(history.space)
            cells = [catalogue.architectures[row] for row in catalogue.unseen(history.seen)]
        else:
            wanted = max(self.options.candidates, CANDIDATES_PER_PROPOSAL * n)
            cells = candidates(history, wanted, python_random(rng))
        if not cells:
            return []
        pending = history.pending[-MOST_PENDING:]
        known, others = views_beside(history, [*cells, *pending])
        kept = self._shortlist(known, [view[: len(cells)] for view in others], max(SHORTLIST, 2 * n))
        index = np.concatenate((kept, np.arange(len(cells), len(cells) + len(pending))))
        rows = [view[index] for view in others]
        scales = views_of(history.space).distances
        mean, std, chosen = choose(self.process, scaled(known, rows, scales), rows, scales, n=n, pending=len(pending))
        means, stds = self.scale.values(mean, std)
        return [Proposal(cells[kept[row]], float(means[row]), float(stds[row]), value) for row, value in chosen]

    def _shortlist(self, known: list[Rows], cells: list[Rows], most: int) -> NDArray[np.intp]:
        """The rows of the ``most`` cells of the greatest acquisition, ascending."""
        count = len(cells[0])
        if count <= most:
            return np.arange(count)
        best = float(self.process.fitted().max())
        scores = [
            log_expected_improvement(*self.process.predict(self._distances(known, rows)), best)
            for rows in _chunks(cells, len(known[0]))
        ]
        return np.sort(np.argsort(-np.concatenate(scores), kind="stable")[:most])

    def _distances(self, known: Sequence[Rows], others: Sequence[Rows]) -> list[Tensor]:
        return scaled(known, others, views_of(self.history.space).distances)


def _chunks(views: Sequence[Rows], known: int) -> list[list[Rows]]:
    """The rows of the views, so many at a time that their distances to ``known`` cells fit."""
    size = max(1, MOST_DISTANCES // known)
    return [[view[start : start + size] for view in views] for start in range(0, len(views[0]), size)]


def views_beside(history: History, others: Sequence[Architecture]) -> tuple[list[Rows], list[Rows]]:
    """The views of the observed cells and of ``others``, with the same columns."""
    known = [observed.architecture for observed in history.evidence]
    if is_listed(history.space):
        catalogue = catalogue_of(history.space)
        return catalogue.rows(known), catalogue.rows(others)
    features = [features_of(cell) for cell in (*known, *others)]
    views = [dense([getattr(one, name) for one in features]) for name in NAMES]
    return [view[: len(known)] for view in views], [view[len(known) :] for view in views]


class Bonanza:
    """The strategy ``bonanza``."""

    name = "bonanza"

    def __init__(self, options: BonanzaOptions) -> None:
        self.options = options

    @property
    def n_initial(self) -> int | None:
        """Trials of the initial design before the model is asked."""
        return self.options.n_initial

    def fit(self, history: History, rng: np.random.Generator) -> BonanzaModel | RandomModel:  # noqa: ARG002 - nothing is drawn
        """The process of ``history``; without a single observation there is nothing to fit, and cells are drawn at random."""
        if not history.observations:
            return RandomModel(history)
        values = [observed.value for observed in history.evidence]
        scale = UpperScale.of(values, maximize=history.maximize)
        measurements = np.array([observed.weight for observed in history.evidence])
        known, _ = views_beside(history, ())
        scales = views_of(history.space).distances
        process = gaussian_process.fit(known, scale.targets(values), measurements, scales, PRIOR)
        return BonanzaModel(self.options, history, scale, process)

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` distinct unseen architectures; fewer only where the space holds no more."""
        return self.fit(history, rng).propose(n, rng)
