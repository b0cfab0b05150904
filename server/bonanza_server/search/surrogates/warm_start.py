"""The Gaussian process of a study and of others in the same space: their results as a prior, each study with a correlation of its own.

Intrinsic coregionalisation (Bonilla, Chai, Williams 2008, "Multi-task Gaussian process prediction", eq. 1) with one factor: another study
measures rho f + (1 - rho²)^½ g, where g, its misfit, is a process of its own with the same kernel. Misfit is not more noise: where a data set prefers
other cells, it does so for cells that are alike. Each study has a mean and a signal's variance of its own, because its unit is.

Notation, besides that of ``gaussian_process``
    rho     a study's correlation with this one, of ``CORRELATIONS``; 1 - rho² of its variance is misfit; 0: it is not read
    z       its targets less its mean over its signal's standard deviation, both the likeliest by its own results, at each point of the population
    K       its rows stand before the n own ones: then L holds the factor of its own K, and the last n rows of L⁻¹ are all that is conditional on it
    a, b, o the last n rows of L⁻¹ [0, t], L⁻¹ [z, 0] and L⁻¹ [0, 1]; a and b less their projection on o are a', b'

That t = m + σ (unit process) and the likeliest σ > 0 then solves n σ² - a'b' σ - (a'a' + 1) = 0; without other studies b is 0, and everything as there.

A study is judged by what it says of the own results before they are known: the likelihood of t given z, averaged over the hyper-parameters
that z makes likely, against that of t alone. Where rho = 0 says most, the process is the one from scratch. Sources are judged
one by one, so that one that misleads does not discredit another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bonanza_server.search.surrogates import gaussian_process
from bonanza_server.search.surrogates.gaussian_process import (
    AT_ONCE,
    SMALLEST,
    GaussianProcess,
    Member,
    Rows,
    Vector,
    cholesky,
    kernel,
    log_likelihoods,
    members_within,
    profiles,
    scaled,
    subset,
)
from bonanza_server.search.surrogates.hyperparameters import Hyperparameters, Prior, population

CORRELATIONS = (0.8, 0.95, 0.5, 0.0)
"""Even odds a priori, but the first is believed until another says more: who names a source thinks that it fits, and one result tells nothing."""
ROUNDING = 1e-6
"""Of logarithms of likelihoods: less is no difference."""
MOST_LENT = 100
"""Results of all other studies together that are read, and own ones that they are judged by; of more a ``subset``."""


@dataclass(frozen=True)
class Results:
    """Measured cells of one study: their rows in each view, (n, d_v), targets and numbers of measurements, (n,)."""

    rows: list[Rows]
    targets: Vector
    measurements: Vector


@dataclass(frozen=True)
class Lent:
    """Results of other studies, those of the likeliest correlations: s rows; ``standard`` is z at each point of the population, (p, s)."""

    rows: list[Rows]
    measurements: Vector
    study: Vector
    correlation: Vector
    standard: Tensor
    likelihood: Tensor

    @classmethod
    def of(cls, results: Results, scales: Sequence[float], points: Hyperparameters) -> Lent:
        """One study, the correlation still 0. ``likelihood`` is of its own results at each point, over its average; (p,)."""
        distances = scaled(results.rows, results.rows, scales)
        mean, signal, likelihood = profiles(distances, results.targets, results.measurements, points)
        z = (torch.from_numpy(results.targets) - mean[:, None]) / torch.sqrt(signal)[:, None]
        s = len(results.targets)
        evidence = likelihood - log_mean(likelihood)
        return cls(results.rows, results.measurements, np.zeros(s), np.zeros(s), z, evidence)

    @classmethod
    def together(cls, parts: Sequence[Lent]) -> Lent:
        """Several studies."""
        return cls(
            [np.concatenate(views) for views in zip(*(part.rows for part in parts), strict=True)],
            np.concatenate([part.measurements for part in parts]),
            np.concatenate([part.study + k for k, part in enumerate(parts)]),
            np.concatenate([part.correlation for part in parts]),
            torch.cat([part.standard for part in parts], dim=1),
            torch.stack([part.likelihood for part in parts]).sum(dim=0),
        )


@dataclass(frozen=True)
class WarmMember(Member):
    """A member whose first rows are other studies', (s + n,); ``correlation`` is of each row with this study."""

    correlation: Tensor

    def whiten(self, distances: Sequence[Tensor]) -> Tensor:
        """L⁻¹ k of m cells of this study; (s + n, m)."""
        covariance = self.correlation[:, None] * kernel(distances, self.hyper)
        whitened: Tensor = torch.linalg.solve_triangular(self.factor, covariance, upper=False)
        return whitened


@dataclass(frozen=True)
class WarmStart:
    """The process, whose first rows are those of the studies of a correlation > 0, in their order; each study's; and the process from scratch."""

    process: GaussianProcess
    correlations: tuple[float, ...]
    scratch: GaussianProcess


def fit(own: Results, others: Sequence[Results], scales: Sequence[float], prior: Prior) -> WarmStart:
    """The process of n >= 1 own results and those of other studies, of at least one result each."""
    scratch = gaussian_process.fit(own.rows, own.targets, own.measurements, scales, prior)
    if not others:
        return WarmStart(scratch, (), scratch)
    points = population(prior)
    rows = subset(own.targets, MOST_LENT)
    few = Results([view[rows] for view in own.rows], own.targets[rows], own.measurements[rows])
    alone = log_likelihoods(scaled(few.rows, few.rows, scales), few.targets, few.measurements, points)
    correlations: list[float] = []
    kept: list[tuple[Lent, Tensor]] = []
    for other in others:
        lent = Lent.of(other, scales, points)
        best, found, believed = -math.inf, 0.0, (lent, lent.likelihood)
        for correlation in CORRELATIONS:
            part = replace(lent, correlation=np.full(len(lent.study), correlation))
            scores = conditional(few, part, scales, points) + part.likelihood if correlation else alone
            evidence = log_mean(scores)
            if evidence > best + ROUNDING:
                best, found, believed = evidence, correlation, (part, scores)
        correlations.append(found)
        if found:
            kept.append(believed)
    if not kept:
        return WarmStart(scratch, tuple(correlations), scratch)
    lent = Lent.together([part for part, _ in kept])
    scores = kept[0][1] if len(kept) == 1 else conditional(few, lent, scales, points) + lent.likelihood
    order = torch.argsort(-scores, stable=True)
    distances = _distances(own, lent, scales)
    count = members_within(len(lent.measurements) + len(own.targets))
    members = tuple(_member(distances, own, lent, points, int(index)) for index in order[:count])
    return WarmStart(GaussianProcess(members, own.targets, 1.0 / own.measurements), tuple(correlations), scratch)


def log_mean(logarithms: Tensor) -> float:
    """The logarithm of the mean."""
    return float(torch.logsumexp(logarithms, dim=0)) - math.log(len(logarithms))


def conditional(own: Results, lent: Lent, scales: Sequence[float], points: Hyperparameters) -> Tensor:
    """The log likelihood of the own targets given the lent ones, at each point, with the constant of ``log_likelihoods``; (p,)."""
    distances = _distances(own, lent, scales)
    chunks = [slice(start, start + AT_ONCE) for start in range(0, len(points.noise), AT_ONCE)]
    return torch.cat(
        [_profile(*_factored(distances, own, lent, points, chunk), len(own.targets))[2] for chunk in chunks]
    )


def _distances(own: Results, lent: Lent, scales: Sequence[float]) -> list[Tensor]:
    rows = [np.concatenate(views) for views in zip(lent.rows, own.rows, strict=True)]
    return scaled(rows, rows, scales)


def _factored(
    distances: Sequence[Tensor], own: Results, lent: Lent, points: Hyperparameters, chosen: int | slice
) -> tuple[Tensor, Tensor]:
    """L and L⁻¹ [[z, 0], [0, t], [0, 1]]; (.., s + n, s + n) and (.., s + n, 3)."""
    s, n = len(lent.measurements), len(own.targets)
    hyper, z = points[chosen], lent.standard[chosen]
    rho = torch.from_numpy(np.concatenate((lent.correlation, np.ones(n))))
    study = torch.from_numpy(np.concatenate((lent.study, np.full(n, -1.0))))
    related = torch.where(study[:, None] == study[None, :], 1.0, rho[:, None] * rho[None, :])
    covariance = related * kernel(distances, hyper)
    measurements = torch.from_numpy(np.concatenate((lent.measurements, own.measurements)))
    covariance.diagonal(dim1=-2, dim2=-1).add_(hyper.noise[..., None] / measurements + SMALLEST)
    columns = torch.zeros((*z.shape[:-1], s + n, 3), dtype=torch.float64)
    columns[..., :s, 0] = z
    columns[..., s:, 1] = torch.from_numpy(own.targets)
    columns[..., s:, 2] = 1.0
    factor = cholesky(covariance)
    return factor, torch.linalg.solve_triangular(factor, columns, upper=False)


def _profile(factor: Tensor, halves: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """The constant mean, σ, and the log likelihood of the ``n`` last rows given the others, of each point."""
    b, a, ones = halves[..., -n:, :].unbind(dim=-1)
    precision = ones.square().sum(dim=-1)
    along = [(part * ones).sum(dim=-1) / precision for part in (a, b)]
    a, b = (part - share[..., None] * ones for part, share in zip((a, b), along, strict=True))
    square, product = a.square().sum(dim=-1) + 1.0, (a * b).sum(dim=-1)  # 1 for the prior of σ²
    sigma = (product + torch.sqrt(product.square() + 4.0 * n * square)) / (2.0 * n)
    misfit = square / sigma.square() + 2.0 * product / sigma + b.square().sum(dim=-1) - n
    determinant = torch.log(factor.diagonal(dim1=-2, dim2=-1)[..., -n:]).sum(dim=-1)
    likelihood = -n * torch.log(sigma) - 0.5 * misfit - determinant - 0.5 * torch.log(precision)
    return along[0] + sigma * along[1], sigma, likelihood


def _member(distances: Sequence[Tensor], own: Results, lent: Lent, points: Hyperparameters, chosen: int) -> WarmMember:
    n = len(own.targets)
    factor, halves = _factored(distances, own, lent, points, chosen)
    mean, sigma, _ = _profile(factor, halves, n)
    half = halves[:, 1] + sigma * halves[:, 0] - mean * halves[:, 2]
    correlation = torch.from_numpy(np.concatenate((lent.correlation, np.ones(n))))
    return WarmMember(points[chosen], factor, half, halves[:, 2], float(mean), float(sigma.square()), correlation)
