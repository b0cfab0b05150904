"""A network of layers: the DAG itself and what follows from it, image sizes, widths and masses.

Notation
    v, w        layers, in topological order; 0 is the ip, the last one the op
    (v, w)      an edge: w reads v, its parent; whoever reads several parents reads their concatenation
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from bonanza.spaces.layer import DECISIONS, FC, IP, OP, POOLS, Layer

Edge = tuple[int, int]

TENTHS = {FC: 1}
"""What a unit weighs for each channel it reads, in tenths; in layers that are not here, 10."""
END_SHARE = 10
"""The ip weighs one such part of all layers between; so does the op, and so do the decision layers together."""
LEAST_END_MASS = 100.0


class Network(NamedTuple):
    """Layers in topological order and edges (v, w), v < w, distinct and sorted: the genes of an architecture."""

    layers: tuple[Layer, ...]
    edges: tuple[Edge, ...]

    def parents(self) -> list[list[int]]:
        """Whom each layer reads, ascending."""
        found: list[list[int]] = [[] for _ in self.layers]
        for v, w in self.edges:
            found[w].append(v)
        return found

    def children(self) -> list[list[int]]:
        """Who reads each layer, ascending."""
        found: list[list[int]] = [[] for _ in self.layers]
        for v, w in self.edges:
            found[v].append(w)
        return found


def topological_order(n: int, edges: Sequence[Edge]) -> list[int] | None:
    """The nodes 0 .. n - 1, the smallest possible first at each place; None if the edges have a cycle."""
    if all(v < w for v, w in edges):
        return list(range(n))
    waits_for = [0] * n
    after: list[list[int]] = [[] for _ in range(n)]
    for v, w in edges:
        waits_for[w] += 1
        after[v].append(w)
    ready = [v for v in range(n) if not waits_for[v]]
    order = []
    while ready:
        v = heapq.heappop(ready)
        order.append(v)
        for w in after[v]:
            waits_for[w] -= 1
            if not waits_for[w]:
                heapq.heappush(ready, w)
    return order if len(order) == n else None


def network(layers: Sequence[Layer], edges: Sequence[Edge]) -> Network | None:
    """The network of layers in any order and distinct edges between them; None if these have a cycle."""
    order = topological_order(len(layers), edges)
    if order is None:
        return None
    place = [0] * len(order)
    for k, v in enumerate(order):
        place[v] = k
    return Network(tuple([layers[v] for v in order]), tuple(sorted([(place[v], place[w]) for v, w in edges])))


def chain(inner: Sequence[Layer]) -> Network:
    """The network that is one path from the ip through the inner layers to the op."""
    layers = (Layer(IP), *inner, Layer(OP))
    return Network(layers, tuple([(k, k + 1) for k in range(len(layers) - 1)]))


def halvings(net: Network, parents: Sequence[Sequence[int]]) -> list[int | None]:
    """How often the image that leaves each layer has been halved since the ip; None where no image leaves.

    Of a network whose joined images have equal sizes: the first parent is asked.
    """
    found: list[int | None] = [0]
    for v in range(1, len(net.layers)):
        before, stride = found[parents[v][0]], net.layers[v].stride
        found.append(None if before is None or not stride else before + stride - 1)
    return found


def entering(net: Network, parents: Sequence[Sequence[int]], image: int = 1) -> list[int]:
    """The channels each layer reads, if the ip has ``image``: 1 where masses are counted, as in the original."""
    found, leaving = [0], [image]
    for v, (op, units, _) in enumerate(net.layers[1:], start=1):
        width = sum([leaving[u] for u in parents[v]])
        found.append(width)
        leaving.append(width if op in POOLS else units)
    return found


def masses(net: Network, parents: Sequence[Sequence[int]]) -> tuple[float, ...]:
    """The mass of each layer in optimal transport: the paper's section 3, with the original's numbers.

    Channels in times units for a layer with units, a tenth of it for a fully connected one; channels in for a pool. The
    ip weighs a tenth of all these together, at least 100, and so do the op and the decision layers, who share it.
    Sums are of whole tenths, so that no rounding depends on the order of the layers: masses are part of the identity.
    """
    tenths = []
    decisions = 0
    for (op, units, _), width in zip(net.layers, entering(net, parents), strict=True):
        decisions += op in DECISIONS
        tenths.append(width * (1 if op in POOLS else units) * TENTHS.get(op, 10))
    end = max(sum(tenths) / 10 / END_SHARE, LEAST_END_MASS)
    shared = {IP: end, OP: end, **dict.fromkeys(DECISIONS, end / max(decisions, 1))}
    return tuple([shared.get(layer.op, tenth / 10) for layer, tenth in zip(net.layers, tenths, strict=True)])


def distances(adjacent: Sequence[Sequence[int]], order: Sequence[int]) -> list[int]:
    """Edges on the shortest path from the first node of ``order`` to each; ``adjacent`` are those before it there."""
    found = [0] * len(adjacent)
    for v in order[1:]:
        found[v] = 1 + min([found[u] for u in adjacent[v]])
    return found
