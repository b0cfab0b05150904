"""What the CIFAR network of the DARTS repository costs, of any pair of cells.

Liu, Simonyan, Yang 2019 (arXiv 1806.09055), section 3; quark0/darts cnn/model.py and cnn/operations.py: a stem of 3C
channels, C = 36, then 20 cells, of which cells 6 and 13 (from 0) are reductions that halve the image and double the
channels, then a linear layer. Each cell first brings its two inputs to its own width by 1x1 convolutions. The auxiliary
head, which only training has, is left out, as it is of the repository's own count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from bonanza.spaces.cost import FREE, Cost, convolution, linear

CHANNELS = 36
CELLS = 20
NODES = 4
"""Values side by side in a cell's output."""
PIXELS = 32
CLASSES = 10

Pair = tuple[str, int]
"""An op and the number of its source; 0 and 1 are the cell's inputs."""


def network_cost(normal: Sequence[Pair], reduce: Sequence[Pair], channels: int = CHANNELS) -> Cost:
    """The whole network with these cells; dead ops count too, as in the published tables.

    Checked: 3,349,342 parameters of DARTS_V2, as the repository logs; 3.5 M of the cell that BONAS found (its Table
    3); the parameters of all 545 networks of OnceNAS-Bench, to the last one. Its FLOPs are these and, besides, those
    of batch norms and average pools, which ``Cost`` does not count.
    """
    total = _skeleton(channels)
    for reduction, cell in ((False, normal), (True, reduce)):
        for op, source in cell:
            total += _placed(op, channels, reduction=reduction, strided=reduction and source < 2)
    return total


def _stages(channels: int) -> Iterator[tuple[bool, int, int]]:
    """Of each cell whether it is a reduction, its channels, and the size of the images that it puts out."""
    width, size = channels, PIXELS
    for k in range(CELLS):
        reduction = k in {CELLS // 3, 2 * CELLS // 3}
        width, size = width << reduction, size >> reduction
        yield reduction, width, size


@lru_cache(maxsize=16)
def _skeleton(channels: int) -> Cost:
    """The network but for its ops: the stem, what brings each cell's inputs to its width, and the linear layer."""
    before = last = 3 * channels  # channels of the outputs of the two cells before
    total = convolution(3, last, 3, PIXELS)
    for reduction, width, size in _stages(channels):
        # Behind a reduction the first is a factorised reduction, from twice the size, which costs the same.
        total += convolution(before, width, 1, size << reduction) + convolution(last, width, 1, size << reduction)
        before, last = last, NODES * width
    return total + linear(last, CLASSES)


@lru_cache(maxsize=1_024)
def _placed(op: str, channels: int, *, reduction: bool, strided: bool) -> Cost:
    """One op at one place of all the normal cells, or of all the reductions."""
    costs = [op_cost(op, width, size, strided=strided) for kind, width, size in _stages(channels) if kind == reduction]
    return sum(costs, FREE)


def op_cost(op: str, width: int, size: int, *, strided: bool) -> Cost:
    """One op of ``width`` channels to ``size`` x ``size`` pixels.

    A separable convolution is applied twice, a dilated one once; a ``strided`` skip_connect is a factorised reduction,
    two 1x1 convolutions to half the channels each. Pools, other skips and ``none`` have no weights.
    """
    if op.startswith(("sep_conv", "dil_conv")):
        kernel = int(op[-1])
        once = convolution(width, width, kernel, size, groups=width, norm=False) + convolution(width, width, 1, size)
        return once * 2 if op.startswith("sep_conv") else once
    return convolution(width, width, 1, size) if op == "skip_connect" and strided else FREE
