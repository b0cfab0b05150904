"""One round of Weisfeiler and Lehman's relabelling (Shervashidze et al. 2011, section 3; Ru et al. 2021, NAS-BOWL, arXiv 2006.07556): which ops feed which.

Notation
    pair    (label of v, label of w) for an edge (v, w), as often as it is added
    fed     the label of a node with the multiset of the labels that feed it
    feeds   the label of a node with the multiset of the labels that it feeds

Deviations from NAS-BOWL: the labels of round 0 are not counted here (``views`` counts ops), a round is read along the edges and another one against them,
and the pairs are counted too, which two nodes share where not all of their neighbours are alike. A second round tells nearly every cell from
every other: measured on NAS-Bench-101 it adds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from bonanza.spaces import LabelledDag


def relabelled(graph: LabelledDag) -> Counter[Hashable]:
    """How often ``graph`` has each pair, each fed and each feeds."""
    found: Counter[Hashable] = Counter()
    for (v, w), count in zip(graph.edges, graph.counts, strict=True):
        found["pair", graph.labels[v], graph.labels[w]] += count
    for name, neighbours in (("fed", graph.predecessors()), ("feeds", graph.successors())):
        found.update(
            (name, label, _labels(graph, around)) for label, around in zip(graph.labels, neighbours, strict=True)
        )
    return found


def _labels(graph: LabelledDag, around: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
    return tuple(sorted(graph.labels[v] for v, count in around for _ in range(count)))
