"""Adam on one flat vector (Kingma and Ba 2015, algorithm 1)."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

EPSILON = 1e-8


class Adam:
    """The optimiser's state for one vector; a step is five kernels whatever the number of layers the vector holds."""

    def __init__(self, size: int, *, learning_rate: float, beta1: float, beta2: float) -> None:
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.steps = 0
        self._first = torch.zeros(size)
        self._second = torch.zeros(size)
        self._divisor = torch.empty(size)

    def step(self, theta: Tensor, gradient: Tensor) -> None:
        """Move ``theta`` in place, both (size,).

        The bias corrections are moved out of the moments into the step (the paper's section 2, last paragraph), with epsilon
        scaled along, so that a step equals torch.optim.Adam's.
        """
        self.steps += 1
        correction1 = 1.0 - self.beta1**self.steps
        correction2 = sqrt(1.0 - self.beta2**self.steps)
        self._first.lerp_(gradient, 1.0 - self.beta1)
        self._second.mul_(self.beta2).addcmul_(gradient, gradient, value=1.0 - self.beta2)
        torch.sqrt(self._second, out=self._divisor)
        self._divisor.add_(EPSILON * correction2)
        theta.addcdiv_(self._first, self._divisor, value=-self.learning_rate * correction2 / correction1)
