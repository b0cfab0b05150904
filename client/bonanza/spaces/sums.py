"""Sums that several ops read, drawn once: the cell's own nodes, where ops are on its edges.

A ``LabelledDag`` has no node for a sum: each op reads all the summands. Four ops that read one sum of four would be
sixteen edges in a picture; through a node for the sum they are eight, and mean the same.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from bonanza.spaces.graph import LabelledDag


@dataclass(frozen=True, slots=True)
class Summed:
    """What is drawn: items in topological order, and edges between them with their counts.

    ``items[k]`` is the node of the graph that item k is, None where it is a sum.
    """

    items: tuple[int | None, ...]
    edges: tuple[tuple[int, int], ...]
    counts: tuple[int, ...]


def with_sums(graph: LabelledDag) -> Summed:
    """The graph with an item for each sum of two or more that two or more nodes read."""
    predecessors = graph.predecessors()
    readers: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
    for v, found in enumerate(predecessors):
        if len(found) > 1:
            readers[found].append(v)
    shared = [summands for summands, found in readers.items() if len(found) > 1]
    # A sum follows its last summand, and its readers all follow that: the order stays topological.
    order: list[tuple[int, int]] = [(v, -1) for v in range(len(graph.labels))]
    order = sorted(order + [(summands[-1][0], k) for k, summands in enumerate(shared)])
    place = {key: item for item, key in enumerate(order)}
    edges: list[tuple[tuple[int, int], int]] = []
    sum_at = {summands: place[summands[-1][0], k] for k, summands in enumerate(shared)}
    for summands, item in sum_at.items():
        edges += [((place[u, -1], item), count) for u, count in summands]
    for v, found in enumerate(predecessors):
        item = place[v, -1]
        if found in sum_at:
            edges.append(((sum_at[found], item), 1))
        else:
            edges += [((place[u, -1], item), count) for u, count in found]
    edges.sort()
    return Summed(
        tuple(v if k < 0 else None for v, k in order),
        tuple(edge for edge, _ in edges),
        tuple(count for _, count in edges),
    )
