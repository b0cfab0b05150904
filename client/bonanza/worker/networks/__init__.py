"""Networks in torch, built from architectures of every space; one file a family of networks.

::

    network = build(space, architecture, skeleton=Skeleton(channels=16), classes=10, shape=(3, 32, 32))
    scores = network(images)

Importing this package loads no torch, so that a skeleton can be read, checked and hashed where none is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bonanza.spaces import Architecture, SearchSpace
from bonanza.spaces.recurrent import WIDTH
from bonanza.worker.networks.skeleton import Dropouts, InvalidSkeleton, NoNetwork, Skeleton, Stem

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "Dropouts",
    "InvalidSkeleton",
    "NoNetwork",
    "Skeleton",
    "Stem",
    "build",
    "build_language_model",
    "export_code",
    "export_language_model",
    "parameter_count",
    "set_drop_path",
]

Shape = tuple[int, int, int]
"""Channels, height and width of an image."""


def build(
    space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: Shape
) -> nn.Module:
    """The network of an architecture, for images: (n, channels, height, width) in, class scores before the softmax (n, classes) out.

    A network with an auxiliary tower answers ``(scores, auxiliary scores)`` while it is in training mode. Weights are torch's own
    initialisation, from torch's global generator: a seed set before makes the same network again. The names in ``state_dict`` depend on
    architecture and skeleton only.

    Args:
        space: of the architecture; a pool or a space with constraints is the one within.
        architecture: what to build.
        skeleton: what is around it.
        classes: scores an image.
        shape: of an image, (channels, height, width).

    Raises:
        NoNetwork: there is none.
    """
    from bonanza.worker.networks.registry import image_recipe

    return image_recipe(space, architecture, skeleton=skeleton, classes=classes, shape=shape).build()


def build_language_model(
    space: SearchSpace,
    architecture: Architecture,
    *,
    tokens: int,
    width: int = WIDTH,
    layers: int = 1,
    dropouts: Dropouts | None = None,
) -> nn.Module:
    """The language model of a recurrent cell: ``model(ids, state)`` answers ``(scores, state)``.

    ``ids`` are (time, batch) whole numbers below ``tokens``, scores (time, batch, tokens) before the softmax; the state is a tensor
    (layers, batch, width), None at the beginning of a text. The decoder's weights are the embedding's.

    Args:
        space: of the architecture.
        architecture: what to build.
        tokens: of the vocabulary.
        width: units of the embedding and of every node.
        layers: cells above one another, each with weights of its own.
        dropouts: while it is in training mode; None: none.

    Raises:
        NoNetwork: it is no recurrent cell.
    """
    from bonanza.worker.networks.registry import language_recipe

    return language_recipe(
        space, architecture, tokens=tokens, width=width, layers=layers, dropouts=dropouts or Dropouts()
    ).build()


def export_code(
    space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: Shape
) -> str:
    """One Python file that needs torch only and builds the network that ``build`` does, with the same names in ``state_dict``.

    Its function ``network()`` returns it.

    Raises:
        NoNetwork: there is none, or it is a builder's of your own.
    """
    from bonanza.worker.networks.registry import image_recipe

    return image_recipe(space, architecture, skeleton=skeleton, classes=classes, shape=shape).source()


def export_language_model(
    space: SearchSpace,
    architecture: Architecture,
    *,
    tokens: int,
    width: int = WIDTH,
    layers: int = 1,
    dropouts: Dropouts | None = None,
) -> str:
    """The same file for ``build_language_model``.

    Raises:
        NoNetwork: it is no recurrent cell.
    """
    from bonanza.worker.networks.registry import language_recipe

    return language_recipe(
        space, architecture, tokens=tokens, width=width, layers=layers, dropouts=dropouts or Dropouts()
    ).source()


def set_drop_path(network: nn.Module, probability: float) -> None:
    """From now on drop each path of a network in training mode with ``probability``; nothing where a network has no drop-path.

    Raises:
        InvalidSkeleton: the probability is not from 0 to below 1.
    """
    from bonanza.worker.networks.drop_path import DropPath

    if not 0 <= probability < 1:
        raise InvalidSkeleton(f"the probability of drop-path must be from 0 to below 1, not {probability!r}")
    for module in network.modules():
        if isinstance(module, DropPath):
            module.set(probability)


def parameter_count(network: nn.Module) -> int:
    """Trainable parameters; shared ones once."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
