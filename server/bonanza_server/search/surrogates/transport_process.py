"""A Gaussian process on networks whose kernel falls with their OTMANN distances.

Kandasamy et al. 2018 (arXiv 1802.07191), section 4; the released code's default, "lpemd_sum". Rasmussen and Williams 2006, eq. 2.25, 2.26, 2.30.

Notation
    n, C        observations, and distances of each pair: as many as OTMANN has pairs of coefficients
    d, dbar     the distances and the normalised ones, (n, n, C)                t   targets (n,)
    k           a_1 exp(-sum_c b_c d_c / D_c) + a_2 exp(-sum_c bbar_c dbar_c²); D_c is the mean of d_c between different observations
    K           k of the observations, its negative eigenvalues set to 0: = U diag(e) U'
    r           variance of the noise

k is no kernel in the strict sense: its matrix may have negative eigenvalues, hence the projection.

Deviations: the original has b_c of 1e-9 to 1e-3 with d as it is, which fits networks that weigh 100,000 and not cells that weigh 10; here d is divided
by its mean, and b_c is of the same range for masses as the original's. Its hyper-parameters are kept for seven results; here they are drawn at each fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from bonanza_server.search.otmann import Otmann

Array = NDArray[np.float64]

NOISE = (0.005, 0.2)
"""Of the targets' variance; this range and the next ones are those of log-uniform draws."""
AMPLITUDE = (0.01, 100.0)
"""a_1 and a_2, of the targets' variance."""
DECAY = (1e-4, 100.0)
"""b_c."""
NORMALISED_DECAY = (0.1, 100.0)
"""bbar_c."""
FLOOR = 0.05
"""A posterior variance is at least this share of the noise."""


@dataclass(frozen=True)
class Hyperparameters:
    """One draw: a (2,), b and bbar (C,), r."""

    a: Array
    b: Array
    bbar: Array
    noise: float

    @classmethod
    def draw(cls, distances: int, variance: float, rng: np.random.Generator) -> Hyperparameters:
        """Log-uniform from the ranges, for targets of this variance."""

        def uniform(bounds: tuple[float, float], size: int) -> Array:
            low, high = bounds
            return np.asarray(low * np.exp(rng.uniform(0.0, np.log(high / low), size)))

        a, b, bbar = uniform(AMPLITUDE, 2), uniform(DECAY, distances), uniform(NORMALISED_DECAY, distances)
        return cls(variance * a, b, bbar, variance * float(uniform(NOISE, 1)[0]))

    @property
    def prior(self) -> float:
        """The variance of one network before anything is observed: k at distance 0."""
        return float(self.a.sum())


def kernel(distances: Otmann, scale: Array, hyper: Hyperparameters) -> Array:
    """K of ``distances`` (..., C); (...)."""
    absolute = np.exp(-(distances.d @ (hyper.b / scale)))
    return np.asarray(hyper.a[0] * absolute + hyper.a[1] * np.exp(-(np.square(distances.dbar) @ hyper.bbar)))


@dataclass(frozen=True)
class Projected:
    """The matrix of observations brought to the cone of covariances: e (n,) >= 0, U (n, n)."""

    e: Array
    U: Array

    @classmethod
    def of(cls, matrix: Array) -> Projected:
        """The nearest positive semidefinite matrix (in the Frobenius norm) to a symmetric one."""
        # torch's, because a fit has one torch thread, while NumPy's threads wait for each other where cores are shared
        e, vectors = torch.linalg.eigh(torch.from_numpy(matrix))
        return cls(np.maximum(e.numpy(), 0.0), vectors.numpy())

    def log_likelihood(self, residual: Array, noise: float) -> float:
        """Log density of Normal(0, K + r I) at ``residual``, (n,)."""
        e = self.e + noise
        whitened = self.U.T @ residual
        return float(-0.5 * (np.sum(whitened**2 / e) + np.sum(np.log(e)) + len(e) * np.log(2.0 * np.pi)))


@dataclass(frozen=True)
class TransportProcess:
    """The posterior of one draw of the hyper-parameters; ``mean`` is the constant prior mean, the targets' median."""

    distances: Otmann
    targets: Array
    scale: Array
    hyper: Hyperparameters
    mean: float
    log_likelihood: float

    @classmethod
    def fit(
        cls, distances: Otmann, targets: Array, rng: np.random.Generator, *, draws: int, tuning: str = "sampled"
    ) -> TransportProcess:
        """The posterior of n >= 1 observations.

        Args:
            distances: Between the observations, (n, n, C).
            targets: (n,).
            rng: Moved.
            draws: Hyper-parameters that are tried.
            tuning: ``sampled``: one of them with a probability proportional to its marginal likelihood; ``best``: the likeliest.
        """
        n, count = len(targets), distances.d.shape[-1]
        scale = distances.d.sum(axis=(0, 1)) / max(n * (n - 1), 1)
        scale = np.where(scale > 0.0, scale, 1.0)
        mean = float(np.median(targets))
        spread = float(np.var(targets))
        points = [Hyperparameters.draw(count, spread if spread > 1e-12 else 1.0, rng) for _ in range(draws)]
        found = np.array(
            [Projected.of(kernel(distances, scale, one)).log_likelihood(targets - mean, one.noise) for one in points]
        )
        weights = np.exp(found - found.max())
        sampled = int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random()))
        index = min(sampled, draws - 1) if tuning == "sampled" else int(np.argmax(found))
        return cls(distances, targets, scale, points[index], mean, float(found[index]))

    def among(self, rows: NDArray[np.intp]) -> TransportProcess:
        """The same process, had only some of the observations been made; its likelihood is still that of all."""
        square = np.ix_(rows, rows)
        fewer = Otmann(self.distances.d[square], self.distances.dbar[square])
        return TransportProcess(fewer, self.targets[rows], self.scale, self.hyper, self.mean, self.log_likelihood)

    @cached_property
    def projected(self) -> Projected:
        """K."""
        return Projected.of(kernel(self.distances, self.scale, self.hyper))

    def kernel(self, distances: Otmann) -> Array:
        """K of any pairs of networks, given their distances (..., C); (...)."""
        return kernel(distances, self.scale, self.hyper)

    def whiten(self, covariance: Array) -> Array:
        """(K + r I)^(-1/2) of a covariance with the observations, (n, m); (n, m), in the basis of the eigenvectors."""
        projected = self.projected
        return np.asarray((projected.U.T @ covariance) / np.sqrt(projected.e + self.hyper.noise)[:, None])

    def predict(self, whitened: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the targets without their noise, (m,) and (m,), of m whitened networks, (n, m)."""
        half = self.whiten((self.targets - self.mean)[:, None])[:, 0]
        variance = self.hyper.prior - np.square(whitened).sum(axis=0)
        return self.mean + half @ whitened, np.sqrt(np.maximum(variance, FLOOR * self.hyper.noise))
