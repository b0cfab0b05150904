"""Bayesian linear regression on an embedding, its two precisions set by the evidence.

Bishop 2006, "Pattern Recognition and Machine Learning", sections 3.3 and 3.5; used by Shi et al. 2020 (BONAS, arXiv 1911.09336, section 3.2) in the place
of the embedding network's last layer.

Deviations from BONAS's code (BO_tools/alpha_beta.py): columns are centred and scaled, and so are the targets, which stands for the intercept that it
does not have; columns that never vary, a network's dead units, are left out; and the precisions are bounded, because with fewer targets than columns the
noise that fits best is none at all.

Notation
    n, d        observations, columns           phi     rows of the design (n, d)       t   targets (n,)
    alpha       precision of the weights        beta    precision of the noise
    S           covariance of the weights (d, d)        m   their mean (d,)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST, MOST = 1e-4, 1e4
"""Bounds of both precisions, in targets of unit variance: the noise is at least 1 % of their spread."""
ITERATIONS = 200
TOLERANCE = 1e-5


def log_evidence(phi: Array, t: Array, alpha: float, beta: float) -> float:
    """Log p(t | alpha, beta) (Bishop eq. 3.86): of t ~ Normal(0, phi phi'/alpha + I/beta)."""
    n, d = phi.shape
    a = alpha * np.eye(d) + beta * phi.T @ phi
    m = beta * np.linalg.solve(a, phi.T @ t)
    misfit = beta / 2.0 * np.sum((t - phi @ m) ** 2) + alpha / 2.0 * m @ m
    _, log_determinant = np.linalg.slogdet(a)
    return float((d * np.log(alpha) + n * np.log(beta) - log_determinant - n * np.log(2.0 * np.pi)) / 2.0 - misfit)


def precisions(phi: Array, t: Array) -> tuple[float, float]:
    """The (alpha, beta) with the greatest evidence within the bounds, by Bishop's fixed point (eq. 3.91, 3.92, 3.95)."""
    eigenvalues, vectors = np.linalg.eigh(phi.T @ phi)
    eigenvalues = np.maximum(eigenvalues, 0.0)
    projected = vectors.T @ (phi.T @ t)
    alpha = beta = 1.0
    for _ in range(ITERATIONS):
        m = beta * projected / (alpha + beta * eigenvalues)  # in the basis of the eigenvectors
        gamma = float(np.sum(beta * eigenvalues / (alpha + beta * eigenvalues)))
        misfit = float(t @ t - 2.0 * m @ projected + m @ (eigenvalues * m))
        before = alpha, beta
        alpha = float(np.clip(gamma / max(m @ m, 1e-300), LEAST, MOST))
        beta = float(np.clip(max(len(t) - gamma, 1e-12) / max(misfit, 1e-300), LEAST, MOST))
        if np.allclose((alpha, beta), before, rtol=TOLERANCE, atol=0.0):
            break
    return alpha, beta


@dataclass(frozen=True)
class BayesianRegression:
    """The posterior; columns and targets are brought to its scale first."""

    columns: NDArray[np.intp]
    centre: Array
    width: Array
    mean_t: float
    std_t: float
    alpha: float
    beta: float
    m: Array
    S: Array

    @classmethod
    def fit(cls, phi: Array, t: Array) -> BayesianRegression:
        """The posterior of observations phi, (n, d), with targets t, (n,), n >= 1."""
        spread = phi.std(axis=0)
        columns = np.flatnonzero(spread > 1e-6 * max(1.0, float(np.abs(phi).max(initial=0.0))))
        centre, width = phi[:, columns].mean(axis=0), spread[columns] * np.sqrt(max(1, len(columns)))
        mean_t, std_t = float(t.mean()), float(t.std()) or 1.0
        design, scaled = (phi[:, columns] - centre) / width, (t - mean_t) / std_t
        alpha, beta = precisions(design, scaled)
        covariance = np.linalg.inv(alpha * np.eye(len(columns)) + beta * design.T @ design)
        m = beta * covariance @ (design.T @ scaled)  # (BONAS eq. 4)
        return cls(columns, centre, width, mean_t, std_t, alpha, beta, m, covariance)

    def design(self, phi: Array) -> Array:
        """Rows of an embedding in the scale of the posterior; (n, columns)."""
        return np.asarray((phi[:, self.columns] - self.centre) / self.width)

    def mean(self, phi: Array) -> Array:
        """The mean of the targets of phi; (n,)."""
        return np.asarray(self.mean_t + self.std_t * (self.design(phi) @ self.m))

    def predict(self, phi: Array) -> tuple[Array, Array]:
        """Mean and std of the targets of phi, (n,) and (n,), the noise included (BONAS eq. 5)."""
        design = self.design(phi)
        variance = np.einsum("nd,de,ne->n", design, self.S, design) + 1.0 / self.beta
        return self.mean(phi), self.std_t * np.sqrt(np.maximum(variance, 0.0))


class UnknownWeights:
    """How much of each row's std is left when some rows count as measured (``batch.Uncertainty``).

    A measurement shrinks S whatever it comes out as (Bishop eq. 3.51), by a rank-one update each.
    """

    def __init__(self, posterior: BayesianRegression, phi: Array) -> None:
        """Nothing of the embedding ``phi``, (rows, d), is measured yet."""
        self._design = posterior.design(phi)
        self._covariance = posterior.S.copy()
        self._noise = 1.0 / posterior.beta
        self._variance = np.einsum("nd,de,ne->n", self._design, self._covariance, self._design)
        self._before = self._variance + self._noise

    @property
    def factor(self) -> Array:
        """What each row's std is to be multiplied by, (rows,), in [0, 1]."""
        return np.asarray(np.sqrt(np.clip((self._variance + self._noise) / self._before, 0.0, 1.0)))

    def measure(self, index: int) -> None:
        """Count row ``index`` as measured."""
        gain = self._covariance @ self._design[index]
        certain = self._noise + self._design[index] @ gain
        self._covariance -= np.outer(gain, gain) / certain
        self._variance -= (self._design @ gain) ** 2 / certain
