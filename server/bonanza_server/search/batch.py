"""A batch of candidates: each one chosen as if those before it, and the cells still being measured, had their results already.

Notation
    n, d    candidates, columns of their encoding        p   pending cells
    k       similarity of two cells, in [0, 1]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

GREEDY = 64
"""Places of a batch that are chosen one by one: an ask takes at most this many. Later ones are ranked by one last look."""
MOST_PENDING = 256
"""Of more pending cells the newest are counted; each costs a pass over all candidates."""
NOISE = 0.01
"""Of the prior variance: measuring a like cell leaves this much unknown."""


def similarity(a: NDArray[np.float32], b: NDArray[np.float32]) -> Vector:
    """Tanimoto similarity of the rows of two 0/1 encodings, (n, d) and (m, d): shared columns over columns of either; (n, m).

    A positive definite kernel (Gower 1971). Two rows without a single column are alike.
    """
    shared = (a @ b.T).astype(np.float64)
    either = a.sum(axis=1, dtype=np.float64)[:, None] + b.sum(axis=1, dtype=np.float64)[None, :] - shared
    return np.where(either > 0.0, shared / np.maximum(either, 1.0), 1.0)


class Uncertainty(Protocol):
    """How much of each row's std is left when some rows have been measured."""

    @property
    def factor(self) -> Vector:
        """What each row's std is to be multiplied by, (rows,), in [0, 1]."""

    def measure(self, index: int) -> None:
        """Count row ``index`` as measured."""


class Unknown:
    """How much of each cell's std is left when some cells have been measured.

    The variance of a Gaussian process does not depend on the results, only on where they are taken, so it can be reduced before they
    come (hallucinated observations: Desautels, Krause, Burdick 2014, GP-BUCB). The mean stays: that is what is expected.
    Each measured cell adds one row to a partial Cholesky factor of the kernel.
    """

    def __init__(self, cells: NDArray[np.float32], most: int) -> None:
        """Nothing is measured yet, and at most ``most`` of the ``cells``, (n, d), will be."""
        self._cells = cells
        self._variance = np.ones(len(cells))
        self._factor = np.empty((most, len(cells)))
        self._measured = 0

    @property
    def factor(self) -> Vector:
        """What each cell's std is to be multiplied by, (n,), in [0, 1]."""
        return np.sqrt(np.clip(self._variance, 0.0, 1.0))

    def measure(self, index: int) -> None:
        """Count cell ``index`` as measured."""
        column = similarity(self._cells, self._cells[index : index + 1])[:, 0]
        factor = self._factor[: self._measured]
        row = (column - factor.T @ factor[:, index]) / np.sqrt(max(self._variance[index], 0.0) + NOISE)
        self._factor[self._measured] = row
        self._measured += 1
        self._variance -= row**2


def choose(
    score: Callable[[Vector], Vector], cells: NDArray[np.float32], pending: NDArray[np.float32], n: int
) -> list[tuple[int, float]]:
    """:func:`greedy` where like cells are those with like encodings.

    Args:
        score: As for ``greedy``.
        cells: The candidates' encoding, (c, d).
        pending: The encoding of the cells being measured, (p, d), the newest last.
        n: How many.
    """
    pending = pending[-MOST_PENDING:]
    unknown = Unknown(np.concatenate((cells, pending)), len(pending) + places(n, len(cells)))
    return greedy(score, unknown, len(cells), len(pending), n)


def places(n: int, candidates: int) -> int:
    """How many of a batch of ``n`` are chosen one by one."""
    return min(n, GREEDY, candidates)


def greedy(
    score: Callable[[Vector], Vector], unknown: Uncertainty, candidates: int, pending: int, n: int
) -> list[tuple[int, float]]:
    """The best ``n`` candidates, or all if there are fewer, as (row, its score when it was chosen), in order.

    Args:
        score: Maps a factor on each candidate's std to the scores, both (candidates,); larger is better.
        unknown: Of the rows 0 .. candidates - 1, then the pending ones; none of them counted as measured yet.
        candidates: How many rows may be chosen.
        pending: How many rows are being measured.
        n: How many.
    """
    for row in range(candidates, candidates + pending):
        unknown.measure(row)
    free = np.ones(candidates, dtype=bool)
    chosen: list[tuple[int, float]] = []
    for _ in range(places(n, candidates)):
        scores, open_rows = score(unknown.factor[:candidates]), np.flatnonzero(free)
        row = int(open_rows[np.argmax(scores[open_rows])])
        chosen.append((row, float(scores[row])))
        free[row] = False
        unknown.measure(row)
    scores = score(unknown.factor[:candidates])
    rest = [int(row) for row in np.argsort(-scores, kind="stable") if free[row]]
    chosen.extend((row, float(scores[row])) for row in rest[: max(0, n - len(chosen))])
    return chosen
