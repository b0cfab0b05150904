"""Zero-cost scores: what a network that was never trained says of itself in some milliseconds, without data.

    synflow     the logarithm of the sum over all weights of |w| dR/d|w|, R being the sum of the outputs that an image of ones has under the weights'
                absolute values (Tanaka et al. 2020, arXiv 2006.05467, eq. 2; as a score: Abdelfattah et al. 2021, arXiv 2101.08134). By the
                weights of convolutions and linear layers, with batch normalisation as it is before training.
    naswot      the logarithm of the determinant of K, K_ij being in how many ReLUs the images i and j are on the same side (Mellor et al. 2021,
                arXiv 2006.04647, section 3). The images are noise, where the paper has a batch of the data set.

They tell good architectures from bad ones and not the best from the good: features for a strategy that learns how much they say.
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Final

import torch
from torch import Tensor, nn

from bonanza.spaces import Architecture, SearchSpace
from bonanza.spaces.pool import Pool
from bonanza.worker.networks import Shape, Skeleton, build

IMAGES: Final = 32
CLASSES: Final = 10
SMALL: Final = {"darts": 3, "nasnet": 3}
"""Cells of a small network, of which one is normal: a third of these cells halve the image, two thirds of the way in."""


def small(space: SearchSpace, *, channels: int = 8, builder: str | None = None) -> Skeleton:
    """The least network that has every cell of ``space`` in it; its scores rank architectures as those of the published one do."""
    kind = space.of.kind if isinstance(space, Pool) else space.kind
    return Skeleton(channels, SMALL.get(kind, 1), builder=builder)


def scores(
    space: SearchSpace, architecture: Architecture, *, skeleton: Skeleton, shape: Shape = (3, 32, 32), seed: int = 0
) -> dict[str, float]:
    """The scores of an architecture by name, the same whenever they are asked for; one that is not finite, of a network that computes nothing, is left out.

    Raises:
        NoNetwork: there is none for images.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(space, architecture, skeleton=skeleton, classes=CLASSES, shape=shape)
        images = torch.randn(IMAGES, *shape)
        # Each by a network as it was made: one moves the statistics of batch normalisation, the other makes the weights absolute.
        found = {"naswot": naswot(deepcopy(network), images), "synflow": synflow(network, shape)}
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def synflow(network: nn.Module, shape: Shape) -> float:
    """See the module; -inf where no path leads from the image to the outputs. Makes the weights absolute, in double precision."""
    network.double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    network.zero_grad()
    outputs: Tensor = network(torch.ones(1, *shape, dtype=torch.float64))
    outputs.sum().backward()  # type: ignore[no-untyped-call]
    flow = 0.0
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.grad is not None:
            flow += float((module.weight.detach() * module.weight.grad).sum())
    return math.log(flow) if flow > 0.0 else -math.inf


def naswot(network: nn.Module, images: Tensor) -> float | None:
    """See the module; None where a network has no ReLU, -inf where two images are the same to it."""
    network.train()
    same = torch.zeros(len(images), len(images), dtype=torch.float64)
    relus = 0

    def count(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
        nonlocal relus
        positive = (given[0] > 0).flatten(1).float()
        same.add_((positive @ positive.T + (1.0 - positive) @ (1.0 - positive).T).double())
        relus += 1

    hooks = [module.register_forward_pre_hook(count) for module in network.modules() if isinstance(module, nn.ReLU)]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return float(torch.linalg.slogdet(same).logabsdet) if relus else None
