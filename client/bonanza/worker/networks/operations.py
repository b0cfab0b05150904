"""The ops of cells, by the names that published spaces give them: (n, channels, h, w) to (n, channels, h/stride, w/stride), rounded up.

NAS-Bench-201 and DARTS apply ReLU, convolution, normalisation; NAS-Bench-101 convolution, normalisation, ReLU. No convolution has a bias.
An op may not change its input in place: others read it too.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bonanza.worker.networks import NoNetwork

NORM = nn.BatchNorm2d


class ReLUConvNorm(nn.Sequential):
    """ReLU, a square convolution, normalisation (DARTS' ReLUConvBN, NAS-Bench-201's nor_conv)."""

    def __init__(self, c_in: int, c_out: int, size: int, stride: int = 1) -> None:
        super().__init__(nn.ReLU(), nn.Conv2d(c_in, c_out, size, stride, size // 2, bias=False), NORM(c_out))


class ConvNormReLU(nn.Sequential):
    """A square convolution, normalisation, ReLU (NAS-Bench-101's conv-bn-relu)."""

    def __init__(self, c_in: int, c_out: int, size: int, stride: int = 1) -> None:
        convolution = nn.Conv2d(c_in, c_out, size, stride, size // 2, bias=False)
        super().__init__(convolution, NORM(c_out), nn.ReLU(inplace=True))


class DilatedConv(nn.Sequential):
    """ReLU, a depthwise convolution, a pointwise one, normalisation (quark0/darts cnn/operations.py, DilConv)."""

    def __init__(self, channels: int, size: int, stride: int, dilation: int = 2) -> None:
        padding = dilation * (size // 2)
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, size, stride, padding, dilation, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            NORM(channels),
        )


class SeparableConv(nn.Sequential):
    """A depthwise and a pointwise convolution, twice, the first with the stride (quark0/darts cnn/operations.py, SepConv)."""

    def __init__(self, channels: int, size: int, stride: int) -> None:
        super().__init__(DilatedConv(channels, size, stride, 1), DilatedConv(channels, size, 1, 1))


class FactorizedReduce(nn.Module):
    """Half the pixels each way, of two 1x1 convolutions of stride 2 that read every other pixel, one of them from the second on.

    quark0/darts cnn/operations.py. An image of odd side gets a row and a column of zeros behind it, so that both read as many pixels.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(c_in, c_out - c_out // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(c_in, c_out // 2, 1, 2, bias=False)
        self.norm = NORM(c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) to (n, c_out, h/2, w/2)."""
        x = nn.functional.relu(x)
        shifted = nn.functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        y: Tensor = self.norm(torch.cat([self.even(x), self.odd(shifted)], dim=1))
        return y


OPERATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "skip_connect": lambda *_: nn.Identity(),
    "max_pool_3x3": lambda _, stride: nn.MaxPool2d(3, stride, 1),
    "avg_pool_3x3": lambda _, stride: nn.AvgPool2d(3, stride, 1, count_include_pad=False),
    "nor_conv_1x1": lambda channels, stride: ReLUConvNorm(channels, channels, 1, stride),
    "nor_conv_3x3": lambda channels, stride: ReLUConvNorm(channels, channels, 3, stride),
    "nor_conv_5x5": lambda channels, stride: ReLUConvNorm(channels, channels, 5, stride),
    "sep_conv_3x3": lambda channels, stride: SeparableConv(channels, 3, stride),
    "sep_conv_5x5": lambda channels, stride: SeparableConv(channels, 5, stride),
    "sep_conv_7x7": lambda channels, stride: SeparableConv(channels, 7, stride),
    "dil_conv_3x3": lambda channels, stride: DilatedConv(channels, 3, stride),
    "dil_conv_5x5": lambda channels, stride: DilatedConv(channels, 5, stride),
    "conv1x1-bn-relu": lambda channels, stride: ConvNormReLU(channels, channels, 1, stride),
    "conv3x3-bn-relu": lambda channels, stride: ConvNormReLU(channels, channels, 3, stride),
    "maxpool3x3": lambda _, stride: nn.MaxPool2d(3, stride, 1),
}
"""Of channels and stride, the op; of stride 1 only where it is ``skip_connect``, which else is a ``FactorizedReduce``."""


def known_op(name: str, kind: str) -> str:
    """The name itself.

    Raises:
        NoNetwork: there is no op of that name; the message has those there are, and the one that was meant.
    """
    if name in OPERATIONS:
        return name
    near = difflib.get_close_matches(name, OPERATIONS, n=1)
    meant = f", did you mean {near[0]!r}?" if near else "."
    raise NoNetwork(
        f"the space {kind} has the op {name!r}, which no network knows{meant} Known are none, {', '.join(OPERATIONS)}; for ops of your own, name "
        "a builder in the skeleton, MODULE:FUNCTION"
    )
