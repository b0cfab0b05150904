"""The network that is really computed: dead parts cut, identities contracted, sums flattened.

A node computes f(sum of its predecessors), each f with weights of its own, f(0) = 0. Hence

- a zero op, and whatever is fed by zeros only, adds nothing and is cut, and so is what the output never sees;
- an identity op passes its input on: its sources become, as often as they were, sources of whatever it fed;
- a sum of sums is one sum: what remains are op nodes, each with the multiset of its sources;
- two nodes with the same op on the same sources stay two: their weights differ.

Deviation, said aloud: f(0) = 0 is the convention of NAS-Bench-201's own unique string, while a convolution with a
normalisation's bias would send zeros to a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

from bonanza.spaces.graph import INPUT, OUTPUT, LabelledDag


@dataclass(frozen=True, slots=True)
class Simplified:
    """The live part of a raw graph, in its order; ``origin[v]`` is the raw node that became node v."""

    graph: LabelledDag
    origin: tuple[int, ...]


def simplify(raw: LabelledDag, *, zero_op: str | None, identity_op: str | None) -> Simplified:
    """The computed network of ``raw``, whose labels include ``zero_op`` and ``identity_op`` where they are not None.

    If nothing of the input reaches the output, the two of them without an edge: all such networks are one. Units and
    mass follow.
    """
    last = len(raw.labels) - 1
    predecessors = raw.predecessors()
    sums: list[dict[int, int]] = []  # of each node, what it adds up: the source and how often
    passes: list[dict[int, int]] = []  # of each node, what it hands on: itself once, or its sum, or nothing
    for v, label in enumerate(raw.labels):
        total: dict[int, int] = {}
        for u, count in predecessors[v]:
            for source, times in passes[u].items():
                total[source] = total.get(source, 0) + count * times
        sums.append(total)
        if v == 0:
            passes.append({v: 1})
        elif label == zero_op or not total:
            passes.append({})
        else:
            passes.append(total if label == identity_op else {v: 1})

    live = {0, last}
    for v in range(last, 0, -1):  # every source of v is before v, so v's own fate is known here
        if v in live:
            live.update(sums[v])
    origin = tuple(sorted(live))
    place = {v: k for k, v in enumerate(origin)}
    edges = sorted([((place[u], place[v]), count) for v in origin for u, count in sums[v].items()])
    graph = LabelledDag(
        (INPUT, *(raw.labels[v] for v in origin[1:-1]), OUTPUT),
        tuple([edge for edge, _ in edges]),
        tuple([count for _, count in edges]),
        None if raw.units is None else tuple(raw.units[v] for v in origin),
        None if raw.mass is None else tuple(raw.mass[v] for v in origin),
    )
    return Simplified(graph, origin)
