"""An exact Gaussian process whose kernel is a sum of squared exponentials, one a view of the cells.

Rasmussen and Williams 2006: posterior eq. 2.25 and 2.26 with the constant mean of 2.7 integrated out, marginal likelihood eq. 2.30 and 2.45,
kernel eq. 4.9.

Notation
    x       a cell: its row in each of the views, X_v (n, d_v) for all of them     t   targets, (n,), larger is better
    k       sum_v w_v exp(-|x_v - x'_v|² / (2 l_v² s_v)), the w_v adding up to 1; s_v is the mean squared distance in the space
    r       the noise of one measurement over the signal's variance; a cell that was measured m times has r / m
    K       k of the observed cells, plus the noise on its diagonal, = L L'
    σ²      the signal's variance, in closed form; its prior is that of one more target, of square 1
    b       L⁻¹ 1; the constant mean is a further unknown with a flat prior, of precision b'b

The hyper-parameters (w, l, r) are not optimised: of a fixed population drawn from their prior, the likeliest few are kept and their
posteriors mixed. A point estimate from ten results is overconfident, and one from a thousand is what the mixture comes to anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bonanza_server.search.surrogates.hyperparameters import Hyperparameters, Prior, population

Rows = NDArray[np.float32]
Vector = NDArray[np.float64]

AT_ONCE = 32
"""Points whose likelihoods are computed together; 6.5 MB at ``MOST_FITTED`` observations."""
MEMBERS = 6
"""Hyper-parameters that are mixed, at most."""
FLOPS = 1.5e10
"""What the members may cost: as many are mixed as can be factored and solved for ``REFERENCE_CELLS`` cells within it, at least one."""
REFERENCE_CELLS = 4096
MOST_FITTED = 160
"""Observations that the likelihood of the whole population is computed of; beyond, of the best half of so many and as many others."""
SMALLEST = 1e-4
"""Of the signal's variance: the least noise; distances are in single precision, and their rounding must not make K indefinite."""


def squared_distances(a: Rows, b: Rows) -> Tensor:
    """Between the rows of two matrices, (n, d) and (m, d); (n, m), in single precision."""
    x, z = torch.from_numpy(a), torch.from_numpy(b)
    return torch.clamp_min_(x.square().sum(1)[:, None] + z.square().sum(1)[None, :] - 2.0 * (x @ z.T), 0.0)


def kernel(distances: Sequence[Tensor], hyper: Hyperparameters) -> Tensor:
    """K of scaled squared ``distances``, one (n, m) a view; (n, m) in double precision, or (p, n, m) for p points at once."""
    total = torch.zeros(())
    for view, distance in enumerate(distances):
        weight, length = (part[..., view, None, None].float() for part in (hyper.weights, hyper.lengths))
        total = total + weight * torch.exp(distance * (-0.5 / length.square()))
    return total.double()


@dataclass(frozen=True)
class Member:
    """The posterior of one point of the population. ``half`` is L⁻¹ (t - mean 1), ``ones`` L⁻¹ 1, (n,) each."""

    hyper: Hyperparameters
    factor: Tensor
    half: Tensor
    ones: Tensor
    mean: float
    signal: float

    @property
    def alpha(self) -> Tensor:
        """K⁻¹ (t - mean 1); (n,)."""
        alpha: Tensor = torch.linalg.solve_triangular(self.factor.T, self.half[:, None], upper=True)[:, 0]
        return alpha

    def whiten(self, distances: Sequence[Tensor]) -> Tensor:
        """L⁻¹ k of m cells, given their scaled distances to the observed ones, (n, m) a view; (n, m)."""
        whitened: Tensor = torch.linalg.solve_triangular(self.factor, kernel(distances, self.hyper), upper=False)
        return whitened

    def drift(self, whitened: Tensor) -> Tensor:
        """What the unknown mean adds to a cell: the covariance of two cells gains the product of theirs; (m,)."""
        unexplained: Tensor = 1.0 - whitened.T @ self.ones
        return unexplained / float(torch.linalg.vector_norm(self.ones))

    def means(self, whitened: Tensor) -> Tensor:
        """The posterior means of f; (m,)."""
        means: Tensor = whitened.T @ self.half + self.mean
        return means

    def variances(self, whitened: Tensor) -> Tensor:
        """The posterior variances of f over σ²; (m,)."""
        left = 1.0 - whitened.square().sum(dim=0) + self.drift(whitened).square()
        return torch.clamp_min(left, 1e-2 * SMALLEST)


@dataclass(frozen=True)
class GaussianProcess:
    """The even mixture of the likeliest members, the likeliest first. Cells are given by their scaled distances to the n observed ones."""

    members: tuple[Member, ...]
    targets: Vector
    noise: Vector

    def fitted(self) -> Vector:
        """The posterior mean at the observed cells, t - noise alpha; (n,). ``noise`` is 1 / m of each."""
        means = [
            self.targets
            - (float(member.hyper.noise) * self.noise + SMALLEST) * member.alpha[-len(self.targets) :].numpy()
            for member in self.members
        ]
        return np.asarray(np.mean(means, axis=0))

    def predict(self, distances: Sequence[Tensor]) -> tuple[Vector, Vector]:
        """Mean and standard deviation of f, the noise left out, in the targets' unit; (n, m) a view to (m,) and (m,)."""
        whitened = [member.whiten(distances) for member in self.members]
        means = [member.means(one) for member, one in zip(self.members, whitened, strict=True)]
        variances = [member.signal * member.variances(one) for member, one in zip(self.members, whitened, strict=True)]
        mean, std = mixed(torch.stack(means), torch.stack(variances))
        return mean.numpy(), std.numpy()

    def left_out(self) -> Vector:
        """What the likeliest member predicts of each observed cell from all the others (eq. 5.12); (n,)."""
        member, n = self.members[0], len(self.targets)
        precision = torch.cholesky_inverse(member.factor).diagonal()
        return np.asarray(self.targets - (member.alpha / precision)[-n:].numpy())


def mixed(means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of an even mixture of M normal distributions, (M, m) each."""
    return means.mean(dim=0), torch.sqrt(variances.mean(dim=0) + means.var(dim=0, correction=0))


def scaled(a: Sequence[Rows], b: Sequence[Rows], scales: Sequence[float]) -> list[Tensor]:
    """Squared distances over the mean squared distance, view by view."""
    return [squared_distances(x, z) / scale for x, z, scale in zip(a, b, scales, strict=True)]


def fit(
    observed: Sequence[Rows], targets: Vector, measurements: Vector, scales: Sequence[float], prior: Prior
) -> GaussianProcess:
    """The process of n >= 1 observed cells.

    Args:
        observed: Their rows in each view, (n, d_v).
        targets: (n,); the mean of each cell's measurements.
        measurements: How many there are of each cell; (n,).
        scales: The mean squared distance in each view.
        prior: Of the hyper-parameters.
    """
    n = len(targets)
    points = population(prior)
    rows = subset(targets)
    few = [view[rows] for view in observed]
    likelihood = log_likelihoods(scaled(few, few, scales), targets[rows], measurements[rows], points)
    order = torch.argsort(-likelihood, stable=True)
    distances = scaled(observed, observed, scales)
    chosen = order[: members_within(n)]
    members = tuple(member_of(distances, targets, measurements, points[int(index)]) for index in chosen)
    return GaussianProcess(members, targets, 1.0 / measurements)


def members_within(n: int) -> int:
    """How many members ``n`` observations allow, within ``FLOPS``."""
    return int(np.clip(FLOPS / (n * n * (n / 3.0 + REFERENCE_CELLS)), 1, MEMBERS))


def subset(targets: Vector, most: int = MOST_FITTED) -> NDArray[np.intp]:
    """At most ``most`` rows, ascending: all, or the best ones and an even selection of the rest. The likelihood of the population is of so many."""
    n = len(targets)
    if n <= most:
        return np.arange(n)
    order = np.argsort(-targets, kind="stable")
    best, rest = order[: most // 2], np.sort(order[most // 2 :])
    spread = np.linspace(0, len(rest) - 1, most - len(best)).astype(np.intp)
    return np.sort(np.concatenate((best, rest[spread])))


def log_likelihoods(
    distances: Sequence[Tensor], targets: Vector, measurements: Vector, points: Hyperparameters
) -> Tensor:
    """Of the targets given each point of the population, σ² at its best and the mean integrated out, up to a constant; (p,)."""
    return profiles(distances, targets, measurements, points)[2]


def profiles(
    distances: Sequence[Tensor], targets: Vector, measurements: Vector, points: Hyperparameters
) -> tuple[Tensor, Tensor, Tensor]:
    """The likeliest mean and σ², and the log likelihood, at each point of the population; (p,) each."""
    chunks = [points[start : start + AT_ONCE] for start in range(0, len(points.noise), AT_ONCE)]
    found = [_profile(*_factored(distances, targets, measurements, chunk)) for chunk in chunks]
    mean, signal, likelihood = (torch.cat(column) for column in zip(*found, strict=True))
    return mean, signal, likelihood


def _factored(
    distances: Sequence[Tensor], targets: Vector, measurements: Vector, hyper: Hyperparameters
) -> tuple[Tensor, Tensor]:
    """L, and L⁻¹ [t, 1]; (n, n) and (n, 2), with a leading axis where ``hyper`` has one."""
    covariance = kernel(distances, hyper)
    noise = hyper.noise[..., None] / torch.from_numpy(measurements) + SMALLEST
    covariance.diagonal(dim1=-2, dim2=-1).add_(noise)
    factor = cholesky(covariance)
    t = torch.from_numpy(targets)
    return factor, torch.linalg.solve_triangular(factor, torch.stack((t, torch.ones_like(t)), dim=1), upper=False)


def cholesky(covariance: Tensor) -> Tensor:
    """L of K, (n, n) or (p, n, n); where rounding has made a K indefinite all the same, L of it with as little more noise as it takes.

    K is changed then.

    Raises:
        torch.linalg.LinAlgError: not with as much noise as signal: K is no covariance.
    """
    factor: Tensor
    more = 10.0 * SMALLEST
    while True:
        factor, failed = torch.linalg.cholesky_ex(covariance, check_errors=more > 10.0)
        if not bool(failed.any()):
            return factor
        covariance.diagonal(dim1=-2, dim2=-1).add_(more * (failed > 0)[..., None])
        more *= 10.0


def _profile(factor: Tensor, halves: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The constant mean, σ², and the log likelihood, of each point."""
    t, ones = halves[..., 0], halves[..., 1]
    precision = ones.square().sum(dim=-1)
    mean = (t * ones).sum(dim=-1) / precision
    degrees = float(t.shape[-1])  # n - 1 for the targets, 1 for the prior
    signal = ((t - mean[..., None] * ones).square().sum(dim=-1) + 1.0) / degrees
    determinant = torch.log(factor.diagonal(dim1=-2, dim2=-1)).sum(dim=-1)
    likelihood = -0.5 * degrees * torch.log(signal) - determinant - 0.5 * torch.log(precision)
    return mean, signal, likelihood


def member_of(distances: Sequence[Tensor], targets: Vector, measurements: Vector, hyper: Hyperparameters) -> Member:
    """The posterior of ``hyper``; distances are those of the observed cells to each other."""
    factor, halves = _factored(distances, targets, measurements, hyper)
    mean, signal, _ = _profile(factor, halves)
    return Member(hyper, factor, halves[:, 0] - mean * halves[:, 1], halves[:, 1], float(mean), float(signal))
