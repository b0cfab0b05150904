"""What a network of layers costs: parameters and multiply-adds for one image of 32 x 32 pixels and 3 channels.

The layers are those the original trains on CIFAR-10 (its ``cifar10_model_base.py``), for 10 classes:

- ``conv``: a convolution without bias, batch norm, ReLU; ``res``: two of them and a shortcut around both;
- a halved image has half its pixels each way, rounded up, so 1 x 1 stays 1 x 1;
- ``fc`` and ``softmax``: the mean of each channel where they read an image, then a linear layer with bias;
- a hidden layer of a perceptron: a linear layer with bias. A perceptron reads the same image as 3,072 numbers; its decision
  layers are linear to 10 classes, or to one number where they are ``linear``.

Deviations: where the shape of a residual layer's image changes, its shortcut is a 1 x 1 convolution without norm. The
original pads whichever of the two has fewer channels, so that a layer can come out wider than its units, which
contradicts the masses, and makes it matter in which order parents are concatenated. And ``crelu`` hands on ``units``
channels, as the masses have it, half of them of either sign: its linear layer has half the units, rounded up.
"""

from __future__ import annotations

from bonanza.spaces.cost import FREE, Cost, convolution, linear
from bonanza.spaces.layer import DECISIONS, FC, HIDDEN, KERNELS
from bonanza.spaces.layer_network import Network, entering, halvings

SIZE = 32
CHANNELS = 3
CLASSES = 10


def network_cost(net: Network) -> Cost:
    """The sum over all layers of a valid network."""
    parents = net.parents()
    image = CHANNELS * SIZE * SIZE if net.layers[1].op not in KERNELS else CHANNELS
    width = entering(net, parents, image)
    left = halvings(net, parents)
    total = FREE
    for v, (op, units, stride) in enumerate(net.layers):
        if op in KERNELS:
            total += _convolutional(op, width[v], units, stride, _pixels(left[v]))
        elif op == FC or op in HIDDEN:
            total += linear(width[v], (units + 1) // 2 if op == "crelu" else units)
        elif op in DECISIONS:
            total += linear(width[v], CLASSES if op == "softmax" else 1)
    return total


def _convolutional(op: str, inputs: int, units: int, stride: int, size: int) -> Cost:
    first = convolution(inputs, units, KERNELS[op], size)
    if op.startswith("conv"):
        return first
    kept = inputs == units and stride == 1
    shortcut = FREE if kept else convolution(inputs, units, 1, size, norm=False)
    return first + convolution(units, units, KERNELS[op], size) + shortcut


def _pixels(halved: int | None) -> int:
    """Of the image that leaves a convolutional layer, each way."""
    assert halved is not None, "a convolutional layer leaves an image"
    return max(SIZE >> halved, 1)
