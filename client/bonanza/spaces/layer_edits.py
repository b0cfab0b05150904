"""One edit of a network of layers, every choice made by the caller: what the nine primitives and the neighbours share.

Each edit gives a network in topological order, or None where the result would have a cycle; whether it is valid and
within bounds is for ``layer_rules.violation``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from bonanza.spaces.layer import Layer
from bonanza.spaces.layer_network import Edge, Network, network

CHANGE = 8
"""Units grow or shrink by one part of so many."""


def widened(net: Network, changed: Sequence[int], *, more: bool) -> Network:
    """Each changed layer with 1/8 more units, or fewer, rounded half up, but changed by 1 at least.

    Deviation from the original, where rounding leaves 3 units or fewer as they are.
    """
    layers = list(net.layers)
    for v in changed:
        units = layers[v].units
        change = max(
            1, (units + CHANGE // 2) // CHANGE if more else units - (units * (CHANGE - 1) + CHANGE // 2) // CHANGE
        )
        layers[v] = layers[v]._replace(units=units + change if more else units - change)
    return net._replace(layers=tuple(layers))


def swapped(net: Network, replaced: Mapping[int, Layer]) -> Network:
    """The network with other layers in the same places."""
    return net._replace(layers=tuple([replaced.get(v, layer) for v, layer in enumerate(net.layers)]))


def wedged(net: Network, edge: Edge, layer: Layer) -> Network | None:
    """The network with a layer put on an edge."""
    new = len(net.layers)
    edges = [other for other in net.edges if other != edge]
    return network([*net.layers, layer], [*edges, (edge[0], new), (new, edge[1])])


def removed(net: Network, gone: int, links: Sequence[Edge]) -> Network | None:
    """The network without a layer, and with ``links`` from its parents to its children instead."""
    kept = [edge for edge in net.edges if gone not in edge]
    edges = sorted({*kept, *links})
    layers = [*net.layers[:gone], *net.layers[gone + 1 :]]
    return network(layers, [(v - (v > gone), w - (w > gone)) for v, w in edges])


def bridged(net: Network, start: int, end: int, layers: Sequence[Layer]) -> Network | None:
    """The network with another path from ``start`` to ``end``, through new layers, or an edge where there are none."""
    first = len(net.layers)
    path = [start, *range(first, first + len(layers)), end]
    edges = set(net.edges)
    edges.update(pairwise(path))
    return network([*net.layers, *layers], sorted(edges))
