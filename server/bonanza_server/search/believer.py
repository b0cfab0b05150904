"""A batch from a Gaussian process: each cell chosen as if those before it, and the cells still being measured, had their results.

The results are taken to be what the process expects (kriging believer: Ginsbourger, Le Riche, Carraro 2010). The mean then stays as it
is, and the variance falls as it will, because that does not depend on the results (eq. 2.26 of Rasmussen and Williams 2006). An
expected result may be the best so far, and then is what has to be improved on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bonanza_server.search.batch import GREEDY
from bonanza_server.search.surrogates.gaussian_process import GaussianProcess, Member, Rows, kernel, mixed, scaled

Vector = NDArray[np.float64]
Acquisition = Callable[[Vector, Vector, float], Vector]
"""Of mean, std, (m,) each, and the best; larger is better; (m,)."""


class Believed:
    """One member's variances at m cells, which fall as cells are believed to be measured."""

    def __init__(self, member: Member, distances: Sequence[Tensor], most: int) -> None:
        """Nothing is believed yet, and at most ``most`` of the cells will be; ``distances`` are to the observed ones, (n, m) a view."""
        self._member = member
        whitened = member.whiten(distances)
        self.mean = member.means(whitened)
        self._drift = member.drift(whitened)
        self._left = member.variances(whitened)  # over the signal's variance
        self._n = len(whitened)
        self._factor = torch.cat((whitened, torch.empty((most, whitened.shape[1]), dtype=whitened.dtype)))

    @property
    def variance(self) -> Tensor:
        """Of f at each cell; (m,)."""
        return self._member.signal * torch.clamp_min(self._left, 1e-9)

    def measure(self, index: int, distances: Sequence[Tensor]) -> None:
        """Believe cell ``index``, whose scaled distances to all m cells are given, (1, m) a view."""
        factor = self._factor[: self._n]
        covariance = kernel(distances, self._member.hyper)[0] - factor[:, index] @ factor
        covariance += self._drift[index] * self._drift
        row = covariance / torch.sqrt(torch.clamp_min(self._left[index], 0.0) + self._member.hyper.noise)
        # The drift is believed once and for all: its part of the covariance is in the rows from here on, where it need not be exact.
        self._factor[self._n] = row
        self._n += 1
        self._left = self._left - row.square()


def choose(
    process: GaussianProcess,
    distances: Sequence[Tensor],
    rows: Sequence[Rows],
    scales: Sequence[float],
    acquisition: Acquisition,
    *,
    shift: Callable[[Vector], Vector],
    best: float,
    n: int,
    pending: int,
) -> tuple[Vector, Vector, list[tuple[int, float]]]:
    """The mean and std of every cell before anything is believed, and the best ``n`` cells, or all, as (row, acquisition), in order.

    Args:
        process: Fitted.
        distances: Scaled distances of the cells to the observed ones, (n, m) a view.
        rows: The cells, (m, d) a view; the last ``pending`` of them are being measured and not to be chosen.
        scales: The mean squared distance in each view.
        acquisition: What is greatest of the cell that is chosen.
        shift: What is added to the process's means, (m,), given these.
        best: The greatest mean of an observed cell.
        n: How many.
        pending: See ``rows``.
    """
    cells = len(rows[0]) - pending
    places = min(n, GREEDY, cells)
    members = [Believed(member, distances, pending + places) for member in process.members]
    means = torch.stack([member.mean for member in members])
    means += torch.from_numpy(shift(means.mean(dim=0).numpy()))
    mean, std = (part.numpy() for part in mixed(means, torch.stack([member.variance for member in members])))

    def believe(row: int) -> float:
        away = scaled([view[row : row + 1] for view in rows], rows, scales)
        for member in members:
            member.measure(row, away)
        return max(best, float(mean[row]))

    def scores() -> Vector:
        now = mixed(means, torch.stack([member.variance for member in members]))[1].numpy()
        return acquisition(mean[:cells], now[:cells], best)

    for row in range(cells, cells + pending):
        best = believe(row)
    free = np.ones(cells, dtype=bool)
    chosen: list[tuple[int, float]] = []
    for _ in range(places):
        score, open_rows = scores(), np.flatnonzero(free)
        row = int(open_rows[np.argmax(score[open_rows])])
        chosen.append((row, float(score[row])))
        free[row] = False
        best = believe(row)
    score = scores()
    rest = [int(row) for row in np.argsort(-score, kind="stable") if free[row]]
    chosen.extend((row, float(score[row])) for row in rest[: max(0, n - len(chosen))])
    return mean, std, chosen
