"""What a network costs, in closed form: parameters and multiply-adds of the layers that cells are made of.

A space knows the skeleton its cells are stacked in (``SearchSpace.cost`` says which), so that a cell's cost is a sum
over its ops and nothing is built. Multiply-adds of convolutions and linear layers are counted, as the field's tables
do; those of normalisation, activation and pooling are not.
"""

from __future__ import annotations

from typing import NamedTuple


class Cost(NamedTuple):
    """Trainable parameters, and floating-point operations (multiply-adds) for one input."""

    parameters: int
    flops: int

    def __add__(self, other: tuple[object, ...]) -> Cost:
        """The cost of both; a sum, not the concatenation that tuples have."""
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(self.parameters + other.parameters, self.flops + other.flops)

    def __mul__(self, times: object) -> Cost:
        """The cost of so many; a product, not the repetition that tuples have."""
        if not isinstance(times, int):
            return NotImplemented
        return Cost(self.parameters * times, self.flops * times)


FREE = Cost(0, 0)


def convolution(inputs: int, outputs: int, kernel: int, size: int, *, groups: int = 1, norm: bool = True) -> Cost:
    """A ``kernel`` x ``kernel`` convolution without bias to ``size`` x ``size`` pixels, with a batch norm's scale and shift if ``norm``."""
    weights = inputs // groups * outputs * kernel * kernel
    return Cost(weights + (2 * outputs if norm else 0), weights * size * size)


def linear(inputs: int, outputs: int) -> Cost:
    """A linear layer with bias."""
    return Cost(inputs * outputs + outputs, inputs * outputs)
