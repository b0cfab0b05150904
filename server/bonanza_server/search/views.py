"""Views of an architecture, as sparse vectors: what stands where, which op sequences are computed, how much of each op, how it is wired.

No one of them is enough. By positions alone two spellings of one idea are strangers; by paths alone a shared node is not seen; by
counts alone the wiring is not. A Gaussian process that adds one kernel a view (``surrogates.gaussian_process``) learns which of them
matters. All are read off ``space.graph`` and ``space.cost``, so a space of any family has them.

positions   ("op", v, l): raw node v has the label l, or "" where it is dead; ("edge", u, v): both are live, in spaces whose wiring varies
paths       (op, op, ..): how many paths of the simplified graph, identities contracted, carry these labels from input to output
counts      (op,): how many live nodes of the simplified graph have this label; ("cost", k): logarithms of parameters and
            FLOPs, in which dead ops count where the published network has them
graf        k: the k-th neural graph feature (``graf``) of the graph without its dead parts, and of the simplified one
            where a space has identities; over the standard deviation of the feature in the space
wl          what ``weisfeiler_lehman`` counts in the graph without its dead parts: which ops feed which

Where paths are too many (they may be exponentially many) the runs of up to ``RUN`` ops along edges are counted instead. Numbers of
paths and of nodes enter as they are while they are small and as logarithms beyond.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture, LabelledDag, SearchSpace
from bonanza.spaces.simplification import simplify
from bonanza_server.search.graf import Graf
from bonanza_server.search.sparse import Row, code_of, dense
from bonanza_server.search.weisfeiler_lehman import relabelled

NAMES = ("positions", "paths", "counts", "graf", "wl")
MOST_SEQUENCES = 512
"""Distinct op sequences followed to any one node; beyond, runs are counted."""
RUN = 3
"""Ops in a run."""
MOST_POSITIONS = 512
"""Raw nodes and edges that are positions; those of larger graphs have no meaning that two graphs share."""
REFERENCE = 128
"""Cells drawn of a space to learn how far apart its cells are."""
LEAST_SPREAD = 0.2
"""Of a neural graph feature: those that hardly ever differ are not made to differ more."""


@dataclass(frozen=True)
class Graphs:
    """The graphs of an architecture that its views are read off: as it is, without what is dead, and without identities as well.

    ``origin`` are the nodes of the raw graph that are live.
    """

    architecture: Architecture
    raw: LabelledDag
    origin: frozenset[int]
    live: LabelledDag
    lean: LabelledDag


class Views:
    """The views of one space. ``labels`` are those of its live graphs; ``distances`` are the mean squared distances of two of its cells, by the view.

    These scales, those of the logarithms of the cost, which get the spread of the op counts, and those of the neural graph features are
    learned from ``REFERENCE`` samples: :func:`views_of` remembers them.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        rng = random.Random(0)  # the scales are facts of the space: no study's seed may change them
        cells = [space.sample(rng) for _ in range(REFERENCE)]
        known = [self.graphs(cell) for cell in cells]
        self.labels = sorted({label for graphs in known for label in graphs.live.labels})
        self._wired = any(graphs.raw.edges != known[0].raw.edges for graphs in known)
        self._graf = [Graf([graphs.live for graphs in known])]
        if space.identity_op is not None:
            self._graf.append(Graf([graphs.lean for graphs in known]))
        features = np.array([self._features(graphs) for graphs in known])
        self._spread = np.maximum(features.std(axis=0), LEAST_SPREAD)
        self._graf_codes = np.array([code_of(("graf", k)) for k in range(len(self._spread))], dtype=np.uint64)
        costs = np.array([self._logarithms(cell) for cell in cells]).T  # (0 or 2, REFERENCE)
        self._cost: tuple[tuple[float, float], ...] = ()
        counted = dense([self.row(graphs, "counts") for graphs in known])
        spread = float(np.mean(counted.std(axis=0)))
        self._cost = tuple((float(np.mean(one)), float(np.std(one)) / max(spread, 1e-3)) for one in costs)
        rows = {name: dense([self.row(graphs, name) for graphs in known]) for name in NAMES}
        self.distances = {
            name: max(2.0 * float(view.var(axis=0, dtype=np.float64).sum()), 1e-12) for name, view in rows.items()
        }

    def cost(self, architecture: Architecture) -> tuple[float, ...]:
        """The logarithms of parameters and FLOPs, centred, with the spread of the op counts; none where the space knows no cost, or all cells have one."""
        known = zip(self._logarithms(architecture), self._cost, strict=False)
        return tuple((value - mean) / std for value, (mean, std) in known if std > 0.0)

    def rows(self, architecture: Architecture, names: Sequence[str]) -> tuple[Row, ...]:
        """The views ``names`` of ``architecture``."""
        graphs = self.graphs(architecture)
        return tuple(self.row(graphs, name) for name in names)

    def row(self, graphs: Graphs, name: str) -> Row:
        """The view ``name``."""
        if name == "graf":
            return Row(self._graf_codes, (self._features(graphs) / self._spread).astype(np.float32))
        return Row.of(self.features(graphs, name))

    def features(self, graphs: Graphs, name: str) -> dict[Hashable, float]:
        """The view ``name``, unless that is "graf", by what each number is of."""
        if name == "paths":
            return {ops: damped(count) for ops, count in sequences(graphs.lean).items()}
        if name == "wl":
            return {feature: damped(count) for feature, count in relabelled(graphs.live).items()}
        return self._counts(graphs) if name == "counts" else self._positions(graphs)

    def graphs(self, architecture: Architecture) -> Graphs:
        """What the views of ``architecture`` are read off."""
        raw = self.space.graph(architecture)
        zero, identity = self.space.zero_op, self.space.identity_op
        live = simplify(raw, zero_op=zero, identity_op=None)
        lean = live if identity is None else simplify(live.graph, zero_op=zero, identity_op=identity)
        return Graphs(architecture, raw, frozenset(live.origin), live.graph, lean.graph)

    def _features(self, graphs: Graphs) -> NDArray[np.float64]:
        """The neural graph features of the live graph, and of the lean one where they may differ."""
        return np.concatenate(
            [graf.of(graph) for graf, graph in zip(self._graf, (graphs.live, graphs.lean), strict=False)]
        )

    def _counts(self, graphs: Graphs) -> dict[Hashable, float]:
        counts: dict[Hashable, float] = {
            (op,): damped(count) for op, count in Counter(graphs.lean.labels[1:-1]).items()
        }
        counts.update({("cost", k): value for k, value in enumerate(self.cost(graphs.architecture))})
        return counts

    def _positions(self, graphs: Graphs) -> dict[Hashable, float]:
        # Identities are live here: a skip is another choice than nothing.
        raw, origin = graphs.raw, graphs.origin
        row: dict[Hashable, float] = {
            ("op", v, raw.labels[v] if v in origin else ""): 1.0
            for v in range(1, min(len(raw.labels) - 1, MOST_POSITIONS))
        }
        if self._wired:
            row.update({("edge", u, v): 1.0 for u, v in raw.edges[:MOST_POSITIONS] if u in origin and v in origin})
        return row

    def _logarithms(self, architecture: Architecture) -> tuple[float, ...]:
        cost = self.space.cost(architecture)
        return () if cost is None else tuple(math.log(1 + number) for number in cost)


def views_of(space: SearchSpace) -> Views:
    """The views of ``space``; its scales take ``REFERENCE`` samples, once a process."""
    return _views_of(cast("Hashable", space))


@lru_cache(maxsize=16)
def _views_of(space: SearchSpace) -> Views:
    return Views(space)


@lru_cache(maxsize=8192)
def rows_of(architecture: Architecture, names: tuple[str, ...]) -> tuple[Row, ...]:
    """The views ``names`` of ``architecture``, remembered: a fit meets most cells of the fit before again."""
    return views_of(architecture.space).rows(architecture, names)


def damped(count: int) -> float:
    """``count`` up to 8, then growing like its logarithm; path counts of deep graphs have hundreds of digits."""
    return float(count) if count <= 8 else 8.0 * (1.0 + math.log(count) - math.log(8))


def sequences(graph: LabelledDag) -> Counter[tuple[str, ...]]:
    """How many paths of ``graph`` carry each sequence of labels from its input to its output, these two left out.

    Where more than ``MOST_SEQUENCES`` sequences meet in a node, how many walks along edges carry each run of 1 to ``RUN`` labels.
    """
    last = len(graph.labels) - 1
    reached: list[Counter[tuple[str, ...]]] = [Counter({(): 1})]
    for v, sources in enumerate(graph.predecessors()[1:], start=1):
        total: Counter[tuple[str, ...]] = Counter()
        for u, count in sources:
            for ops, times in reached[u].items():
                total[ops if v == last else (*ops, graph.labels[v])] += times * count
        if len(total) > MOST_SEQUENCES or any(len(ops) > MOST_SEQUENCES for ops in total):
            return runs(graph)
        reached.append(total)
    return reached[last]


def runs(graph: LabelledDag) -> Counter[tuple[str, ...]]:
    """How many walks along edges of ``graph`` carry each run of 1 to ``RUN`` labels, input and output left out."""
    ending: list[Counter[tuple[str, ...]]] = [
        Counter()
    ]  # at each node, the runs of fewer than RUN labels that end there
    found: Counter[tuple[str, ...]] = Counter()
    for v, sources in enumerate(graph.predecessors()[1:-1], start=1):
        label = graph.labels[v]
        total: Counter[tuple[str, ...]] = Counter({(label,): 1})
        for u, count in sources:
            for ops, times in ending[u].items():
                total[(*ops, label)] += times * count
        found.update(total)
        ending.append(Counter({ops: times for ops, times in total.items() if len(ops) < RUN}))
    return found
