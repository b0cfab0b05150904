"""Features of cells that somebody knows without training them: zero-cost scores, latencies, accuracies after a few epochs.

They are a view of the cells beside those of ``views``, one column a feature, with a kernel of its own in the process's sum, whose weight the results
decide. Of a score such as synflow the order says something, and its values span twenty decades; so a column holds normal scores, the quantile of the
normal distribution at a cell's rank among all that have the feature (van der Waerden 1952). A cell without a value has the one that Bayesian linear
regression on its neural graph features (``graf``) expects: what is known of some cells then counts for all, and nobody has to score a whole space.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from bonanza.spaces import Architecture, SearchSpace
from bonanza_server.search.catalogue import catalogue_of, is_listed
from bonanza_server.search.correlation import ranks
from bonanza_server.search.known_cells import KnownCell, decoded
from bonanza_server.search.sparse import Rows, dense
from bonanza_server.search.surrogates.bayesian_regression import BayesianRegression
from bonanza_server.search.views import rows_of

Array = NDArray[np.float64]

MOST_TAUGHT = 1_000
"""Cells that the regression of a feature is of, at most: evenly spaced in the order of their ids, which is as good as drawn."""
MOST_OFFERED = 1_000
"""Cells with features that are candidates of a space too large to be listed."""
MOST_KEPT = 50_000
"""Cells whose features a process keeps, of all studies together; those of one study at least."""


class Features:
    """The features of one study's cells."""

    def __init__(self, space: SearchSpace, known: Sequence[KnownCell], columns: Mapping[str, Array]) -> None:
        """``columns``, (n,) each and nan where a cell has no value, are the features that tell cells from one another; ``known`` is in the order of the ids."""
        self.names = tuple(columns)
        self._space = space
        self._ids = [arch_id for arch_id, _, _ in known]
        self._given = [architecture for _, architecture, _ in known]
        self._row = {arch_id: row for row, arch_id in enumerate(self._ids)}
        self._scores = np.stack([normal_scores(values) for values in columns.values()], axis=1)
        self._cells: dict[int, Architecture] = {}

    def __len__(self) -> int:
        """Cells that something is known of."""
        return len(self._ids)

    def beyond(self, measured: frozenset[str]) -> bool:
        """Whether something is known of a cell that is not among ``measured``."""
        return any(arch_id not in measured for arch_id in self._ids)

    @cached_property
    def distance(self) -> float:
        """The mean squared distance of two cells that have every feature."""
        return 2.0 * float(np.nanvar(self._scores, axis=0).sum())

    def rows(self, architectures: Sequence[Architecture], graf: Rows | None = None) -> Rows:
        """The view of ``architectures``: what is known of each, and what is expected where nothing is; (n, k).

        ``graf`` are their graph features, where they are at hand.
        """
        rows = np.full((len(architectures), len(self.names)), np.nan)
        for line, architecture in enumerate(architectures):
            if (row := self._row.get(architecture.arch_id)) is not None:
                rows[line] = self._scores[row]
        lacking = np.flatnonzero(np.isnan(rows).any(axis=1))
        if len(lacking):
            without = [architectures[int(line)] for line in lacking]
            phi = (graph_features(self._space, without) if graf is None else graf[lacking]).astype(np.float64)
            expected = np.stack([regression.mean(phi) for regression in self._regressions], axis=1)
            rows[lacking] = np.where(np.isnan(rows[lacking]), expected, rows[lacking])
        return rows.astype(np.float32)

    def promising(
        self, seen: frozenset[str], measured: Sequence[Architecture], targets: NDArray[np.float64]
    ) -> list[Architecture]:
        """Unseen cells with features, all or ``MOST_OFFERED``: those of the greatest target by a regression of ``targets``, (n,), on the features alone."""
        unseen = np.array([row for row, arch_id in enumerate(self._ids) if arch_id not in seen], dtype=np.intp)
        if len(unseen) > MOST_OFFERED:
            regression = BayesianRegression.fit(self.rows(measured).astype(np.float64), targets)
            foreseen = regression.mean(np.nan_to_num(self._scores[unseen]))  # what is not known is taken for the median
            unseen = unseen[np.sort(np.argsort(-foreseen, kind="stable")[:MOST_OFFERED])]
        return [self._cell(int(row)) for row in unseen]

    @cached_property
    def _regressions(self) -> list[BayesianRegression]:
        """Of each feature's normal scores on the graph features."""
        found = []
        for scores in self._scores.T:
            rows = np.flatnonzero(~np.isnan(scores))
            rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_TAUGHT)).astype(np.intp))]
            phi = graph_features(self._space, [self._cell(int(row)) for row in rows])
            found.append(BayesianRegression.fit(phi.astype(np.float64), scores[rows]))
        return found

    def _cell(self, row: int) -> Architecture:
        if row not in self._cells:
            self._cells[row] = self._space.validate(self._given[row])
        return self._cells[row]


def graph_features(space: SearchSpace, cells: Sequence[Architecture]) -> Rows:
    """The neural graph features of ``cells``, as many for each of the space; (n, d)."""
    if is_listed(space):
        return catalogue_of(space).rows(cells, ["graf"])[0]
    return dense([rows_of(cell, ("graf",))[0] for cell in cells])


def normal_scores(values: Array) -> Array:
    """The normal quantile of each value's rank, ties sharing theirs; nan stays nan; (n,)."""
    scores, known = np.full(len(values), np.nan), ~np.isnan(values)
    shares = (ranks(values[known]) + 0.5) / known.sum()
    scores[known] = torch.special.ndtri(torch.from_numpy(shares)).numpy()
    return scores


def told_apart(known: Sequence[KnownCell]) -> dict[str, Array]:
    """The features of at least two values, by name, each as a column, (n,); others tell no cell from another."""
    names = sorted({name for _, _, values in known for name in values})
    columns = {name: np.array([values.get(name, np.nan) for _, _, values in known], dtype=float) for name in names}
    return {name: column for name, column in columns.items() if len(np.unique(column[~np.isnan(column)])) > 1}


_kept: dict[tuple[SearchSpace, str], Features] = {}
"""The features of some studies as they were read last: a cache that changes nothing, of what seldom changes between two fits."""


def features_of(space: SearchSpace, known: bytes) -> Features | None:
    """The features of what is ``known`` (``known_cells``), remembered; None where it tells no cell from another."""
    if not known:
        return None
    key = space, hashlib.blake2b(known, digest_size=16).hexdigest()
    if key not in _kept:
        cells = decoded(known)
        columns = told_apart(cells)
        if not columns:
            return None
        while _kept and sum(map(len, _kept.values())) + len(cells) > MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = Features(space, cells, columns)
    return _kept[key]
