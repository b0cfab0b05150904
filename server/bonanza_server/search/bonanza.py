"""The default: an exact Gaussian process on several views of a cell, and log expected improvement over every cell there is.

The pieces are one module each: ``views``, ``upper_scale``, ``surrogates.gaussian_process``, ``network_mean`` (from a hundred results on a graph network has a
share of the means of cells that were not measured), ``catalogue`` (spaces that can be listed are scored whole), ``candidates`` (others), ``believer`` (a batch,
with the cells still being measured). The cells that are scored by both are the best by the process alone.

Measured on NAS-Bench-201 with ``bonanza bench``, 30 seeds, 10 initial trials, one worker, means: queries to the optimum 22 ± 1 on CIFAR-10,
28 ± 3 on CIFAR-100, 50 ± 4 on ImageNet16-120, none missed (the README has other views and acquisition functions beside it). The graph features
made the difference: op sequences of paths in their place take 38, 48 and 84. Which ops feed which brings Kendall's tau on NAS-Bench-101 from .70, .72 and .76
to .71, .74 and .78 (100, 172 and 424 cells), and the network to .74, .77 and .82. What did not help beyond the noise of 60 seeds: paths
beside the graph features, twice as many members, standard deviations 1.4 times as large, improvement on the best value rather than the best mean.
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
from bonanza_server.search.acquisition import independent_thompson, log_expected_improvement, upper_confidence_bound
from bonanza_server.search.batch import MOST_PENDING
from bonanza_server.search.believer import Acquisition, choose
from bonanza_server.search.candidates import candidates
from bonanza_server.search.catalogue import catalogue_of, is_listed
from bonanza_server.search.correlation import spearman
from bonanza_server.search.history import History, Proposal, Source
from bonanza_server.search.network_mean import NetworkMean, network_mean
from bonanza_server.search.options import BonanzaOptions
from bonanza_server.search.random_search import RandomModel
from bonanza_server.search.sparse import NARROW, WIDTH, Rows, dense
from bonanza_server.search.surrogates import warm_start
from bonanza_server.search.surrogates.gaussian_process import GaussianProcess, scaled
from bonanza_server.search.surrogates.hyperparameters import Prior
from bonanza_server.search.surrogates.warm_start import MOST_LENT, Results, WarmStart
from bonanza_server.search.told import Told
from bonanza_server.search.upper_scale import UpperScale
from bonanza_server.search.views import rows_of, views_of

WEIGHTS = {"positions": 0.25, "paths": 1.0, "counts": 4.0, "graf": 6.0, "wl": 2.0, "features": 8.0}
LENGTHS = {"positions": 1.0, "paths": 1.0, "counts": 1.2, "graf": 1.1, "wl": 1.0, "features": 1.0}
"""Medians of the priors. How much there is of each op, and of each set of them on a path, explains most of what cells differ by; what stands where is a last resort.
Features are told because whoever tells them thinks that they say much."""
CANDIDATES_PER_PROPOSAL = 2
MOST_DISTANCES = 2_000_000
"""Pairs of an observed cell and a candidate that are held at once, in each view."""
SHORTLIST = 512
"""Cells that a batch is chosen from, at least: the best by acquisition."""


@dataclass(frozen=True)
class BonanzaModel:
    """A Gaussian process fitted to a history of at least one observation; ``cells`` are those it is of, other studies' first."""

    options: BonanzaOptions
    history: History
    scale: UpperScale
    start: WarmStart
    cells: tuple[Architecture, ...]
    network: NetworkMean | None

    @property
    def process(self) -> GaussianProcess:
        """The process."""
        return self.start.process

    @property
    def names(self) -> list[str]:
        """The views that the process is of."""
        return names_of(self.options, self.history)

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How the fit went; the last is the rank correlation of the results with what all others say of each."""
        likeliest, targets = self.process.members[0].hyper, self.process.targets
        read = readable(self.history)
        sources = {source.study: len(source.observations) for source in read}
        correlations = dict(zip(sources, self.start.correlations, strict=True))
        without = {
            "correlations": correlations,
            "left_out_without_sources": spearman(self.start.scratch.left_out(), targets),
        }
        return {
            "observations": len(targets),
            "members": len(self.process.members),
            "weights": dict(zip(self.names, likeliest.weights.tolist(), strict=True)),
            "lengths": dict(zip(self.names, likeliest.lengths.tolist(), strict=True)),
            "noise": float(likeliest.noise),
            "left_out_rank_correlation": spearman(self.process.left_out(), targets),
            "network_trained_on": self.network.opinion.trained_on if self.network else 0,
            "network_share": self.network.share if self.network else 0.0,
            **({"sources": sources, **without} if self.options.warm_start_from else {}),
        }

    def predict(self, architectures: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the cells' true values, (n,) and (n,), in the objective's unit."""
        if not architectures:
            return np.empty(0), np.empty(0)
        known, others = views_beside(self.history, self.cells, architectures, self.names)
        predicted = [self.process.predict(self._distances(known, rows)) for rows in _chunks(others, len(known[0]))]
        means, stds = (np.concatenate(column) for column in zip(*predicted, strict=True))
        return self.scale.values(means + self._shift(means, architectures), stds)

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """The ``n`` cells of the greatest expected improvement, each as if those before it and the pending ones had their results."""
        history = self.history
        if is_listed(history.space):
            catalogue = catalogue_of(history.space)
            cells = [catalogue.architectures[row] for row in catalogue.unseen(history.seen)]
        else:
            wanted = max(self.options.candidates, CANDIDATES_PER_PROPOSAL * n)
            cells = candidates(history, wanted, python_random(rng), self._promising())
        if not cells:
            return []
        pending = history.pending[-MOST_PENDING:]
        known, others = views_beside(history, self.cells, [*cells, *pending], self.names)
        kept = self._shortlist(known, [view[: len(cells)] for view in others], max(SHORTLIST, 2 * n), rng)
        index = np.concatenate((kept, np.arange(len(cells), len(cells) + len(pending))))
        rows = [view[index] for view in others]
        scales = scales_of(history, self.names)
        acquisition, distances = self._acquisition(rng), scaled(known, rows, scales)
        listed = [*(cells[row] for row in kept), *pending]
        mean, std, chosen = choose(
            self.process,
            distances,
            rows,
            scales,
            acquisition,
            shift=lambda means: self._shift(means, listed),
            best=float(self.process.fitted().max()),
            n=n,
            pending=len(pending),
        )
        means, stds = self.scale.values(mean, std)
        return [Proposal(cells[kept[row]], float(means[row]), float(stds[row]), value) for row, value in chosen]

    def _promising(self) -> list[Architecture]:
        """Cells that the features speak for."""
        features, targets = self.history.features, self.process.targets
        return features.promising(self.history.seen, self.cells[-len(targets) :], targets) if features else []

    def _shift(self, means: NDArray[np.float64], cells: Sequence[Architecture]) -> NDArray[np.float64]:
        """What the network moves the process's ``means`` of these cells by; (n,).

        Measured cells stay where they are: the network may say what to expect of a cell, not what its own measurements are worth. It is smooth, and
        would draw the best cell and its neighbours level, when it is these means that decide which of them to measure again.
        """
        if self.network is None:
            return np.zeros_like(means)
        free = np.array([cell.arch_id not in self.history.measured for cell in cells], dtype=bool)
        return free * self.network.shift(means, cells)

    def _acquisition(self, rng: np.random.Generator) -> Acquisition:
        """The acquisition function; independent Thompson sampling draws at each call, once for each cell."""
        functions: dict[str, Acquisition] = {
            "ei": log_expected_improvement,
            "ucb": lambda mean, std, _: upper_confidence_bound(mean, std, self.options.beta),
            "its": lambda mean, std, _: independent_thompson(mean, std, rng.standard_normal(len(mean))),
        }
        return functions[self.options.acquisition]

    def _shortlist(self, known: list[Rows], cells: list[Rows], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """The rows of the ``most`` cells of the greatest acquisition, ascending."""
        count = len(cells[0])
        if count <= most:
            return np.arange(count)
        best = float(self.process.fitted().max())
        acquisition = self._acquisition(rng)
        scores = [
            acquisition(*self.process.predict(self._distances(known, rows)), best)
            for rows in _chunks(cells, len(known[0]))
        ]
        return np.sort(np.argsort(-np.concatenate(scores), kind="stable")[:most])

    def _distances(self, known: Sequence[Rows], others: Sequence[Rows]) -> list[Tensor]:
        return scaled(known, others, scales_of(self.history, self.names))


def _chunks(views: Sequence[Rows], known: int) -> list[list[Rows]]:
    """The rows of the views, so many at a time that their distances to ``known`` cells fit."""
    size = max(1, MOST_DISTANCES // known)
    return [[view[start : start + size] for view in views] for start in range(0, len(views[0]), size)]


def names_of(options: BonanzaOptions, history: History) -> list[str]:
    """The views that a process of ``history`` is of.

    Features of measured cells alone are left out: they say nothing of others that the graphs do not, and a process that took what is expected of those
    for known would be too sure (at a nominal 90 %, 58 % of the cells were covered where 81 % are without).
    """
    features = history.features is not None and history.features.beyond(history.measured)
    return [*options.views.split("+"), *(["features"] if features else [])]


def scales_of(history: History, names: Sequence[str]) -> list[float]:
    """The mean squared distance of two cells of the space in each of the views ``names``."""
    told = {"features": history.features.distance} if history.features else {}
    known = views_of(history.space).distances | told
    return [known[name] for name in names]


def views_beside(
    history: History, known: Sequence[Architecture], others: Sequence[Architecture], names: Sequence[str]
) -> tuple[list[Rows], list[Rows]]:
    """The views ``names`` of the ``known`` cells and of ``others``, with the same columns."""
    cells = [*known, *others]
    own = [name for name in names if name != "features"]
    if is_listed(history.space):
        views = catalogue_of(history.space).rows(cells, own)
    else:
        rows = zip(*(rows_of(cell, tuple(own)) for cell in cells), strict=True)
        views = [dense(view, width=NARROW if name == "wl" else WIDTH) for name, view in zip(own, rows, strict=True)]
    if history.features and "features" in names:
        views.append(history.features.rows(cells, views[own.index("graf")] if "graf" in own else None))
    return [view[: len(known)] for view in views], [view[len(known) :] for view in views]


def readable(history: History) -> list[Source]:
    """The sources with results in this space: a study may since have been deleted, and its name be another's."""
    return [source for source in history.sources if source.space == history.space and source.observations]


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
        studies = readable(history)
        most = MOST_LENT // max(1, len(studies))
        parts = [Told.of(one.observations, maximize=one.maximize, most=most) for one in studies]
        parts.append(own := Told.of(history.evidence, maximize=history.maximize, most=len(history.evidence)))
        names = names_of(self.options, history)
        known, _ = views_beside(history, [cell for part in parts for cell in part.cells], (), names)
        ends = np.cumsum([len(part.cells) for part in parts])[:-1]
        views = zip(*(np.split(view, ends) for view in known), strict=True)
        *others, results = (
            Results(list(rows), part.targets, np.array([observed.weight for observed in part.observations]))
            for rows, part in zip(views, parts, strict=True)
        )
        prior = Prior(tuple(WEIGHTS[name] for name in names), tuple(LENGTHS[name] for name in names), noise=0.01)
        start = warm_start.fit(results, others, scales_of(history, names), prior)
        network = None
        if self.options.network:
            # An estimate of a pruned training is no result for it: a network has no weights, and every complete curve moves all estimates.
            rows = [row for row, one in enumerate(own.observations) if not one.censored]
            measured = [own.observations[row] for row in rows]
            network = network_mean(
                [one.architecture for one in measured],
                [one.value for one in measured],
                own.targets[rows],
                start.process.left_out()[rows],
                maximize=history.maximize,
            )
        read = [part for part, rho in zip(parts, (*start.correlations, 1.0), strict=True) if rho]
        return BonanzaModel(
            self.options, history, own.scale, start, tuple(cell for part in read for cell in part.cells), network
        )

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """``n`` distinct unseen architectures; fewer only where the space holds no more."""
        return self.fit(history, rng).propose(n, rng)
