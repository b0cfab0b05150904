"""Canonical labelling: one form for all isomorphic graphs, and for no others.

Individualisation and refinement (McKay 1981, "Practical graph isomorphism"; McKay and Piperno 2014, section 2):

- colours start from what any isomorphism keeps (depth, label, units, mass) and are refined by the multisets of the
  neighbours' colours until nothing changes; often every node has a colour of its own by then and the order of the
  colours is the canonical order;
- if not, a node of the smallest shared colour is made different from the others, the colours are refined again, and
  so on down to a leaf; every node of that colour is tried, and the leaf with the smallest (traces, edges) is the
  canonical one;
- two leaves with equal edges are an automorphism: nodes that one maps onto another have equal subtrees, so only one
  of them is tried.

A hash of neighbourhoods stops after the first step, which does not tell regular graphs apart. The form is exact for
every graph. The worst case is exponential, as for every known method of this kind, but only on graphs built for it; the
largest cells and sequences take milliseconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bonanza.spaces.graph import LabelledDag, Neighbours

Colours = tuple[int, ...]
"""For each node its colour; colours are 0, 1, .. in an order that isomorphic graphs share."""
Trace = tuple[Any, ...]
"""What a refinement saw, in terms of colours only: equal for nodes that an automorphism maps onto each other."""


def canonical_form(graph: LabelledDag) -> LabelledDag:
    """The isomorphic graph in canonical order: equal for two graphs exactly when they are isomorphic.

    Counts, units and mass are part of what must agree. Node 0 and the last node stay what they are, and the order is
    topological again.
    """
    return graph.reordered(canonical_order(graph))


def canonical_order(graph: LabelledDag) -> list[int]:
    """The nodes in canonical order."""
    before, after = graph.predecessors(), graph.successors()
    colours = _ranked(_initial_keys(graph, before))
    last = len(colours) - 1
    if max(colours) < last:  # else every node has a colour of its own, and refining would keep them in order
        colours, _ = _refined(colours, before, after)
    if max(colours) == last:
        return _order(colours)
    return _Search(graph, before, after).run(colours)


def _initial_keys(graph: LabelledDag, before: Neighbours) -> list[tuple[Any, ...]]:
    """What is compared first: the role, the longest path from a source (so the order is topological), the values."""
    depth: list[int] = []
    for sources in before:
        depth.append(1 + max((depth[u] for u, _ in sources), default=-1))
    last = len(graph.labels) - 1
    units, mass = graph.units or (0,) * (last + 1), graph.mass or (0,) * (last + 1)
    return [((v > 0) + (v == last), depth[v], graph.labels[v], units[v], mass[v]) for v in range(last + 1)]


def _ranked(keys: Iterable[Any]) -> Colours:
    """Equal keys to equal colours, smaller keys to smaller ones."""
    keys = list(keys)
    rank = {key: colour for colour, key in enumerate(sorted(set(keys)))}
    return tuple([rank[key] for key in keys])


def _refined(colours: Colours, before: Neighbours, after: Neighbours) -> tuple[Colours, Trace]:
    """The coarsest finer colouring in which equal colours see equal multisets of colours, and its trace."""
    while True:
        keys = [
            (
                colour,
                tuple(sorted([(colours[u], count) for u, count in before[v]])),
                tuple(sorted([(colours[w], count) for w, count in after[v]])),
            )
            for v, colour in enumerate(colours)
        ]
        finer = _ranked(keys)
        if max(finer) == max(colours):
            return finer, tuple(sorted(keys))
        colours = finer


def _order(colours: Colours) -> list[int]:
    return sorted(range(len(colours)), key=colours.__getitem__)


@dataclass(slots=True)
class _Branch:
    """A node of the search tree whose children are tried: a colouring, and the graph nodes to make different in it."""

    colours: Colours
    untried: list[int]
    trace: Trace
    tried: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A colouring with a colour for each node, and how the search came there: nodes made different, traces met."""

    order: list[int]
    path: list[int]
    traces: list[Trace]
    edges: list[tuple[int, int, int]]


class _Search:
    """Depth first, on a stack of its own, so that no graph is too deep for the interpreter's."""

    def __init__(self, graph: LabelledDag, before: Neighbours, after: Neighbours) -> None:
        self._before, self._after = before, after
        self._edges = [(u, v, count) for (u, v), count in zip(graph.edges, graph.counts, strict=True)]
        self._automorphisms: list[list[int]] = []
        self._first: _Leaf | None = None
        self._best: _Leaf | None = None

    def run(self, colours: Colours) -> list[int]:
        """The order of the canonical leaf."""
        stack: list[_Branch] = []
        self._descend(stack, colours, ())
        while stack:
            branch = stack[-1]
            if not branch.untried:
                stack.pop()
                continue
            v = branch.untried.pop()
            if self._is_image(v, branch.tried, fixed=[above.tried[-1] for above in stack[:-1]]):
                continue
            branch.tried.append(v)
            parted = _ranked([(colour, u != v) for u, colour in enumerate(branch.colours)])
            self._descend(stack, *_refined(parted, self._before, self._after))
        assert self._best is not None, "the first descent ends in a leaf"
        return self._best.order

    def _descend(self, stack: list[_Branch], colours: Colours, trace: Trace) -> None:
        """Open the search-tree node with these colours: push its branch, weigh its leaf, or leave it."""
        traces = [branch.trace for branch in stack] + [trace]
        if self._best is not None and traces > self._best.traces[: len(traces)]:
            return
        colours, cell = self._target(colours)
        if cell:
            stack.append(_Branch(colours, cell[::-1], trace))
            return
        edges = sorted([(colours[u], colours[v], count) for u, v, count in self._edges])
        leaf = _Leaf(_order(colours), [branch.tried[-1] for branch in stack], traces, edges)
        for other in (self._first, self._best):
            if other is not None and other.edges == leaf.edges and other.traces == leaf.traces:
                self._remember(other, leaf, stack)
                return
        if self._first is None:
            self._first = leaf
        if self._best is None or (leaf.traces, leaf.edges) < (self._best.traces, self._best.edges):
            self._best = leaf

    def _remember(self, other: _Leaf, leaf: _Leaf, stack: list[_Branch]) -> None:
        """Keep the automorphism between two equal leaves; go back to where they parted: the rest there is an image."""
        image = [0] * len(leaf.order)
        for u, v in zip(other.order, leaf.order, strict=True):
            image[u] = v
        self._automorphisms.append(image)
        shared = next(k for k, (u, v) in enumerate(zip(other.path, leaf.path, strict=True)) if u != v)
        del stack[shared + 1 :]

    def _is_image(self, v: int, tried: list[int], *, fixed: list[int]) -> bool:
        """Whether automorphisms that fix the nodes made different above map a node that was tried onto ``v``."""
        maps = [image for image in self._automorphisms if all(image[u] == u for u in fixed)]
        if not tried or not maps:
            return False
        reached, fresh = set(tried), list(tried)
        while fresh:
            u = fresh.pop()
            for image in maps:
                if image[u] not in reached:
                    reached.add(image[u])
                    fresh.append(image[u])
        return v in reached

    def _target(self, colours: Colours) -> tuple[Colours, list[int]]:
        """The colours with all twins parted, and the nodes of the smallest colour that is still shared; [] at a leaf.

        Twins have the same sources and the same targets. Any order of theirs gives the same edges, so none of the
        others is tried.
        """
        cells: dict[int, list[int]] = defaultdict(list)
        for v, colour in enumerate(colours):
            cells[colour].append(v)
        keys = [(colour, 0) for colour in colours]
        apart: list[tuple[int, int]] = []
        for colour, nodes in cells.items():
            if len(nodes) > 1 and not self._are_twins(nodes):
                apart.append((len(nodes), colour))
                continue
            for k, v in enumerate(nodes):
                keys[v] = (colour, k)
        return _ranked(keys), cells[min(apart)[1]] if apart else []

    def _are_twins(self, nodes: list[int]) -> bool:
        u = nodes[0]
        return all(self._before[v] == self._before[u] and self._after[v] == self._after[u] for v in nodes[1:])
