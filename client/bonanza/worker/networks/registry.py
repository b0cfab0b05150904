"""Which file has the network of a kind of space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from bonanza.spaces import Architecture, SearchSpace
from bonanza.spaces.constrained import Constrained
from bonanza.spaces.pool import Pool
from bonanza.worker.networks import (
    Dropouts,
    NoNetwork,
    Shape,
    Skeleton,
    layer_graph,
    nasbench101,
    nasbench201,
    recurrent,
    resnet_stages,
    stacked_cells,
)
from bonanza.worker.networks.own import OwnNetwork
from bonanza.worker.networks.recipe import Recipe


class ImageRecipe(Protocol):
    """What a file has for its kinds of space: the recipe of an architecture, or ``NoNetwork``."""

    def __call__(
        self, space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: Shape
    ) -> Recipe:
        """The recipe."""


class LanguageRecipe(Protocol):
    """The same for networks that read text."""

    def __call__(
        self,
        space: SearchSpace,
        architecture: Architecture,
        *,
        tokens: int,
        width: int,
        layers: int,
        dropouts: Dropouts,
    ) -> Recipe:
        """The recipe."""


IMAGES: Final[Mapping[str, ImageRecipe]] = {
    "nasbench201": nasbench201.recipe,
    "edge_cell": nasbench201.recipe,
    "nasbench101": nasbench101.recipe,
    "node_cell": nasbench101.recipe,
    "darts": stacked_cells.recipe,
    "nasnet": stacked_cells.recipe,
    "resnet_stages": resnet_stages.recipe,
    "layer_graph": layer_graph.recipe,
}
LANGUAGE: Final[Mapping[str, LanguageRecipe]] = {"recurrent": recurrent.recipe}


def image_recipe(
    space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: Shape
) -> Recipe | OwnNetwork:
    """What ``build`` builds.

    Raises:
        NoNetwork: there is none.
    """
    space, architecture = within(space, architecture)
    if skeleton.builder is not None:
        return OwnNetwork(skeleton.builder, architecture, skeleton=skeleton, classes=classes, shape=shape)
    if space.kind in LANGUAGE:
        raise NoNetwork(
            f"the space {space.kind} has networks for text, none for images: train them on a text, such as ptb"
        )
    if space.kind not in IMAGES:
        raise NoNetwork(
            f"only you know what an architecture of the space {space.kind} means: write a function that builds its network, and name it in the "
            f"skeleton as builder, MODULE:FUNCTION; there are networks of {', '.join([*IMAGES, *LANGUAGE])}"
        )
    return IMAGES[space.kind](space, architecture, skeleton=skeleton, classes=classes, shape=shape)


def language_recipe(
    space: SearchSpace, architecture: Architecture, *, tokens: int, width: int, layers: int, dropouts: Dropouts
) -> Recipe:
    """What ``build_language_model`` builds.

    Raises:
        NoNetwork: it is no recurrent cell.
    """
    space, architecture = within(space, architecture)
    if space.kind not in LANGUAGE:
        raise NoNetwork(
            f"the space {space.kind} has no networks for text, only {', '.join(LANGUAGE)} has: train them on images, such as digits"
        )
    for name, value in (("tokens", tokens), ("width", width), ("layers", layers)):
        if value < 1:
            raise NoNetwork(f"a language model has 1 or more {name}, not {value}")
    return LANGUAGE[space.kind](space, architecture, tokens=tokens, width=width, layers=layers, dropouts=dropouts)


def within(space: SearchSpace, architecture: Architecture) -> tuple[SearchSpace, Architecture]:
    """The architecture in the space that a pool, or a space with constraints, is taken from."""
    while isinstance(space, Pool | Constrained):
        architecture = space.plain(architecture)
        space = space.of
    return space, architecture
