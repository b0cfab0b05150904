"""Where in a network an edit can be made: what the primitives draw from and the neighbours list.

Kandasamy et al. 2018, appendix C.1; the numbers are those of the original's ``nn_modifiers.py``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from itertools import pairwise

from bonanza.spaces.layer import DECISIONS, FC, IP, KERNELS, OP, POOLS, RECTIFIERS, SIGMOIDS, WITH_UNITS, layer
from bonanza.spaces.layer_edits import bridged, removed, swapped
from bonanza.spaces.layer_network import Edge, Network, distances, halvings

GROUPS = ((4, 2), (8, 4), (16, 8))
"""With so many layers between the ends, units change in any of so many equal groups at a time."""
_OWN = {3: ((5, 0.15), (7, 0.25)), 5: ((3, 0.2), (7, 0.2)), 7: ((3, 0.25), (5, 0.15))}


def _swaps() -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for op, kernel in KERNELS.items():
        own, other = ("conv", "res") if op.startswith("conv") else ("res", "conv")
        same_kind = {f"{own}{size}": chance for size, chance in _OWN[kernel]}
        table[op] = {f"{other}3": 0.25, f"{other}5": 0.25, **same_kind, **dict.fromkeys(POOLS, 0.05)}
    for ops, others in ((POOLS[:1], POOLS[1:]), (POOLS[1:], POOLS[:1]), (RECTIFIERS, SIGMOIDS), (SIGMOIDS, RECTIFIERS)):
        table |= {op: dict.fromkeys(others, 1 / len(others)) for op in ops}
    return table


SWAPS: Mapping[str, Mapping[str, float]] = _swaps()
"""For each op that can be swapped, the ops in its place and their chances."""


def is_cnn(net: Network) -> bool:
    """Whether a valid network is a convolutional one: layer 1 reads the ip only, so it is convolutional there."""
    return net.layers[1].op in KERNELS


def changeable(net: Network) -> list[int]:
    """The layers with units."""
    return [v for v, each in enumerate(net.layers) if each.op in WITH_UNITS]


def groups(net: Network) -> list[list[int]]:
    """The halves, quarters and eighths of the layers with units, in topological order; none that is empty."""
    able = changeable(net)
    found = []
    for least, parts in GROUPS:
        if len(net.layers) - 2 >= least:
            bounds = [part * len(able) // parts for part in range(parts + 1)]
            found += [able[first:last] for first, last in pairwise(bounds) if first < last]
    return found


def wedgeable(net: Network) -> list[Edge]:
    """The edges that do not lead to the op."""
    last = len(net.layers) - 1
    return [edge for edge in net.edges if edge[1] != last]


def units_between(net: Network, edge: Edge) -> int:
    """The units of a layer wedged on an edge: the mean of those of its ends that have units, rounded down.

    Where neither has any, the mean of the next layers' that have, up the network; at the ip, of its children's, of which
    one at least has units.
    """
    found = [net.layers[v].units for v in edge if net.layers[v].units]
    if not found:
        parents = net.parents()
        before = {edge[0]}
        while before and not found:
            before = {u for v in before for u in parents[v]}
            found = [net.layers[u].units for u in sorted(before) if net.layers[u].units]
    if not found:
        found = [net.layers[w].units for v, w in net.edges if v == 0 and net.layers[w].units]
    return sum(found) // len(found)


def removable(net: Network) -> list[int]:
    """The layers that are not the ip, the op, a decision layer, or fully connected and the first such on some path."""
    parents = net.parents()
    found = []
    for v, (op, _, _) in enumerate(net.layers):
        first = op == FC and any(net.layers[u].op != FC for u in parents[v])
        if not (first or op in {IP, OP} or op in DECISIONS):
            found.append(v)
    return found


def without(net: Network, gone: int, rng: random.Random | None) -> Network | None:
    """The network without a layer.

    Parents nobody else reads and children who read nobody else are joined in pairs; those left over get any child or
    parent. All this as ``rng`` draws it, or in topological order, and the first for those left over. If the layer halved
    the image, its children do so instead, or its parents, if all of these are convolutional and have stride 1.
    """
    all_parents, all_children = net.parents(), net.children()
    parents, children = all_parents[gone], all_children[gone]
    lonely = [u for u in parents if len(all_children[u]) == 1]
    orphans = [w for w in children if len(all_parents[w]) == 1]
    if rng is not None:
        rng.shuffle(lonely)
        rng.shuffle(orphans)
    links = list(zip(lonely, orphans, strict=False))
    links += [(u, rng.choice(children) if rng else children[0]) for u in lonely[len(orphans) :]]
    links += [(rng.choice(parents) if rng else parents[0], w) for w in orphans[len(lonely) :]]
    if net.layers[gone].stride == 2:
        for heirs in (children, parents):
            if all(net.layers[v].stride == 1 for v in heirs):
                net = swapped(net, {v: net.layers[v]._replace(stride=2) for v in heirs})
                break
    return removed(net, gone, links)


def starts(net: Network) -> tuple[list[int], list[float]]:
    """Where a branch can begin, and, the ip aside, a skip: not at op, decision or fully connected layers; with weights.

    The weights are 1 / sqrt(1 + d) for a layer whose shortest path from the ip has d edges.
    """
    far = distances(net.parents(), range(len(net.layers)))
    able = [v for v, each in enumerate(net.layers) if each.op not in {OP, FC} and each.op not in DECISIONS]
    return able, [1 / math.sqrt(1 + far[v]) for v in able]


def ends(net: Network, start: int) -> list[int]:
    """Where a skip from ``start`` can end: 2 edges further from the ip and nearer to the op by shortest paths.

    Not at a decision layer (the original spares softmax only), nor at a layer whose image is larger than that of
    ``start``, nor where one of the two is an image and the other a vector. Some may lead to ``start`` itself: a cycle.
    """
    parents = net.parents()
    n = len(net.layers)
    from_ip, to_op = distances(parents, range(n)), distances(net.children(), range(n - 1, -1, -1))
    left = halvings(net, parents)
    found = []
    for v in range(1, n - 1):
        if from_ip[v] < from_ip[start] + 2 or to_op[v] > to_op[start] - 2 or net.layers[v].op in DECISIONS:
            continue
        size, enters = left[start], left[parents[v][0]]
        if size is enters is None or (size is not None and enters is not None and size <= enters):
            found.append(v)
    return found


def skipped(net: Network, start: int, end: int) -> Network | None:
    """The network with an edge from ``start`` to ``end``, or as many average pools between as the image must be halved."""
    parents = net.parents()
    left = halvings(net, parents)
    pools = (left[parents[end][0]] or 0) - (left[start] or 0)
    return bridged(net, start, end, [layer("avg-pool")] * pools)
