"""BONAS' ResNet strings, such as "1211-211-1111-12111", apart from any space: their characters, edits and networks.

Shi et al., "Efficient Sample-based Neural Architecture Search with Learnable Predictor" (BONAS), appendix D, after Li et
al., "Partial Order Pruning", CVPR 2019. Each digit is a bottleneck residual block: "1" keeps the number of base
channels, "2" doubles it in that block; a dash separates stages of different resolution, so the block behind it has
stride 2. Stage 1 and the beginning of stage 2 are a 3x3 convolution of stride 2 each and not searched: the string begins
with the blocks of stage 2, and its four parts are stages 2 to 5. "111-2111-211111-211" has ResNet-50's blocks.
"""

from __future__ import annotations

from collections.abc import Iterator

from bonanza.spaces.cost import Cost, convolution, linear

DASH, KEEP, DOUBLE = "-", "1", "2"
CHANNELS = 64
PIXELS = 56
"""The side of stage 2, a quarter of ImageNet's 224."""
EXPANSION = 4
"""A bottleneck's output has so many times its base channels (He et al. 2016)."""
CLASSES = 1_000

Characters = tuple[str, ...]


def edits(string: Characters) -> Iterator[Characters]:
    """Strings with one character more, less, or another, or with two exchanged; some are no strings of any space.

    Exchanged are a dash and a digit next to it, or two digits that are next to each other but for a dash.
    """
    for k in range(len(string) + 1):
        for character in (KEEP, DOUBLE, DASH):
            yield (*string[:k], character, *string[k:])
    for k, character in enumerate(string):
        yield (*string[:k], *string[k + 1 :])
        if character != DASH:
            yield (*string[:k], DOUBLE if character == KEEP else KEEP, *string[k + 1 :])
        for other in (k + 1, k + 2):
            if other < len(string) and (other == k + 1 or string[k + 1] == DASH):
                yield (*string[:k], string[other], *string[k + 1 : other], character, *string[other + 1 :])


def network_cost(string: Characters, channels: int = CHANNELS) -> Cost:
    """The ResNet for ImageNet's 224 x 224 pixels and 1,000 classes with ``channels`` base channels.

    He et al. 2016 with the stride in the 3x3 convolution: a block of c base channels is 1x1 to c, 3x3, 1x1 to 4c, each
    with batch norm, and a 1x1 shortcut with batch norm where channels or resolution change. The appendix does not say
    how wide the two convolutions before the blocks are; here each has ``channels``.
    """
    base, inputs, size, stride = channels, channels, PIXELS, 1
    total = convolution(3, base, 3, 2 * PIXELS) + convolution(base, base, 3, PIXELS)
    for character in string:
        if character == DASH:
            stride = 2
            continue
        base *= 2 if character == DOUBLE else 1
        outputs, before, size = EXPANSION * base, size, -(-size // stride)
        total += convolution(inputs, base, 1, before) + convolution(base, base, 3, size)
        total += convolution(base, outputs, 1, size)
        if stride > 1 or inputs != outputs:
            total += convolution(inputs, outputs, 1, size)
        inputs, stride = outputs, 1
    return total + linear(inputs, CLASSES)
