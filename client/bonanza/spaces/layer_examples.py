"""The networks that NASBOT starts from: 12 convolutional ones and 10 perceptrons.

The original's ``get_initial_cnn_pool`` and ``get_initial_mlp_pool``, from the version whose pool has the residual and
the multi-depth network; its head has left these two out.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import cycle

from bonanza.spaces.layer import FC, IP, MLP, OP, RECTIFIERS, SIGMOIDS, Layer, layer
from bonanza.spaces.layer_network import Network, chain, network
from bonanza.spaces.layer_rules import Rules, Violation, violation

BLOCK_UNITS = (64, 128, 256, 512)
"""Units of the layers of each block; further blocks have the last number too."""
MULTIDEPTH_EDGES = (
    *((0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (5, 6), (6, 7), (7, 14)),
    *((2, 8), (3, 8), (8, 12), (4, 9), (9, 10), (10, 11), (11, 12), (12, 13), (13, 14)),
)


class NoStart(ValueError):
    """No network to start from is within bounds; ``violation`` is what a small one breaks."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation)
        self.violation = violation


def vgg(convolutions: int) -> Network:
    """VGG with so many convolutions in each of its three later blocks."""
    inner: list[Layer] = []
    for units, times in ((64, 2), (128, 2), (128, convolutions), (256, convolutions), (512, convolutions)):
        inner += [*[layer("conv3", units)] * times, layer("max-pool")]
    return chain([*inner, layer(FC, 128), layer(FC, 256), layer(FC, 512), layer("softmax")])


def blocked_cnn(blocks: int, size: int, *, op: str = "conv3") -> Network:
    """``blocks`` blocks of ``size`` layers, the first of each with stride 2; of residual layers if ``op`` is "res3"."""
    inner = [layer("conv7", 64), layer("max-pool")]
    units = 0
    for block in range(blocks):
        units = _block_units(block)
        inner += [layer(op, units, 2), *[layer(op, units)] * (size - 1)]
    return chain([*inner, layer("avg-pool"), layer(FC, 2 * units), layer("softmax")])


def multidepth_cnn() -> Network:
    """Three branches of different depth, two decision layers: the original's second such example."""
    layers = [
        *(Layer(IP), layer("conv7", 64), layer("conv5", 128, 2), layer("conv3", 64, 2), layer("conv3", 64)),
        *(layer("avg-pool"), layer(FC, 64), layer("softmax"), layer("max-pool")),
        *(layer("max-pool"), layer("conv3", 128), layer("max-pool"), layer(FC, 64), layer("softmax"), Layer(OP)),
    ]
    made = network(layers, MULTIDEPTH_EDGES)
    assert made is not None, "the example has no cycle"
    return made


def blocked_mlp(blocks: int, size: int, decision: str) -> Network:
    """Blocks of rectifiers and of sigmoids by turns, ``size`` layers of one op and of equal units each.

    Deviations: the original shuffles the rectifiers and the sigmoids at each call, here they come in the order of
    ``layer.HIDDEN``; and it prefixes the list of units with those of the blocks, which gives each layer the units of one
    ``blocks - 1`` places before it. Here each block has the units meant for it.
    """
    rectifiers, sigmoids = cycle(RECTIFIERS), cycle(SIGMOIDS)
    inner: list[Layer] = []
    for block in range(blocks):
        inner += [layer(next(sigmoids if block % 2 else rectifiers), _block_units(block))] * size
    return chain([*inner, layer(decision)])


@lru_cache(maxsize=64)
def starting_networks(rules: Rules) -> tuple[Network, ...]:
    """The flavour's networks of which every layer's units are brought within bounds and that then are valid.

    Where none is, one chain that is: of as few layers as there may be, else twice as many, and so on; of as few units,
    else an eighth more, and so on.

    Raises:
        NoStart: there is none either.
    """
    if rules.flavour == MLP:
        sizes = ((3, 2), (4, 2), (5, 2), (3, 4), (6, 2), (8, 2), (6, 3), (10, 2), (4, 6), (8, 3))
        pool = [blocked_mlp(blocks, size, rules.decision) for blocks, size in sizes]
    else:
        pool = [vgg(convolutions) for convolutions in (1, 2, 3, 4)]
        pool += [blocked_cnn(blocks, size) for blocks, size in ((3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (4, 4))]
        pool += [blocked_cnn(3, 2, op="res3"), multidepth_cnn()]
    found = tuple([net for net in (_clipped(net, rules.units) for net in pool) if violation(net, rules) is None])
    return found or (_small_chain(rules),)


def _small_chain(rules: Rules) -> Network:
    broken: Violation | None = None
    length = rules.layers[0]
    while True:
        units = rules.units[0]
        while True:
            op = RECTIFIERS[0] if rules.flavour == MLP else "conv3"
            net = chain([*[layer(op, units)] * (length - 3), layer(rules.decision)])
            found = violation(net, rules)
            if found is None:
                return net
            if broken is None or broken.bound is None:
                broken = found
            if units == rules.units[1]:
                break
            units = min(units + max(units // 8, 1), rules.units[1])
        if length >= rules.layers[1]:
            raise NoStart(broken)
        length = min(2 * length, rules.layers[1])


def _clipped(net: Network, bounds: tuple[int, int]) -> Network:
    least, most = bounds
    layers = [each._replace(units=min(max(each.units, least), most)) if each.units else each for each in net.layers]
    return net._replace(layers=tuple(layers))


def _block_units(block: int) -> int:
    return BLOCK_UNITS[min(block, len(BLOCK_UNITS) - 1)]
