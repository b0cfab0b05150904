"""Acquisition functions of BANANAS; larger is better.

White, Neiswanger, Savani 2021 (arXiv 1910.11858), section "acquisition functions", there for a loss that is minimised. Each reads the
predictions of M networks f_m for the candidates x, in the scale of the targets.

Notation
    mean, std   over the members, std with ddof = 0; (n,)      best    the best target observed
    members     f_m(x), (M, n)                                 draw    independent standard normal numbers, (n,)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

Vector = NDArray[np.float64]
SMALLEST_STD = 1e-9


def independent_thompson(mean: Vector, std: Vector, draw: Vector) -> Vector:
    """phi_ITS: a draw from Normal(mean, std²), independent for every candidate; (n,)."""
    return mean + std * draw


def thompson(members: Vector, member: int) -> Vector:
    """phi_TS: the prediction of one member, drawn uniformly by the caller; (n,)."""
    return np.asarray(members[member])


def upper_confidence_bound(mean: Vector, std: Vector, beta: float) -> Vector:
    """phi_UCB: mean + beta std; (n,). The paper's beta is 0.5."""
    return mean + beta * std


def log_expected_improvement(mean: Vector, std: Vector, best: float) -> Vector:
    """Log phi_EI = log E[max(f - best, 0)] for f ~ Normal(mean, std²); (n,).

    The logarithm (Ament et al. 2023, eq. 9), because EI itself is zero for every candidate far below the best, and then ranks none of
    them. The original divides std by 5 first, a calibration of its raw losses; standardised targets need none.
    """
    std = np.maximum(std, SMALLEST_STD)
    z = torch.from_numpy((mean - best) / std)
    log_phi = -0.5 * z.square() - 0.5 * np.log(2.0 * np.pi)
    near = torch.log(torch.exp(log_phi) + z * torch.special.ndtr(z))
    # For z << 0 that sum cancels. Divided by phi(z) it is 1 - |z| R(|z|) with Mills' ratio R, which tends to 1/z².
    mills = np.sqrt(0.5 * np.pi) * torch.special.erfcx(z.abs() / np.sqrt(2.0))
    rest = torch.where(z > -1e5, 1.0 - z.abs() * mills, z.square().reciprocal())
    return np.asarray(torch.where(z > -1.0, near, log_phi + rest.log()).numpy() + np.log(std))


def log_probability_of_improvement(mean: Vector, std: Vector, best: float) -> Vector:
    """Log phi_PI = log P[f > best] for f ~ Normal(mean, std²); (n,). The logarithm for the reason given at EI."""
    z = torch.from_numpy((mean - best) / np.maximum(std, SMALLEST_STD))
    return np.asarray(torch.special.log_ndtr(z).numpy())


def acquisition(
    name: str, members: Vector, *, best: float, beta: float, rng: np.random.Generator
) -> Callable[[Vector], Vector]:
    """The function ``name`` of a strategy spec (its, ei, pi, ucb, ts) over candidates with predictions ``members``.

    It maps a factor on each candidate's std, (n,), to the scores, (n,): the batch shrinks the std where results are on their way. ``its``
    draws once, here; ``ts`` draws a member at every call, so that a batch is not one member's opinion.
    """
    if name == "ts":
        return lambda _: thompson(members, int(rng.integers(len(members))))
    return acquisition_of(name, members.mean(axis=0), members.std(axis=0), best=best, beta=beta, rng=rng)


def acquisition_of(
    name: str, mean: Vector, std: Vector, *, best: float, beta: float, rng: np.random.Generator
) -> Callable[[Vector], Vector]:
    """As :func:`acquisition`, where there are a mean and a std but no members, and so no ``ts``."""
    draw = rng.standard_normal(len(mean))
    functions: dict[str, Callable[[Vector], Vector]] = {
        "its": lambda factor: independent_thompson(mean, std * factor, draw),
        "ei": lambda factor: log_expected_improvement(mean, std * factor, best),
        "pi": lambda factor: log_probability_of_improvement(mean, std * factor, best),
        "ucb": lambda factor: upper_confidence_bound(mean, std * factor, beta),
    }
    return functions[name]
