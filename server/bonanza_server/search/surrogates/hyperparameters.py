"""The hyper-parameters of the default's Gaussian process (notation there): a fixed population of points, drawn from their prior."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

POPULATION = 256


@dataclass(frozen=True)
class Prior:
    """Medians of log-normal priors of the hyper-parameters: of w and l in each view, and of r; and standard deviations of the logarithms."""

    weights: tuple[float, ...]
    lengths: tuple[float, ...]
    noise: float = 0.02
    weight_spread: float = 1.0
    length_spread: float = 0.7
    noise_spread: float = 1.2


@dataclass(frozen=True)
class Hyperparameters:
    """One point of the population, or with a leading axis p of all of them."""

    weights: Tensor
    lengths: Tensor
    noise: Tensor

    def __getitem__(self, index: int | slice) -> Hyperparameters:
        return Hyperparameters(self.weights[index], self.lengths[index], self.noise[index])


@lru_cache(maxsize=16)
def population(prior: Prior) -> Hyperparameters:
    """``POPULATION`` points drawn from ``prior``, always the same ones; (p, v), (p, v), (p,)."""
    views = len(prior.weights)
    normal = torch.from_numpy(np.random.default_rng(0).standard_normal((POPULATION, 2 * views + 1)))
    normal[0] = 0.0
    weights = torch.tensor(prior.weights).double() * torch.exp(prior.weight_spread * normal[:, :views])
    lengths = torch.tensor(prior.lengths).double() * torch.exp(prior.length_spread * normal[:, views:-1])
    noise = prior.noise * torch.exp(prior.noise_spread * normal[:, -1])
    return Hyperparameters(weights / weights.sum(dim=1, keepdim=True), lengths, noise)
