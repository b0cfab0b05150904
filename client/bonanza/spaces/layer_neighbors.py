"""The neighbours of a network of layers: the primitives with a fixed choice where the original draws one.

A few hundred for the networks searches start from. Every change of units, every swap (its stride kept), every edge with one op
wedged, every removal, a full copy of the leftmost path from every start, and every skip: so any op and any path is some
edits away, though not each in one.
"""

from __future__ import annotations

from collections.abc import Iterator

from bonanza.spaces.layer import FC, OP, layer
from bonanza.spaces.layer_edits import bridged, swapped, wedged, widened
from bonanza.spaces.layer_network import Network
from bonanza.spaces.layer_primitives import PATH
from bonanza.spaces.layer_rules import Rules, violation
from bonanza.spaces.layer_sites import (
    SWAPS,
    changeable,
    ends,
    groups,
    is_cnn,
    removable,
    skipped,
    starts,
    units_between,
    wedgeable,
    without,
)


def neighbors(net: Network, rules: Rules) -> Iterator[Network]:
    """Each valid network that an edit of ``edits`` gives, once, in their order; not ``net`` itself."""
    seen = {net}
    for other in edits(net):
        if other is not None and other not in seen and violation(other, rules) is None:
            seen.add(other)
            yield other


def edits(net: Network) -> Iterator[Network | None]:
    """Every edit, within the rules or not; None for one that would close a cycle.

    - one layer with units, then each group of them (``layer_sites.groups``), an eighth wider and narrower;
    - each op swapped for each that may be drawn in its place;
    - on each edge a conv3 of stride 1, or a relu in a perceptron, or another fully connected layer behind one;
    - each layer removed, its neighbours joined in topological order;
    - from each start, the path to the first child, its first child and so on, copied whole beside itself;
    - from each start but the ip, a skip to each end.
    """
    for changed in [*[[v] for v in changeable(net)], *groups(net)]:
        for more in (True, False):
            yield widened(net, changed, more=more)
    for v, (op, units, stride) in enumerate(net.layers):
        for other in SWAPS.get(op, ()):
            yield swapped(net, {v: layer(other, units, stride)})
    for edge in wedgeable(net):
        before = net.layers[edge[0]]
        new = before if before.op == FC else layer("conv3" if is_cnn(net) else "relu", units_between(net, edge))
        yield wedged(net, edge, new)
    for v in removable(net):
        yield without(net, v, None)
    able, _ = starts(net)
    children = net.children()
    for start in able:
        path = [start]
        while len(path) < PATH and net.layers[path[-1]].op != OP:
            path.append(children[path[-1]][0])
        yield bridged(net, start, path[-1], [net.layers[v] for v in path[1:-1]])
    for start in able[1:]:
        for end in ends(net, start):
            yield skipped(net, start, end)
