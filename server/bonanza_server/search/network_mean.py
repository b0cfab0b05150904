"""The default's second opinion: what a graph network expects of a cell, by a share of which the Gaussian process's means of other cells than the measured are moved.

The two err differently. The process says how sure one can be, and is the better of the two where little is known; the network reads the graph
itself. Their average ranks and predicts cells better than either on NAS-Bench-101, with the process's standard deviations still honest: at a nominal 90 %
they cover 0.92 of the cells after 100 results and 0.94 after 424 (with networks of 32 units). As a further view in the process the network's embedding does worse: it has
seen the results that the process is to weigh it by, and 70 % are covered.

Where a property that the process is told of explains everything, the network is the worse of the two. So the share is the one that would have been best for
results which the network had not seen, beside what the process says of each from all others; ``PRIOR`` more that speak for a half keep it from luck.

Training takes longer than all else in a fit. So a network is of the first so many results (``trained_on``), and serves the fits until there are an eighth more.

Notation
    f, g    what the network, and the process without that cell, expect of cells (m,)       t   their targets (m,)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from bonanza.spaces import Architecture
from bonanza_server.search.node_tensors import node_tensors, nodes_of
from bonanza_server.search.surrogates.gated_network import GatedNetworks, train
from bonanza_server.search.upper_scale import UpperScale

Vector = NDArray[np.float64]

PRIOR = 50
"""Results as far apart as the others that speak for a share of a half: there are some thirty others, which say a half and their luck."""
LEAST = 100
"""Results below which no network is trained."""
STEP = 10
"""More results, at least, before the next one is trained."""
MOST_NODES = 64
"""Of a cell: the adjacencies of larger graphs would take longer than a fit may."""


@dataclass(frozen=True)
class Opinion:
    """Networks trained on the first ``trained_on`` results, and the line from what they say to the targets of a fit."""

    networks: GatedNetworks
    trained_on: int
    slope: float
    offset: float

    def of(self, cells: Sequence[Architecture]) -> Vector:
        """F of ``cells``, (n,), on the scale of the fit's targets."""
        if not cells:
            return np.empty(0)
        said = self.networks.predict(node_tensors(cells)).numpy().astype(np.float64)
        return self.offset + self.slope * said


@dataclass(frozen=True)
class NetworkMean:
    """The opinion of the newest networks, and its share of the mean."""

    opinion: Opinion
    share: float

    def shift(self, means: Vector, cells: Sequence[Architecture]) -> Vector:
        """What the process's ``means`` of ``cells`` are moved by; (n,) each."""
        return self.share * (self.opinion.of(cells) - means)


def network_mean(
    cells: Sequence[Architecture], values: Sequence[float], targets: Vector, left_out: Vector, *, maximize: bool
) -> NetworkMean | None:
    """The second opinion after these results; None where there are too few, their graphs too large, or their values all one.

    Args:
        cells: What was measured, in the order of the trials.
        values: (n,).
        targets: Of the values, on the scale of the fit; (n,).
        left_out: What the process expects of each cell from all others, on that scale; (n,).
        maximize: Whether larger values are better.
    """
    n = trained_on(len(cells))
    newest = _opinion(n, cells, values, targets, maximize=maximize)
    if newest is None:
        return None
    before = _opinion(trained_on(n - 1), cells, values, targets, maximize=maximize)
    judged = [(newest, slice(n, len(cells)))] + ([(before, slice(before.trained_on, n))] if before else [])
    f, g, t = (
        np.concatenate(column)
        for column in zip(
            *((opinion.of(cells[rows]), left_out[rows], targets[rows]) for opinion, rows in judged), strict=True
        )
    )
    return NetworkMean(newest, share(f, g, t))


def share(f: Vector, g: Vector, t: Vector) -> float:
    """The w in [0, 1] of least squares of t - (g + w (f - g)), with ``PRIOR`` such cells at w = 1/2; 1/2 of none."""
    apart = f - g
    weight = PRIOR * float(np.mean(apart**2)) if len(apart) else 0.0
    if weight == 0.0:
        return 0.5
    return float(np.clip((apart @ (t - g) + 0.5 * weight) / (apart @ apart + weight), 0.0, 1.0))


def _opinion(
    n: int, cells: Sequence[Architecture], values: Sequence[float], targets: Vector, *, maximize: bool
) -> Opinion | None:
    """That of networks trained on the first ``n`` results.

    The scale of a fit's targets moves with every result, though hardly. So the networks' targets are on the scale of their own cells, and the line leads
    from there to what the targets of these cells are now.
    """
    if n == 0:
        return None
    networks, then = _trained(tuple(cells[:n]), tuple(values[:n]), maximize)
    if networks is None:
        return None
    slope, offset = np.polyfit(then, targets[:n], 1)
    return Opinion(networks, n, float(slope), float(offset))


@lru_cache(maxsize=8)
def _trained(
    cells: tuple[Architecture, ...], values: tuple[float, ...], maximize: bool
) -> tuple[GatedNetworks | None, Vector]:
    """The networks of these results, and their targets: centred and of unit spread; remembered, because the fits that follow ask again."""
    targets = UpperScale.of(values, maximize=maximize).targets(values)
    spread = float(targets.std())
    if spread == 0.0 or max(map(nodes_of, cells)) > MOST_NODES:
        return None, targets
    targets = (targets - targets.mean()) / spread
    generator = torch.Generator().manual_seed(len(cells))
    return train(node_tensors(cells), torch.from_numpy(targets).float(), generator), targets


def trained_on(n: int) -> int:
    """How many of ``n`` results the network is trained on: 0, or the last of 100, 112, 126, .. that is at most n."""
    done = 0
    following = LEAST
    while following <= n:
        done, following = following, following + max(STEP, following // 8)
    return done
