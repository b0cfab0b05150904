"""Which file has the network of a kind of space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from bonanza.spaces import Architecture, SearchSpace
from bonanza.spaces.constrained import Constrained
from bonanza.spaces.pool import Pool
from bonanza.worker.networks import Dropouts, NoNetwork, Shape, Skeleton, nasbench201
from bonanza.worker.networks.own import OwnNetwork
from bonanza.worker.networks.recipe import Recipe


class ImageRecipe(Protocol):
    """What a file has for its kinds of space: the recipe of an architecture, or ``NoNetwork``."""

    def __call__(
        self, space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: Shape
    ) -> Recipe: ...


IMAGES: Final[Mapping[str, ImageRecipe]] = {
    "edge_cell": nasbench201.recipe,
    "nasbench201": nasbench201.recipe,
}


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
    if space.kind not in IMAGES:
        raise NoNetwork(
            f"there is no network for images of the space {space.kind}, only of {', '.join(IMAGES)}: write a function that builds one, and name "
            "it in the skeleton as builder, MODULE:FUNCTION"
        )
    return IMAGES[space.kind](space, architecture, skeleton=skeleton, classes=classes, shape=shape)


def language_recipe(
    space: SearchSpace, architecture: Architecture, *, tokens: int, width: int, layers: int, dropouts: Dropouts
) -> Recipe:
    """What ``build_language_model`` builds.

    Raises:
        NoNetwork: it is no recurrent cell.
    """
    raise NoNetwork("not yet")


def within(space: SearchSpace, architecture: Architecture) -> tuple[SearchSpace, Architecture]:
    """The architecture in the space that a pool, or a space with constraints, is taken from."""
    while isinstance(space, Pool | Constrained):
        architecture = space.plain(architecture)
        space = space.of
    return space, architecture
