"""Views of an architecture, as sparse vectors: what stands where, which op sequences are computed, how much of each op, how it is wired.

No one of them is enough. By positions alone two spellings of one idea are strangers; by paths alone a shared node is not seen; by
counts alone the wiring is not. A Gaussian process that adds one kernel a view (``surrogates.gaussian_process``) learns which of them
matters. All are read off ``space.graph`` and ``space.cost``, so a space of any family has them.

positions   ("op", v, l): raw node v has the label l, or "" where it is dead; ("edge", u, v): both are live, in spaces whose wiring varies
paths       (op, op, ..): how many paths of the simplified graph, identities contracted, carry these labels from input to output
counts      (op,): how many live nodes of the simplified graph have this label; ("cost", k): logarithms of parameters and
            FLOPs, in which dead ops count where the published network has them
graf        ("live" or "lean", k): the k-th neural graph feature (``graf``) of the graph without its dead parts, and of the simplified one
            where a space has identities; over the standard deviation of the feature in the space
wl          what ``weisfeiler_lehman`` counts in the graph without its dead parts: which ops feed which

Where paths are too many (they may be exponentially many) the runs of up to ``RUN`` ops along edges are counted instead. Numbers of
paths and of nodes enter as they are while they are small and as logarithms beyond.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture, LabelledDag, SearchSpace
from bonanza.spaces.simplification import Simplified, simplify
from bonanza_server.search.graf import Graf
from bonanza_server.search.weisfeiler_lehman import relabelled

Rows = NDArray[np.float32]
Row = Mapping[Hashable, float]

NAMES = ("positions", "paths", "counts", "graf", "wl")
MOST_SEQUENCES = 512
"""Distinct op sequences followed to any one node; beyond, runs are counted."""
RUN = 3
"""Ops in a run."""
MOST_POSITIONS = 512
"""Raw nodes and edges that are positions; those of larger graphs have no meaning that two graphs share."""
WIDTH = 2048
"""Columns of a dense view; more features share columns."""
NARROW = 512
"""Columns of a view of neighbourhoods in a space that is not listed: of its thousands of kinds a cell has some tens, and a batch reads every column for every proposal."""
REFERENCE = 128
"""Cells drawn of a space to learn how far apart its cells are."""
LEAST_SPREAD = 0.2
"""Of a neural graph feature: those that hardly ever differ are not made to differ more."""


@dataclass(frozen=True)
class Features:
    """The views of one architecture, features to values. Paths and neighbourhoods may be hundreds: they are counted where somebody reads them."""

    live: LabelledDag
    lean: LabelledDag
    positions: Row
    counts: Row
    graf: Row

    @property
    def paths(self) -> Row:
        """From the input of the simplified graph to its output."""
        return {ops: damped(count) for ops, count in sequences(self.lean).items()}

    @property
    def wl(self) -> Row:
        """Of the live graph."""
        return {feature: damped(count) for feature, count in relabelled(self.live).items()}


class Views:
    """The views of one space. ``distances`` are the mean squared distances of two of its cells, by the view.

    These scales, those of the logarithms of the cost, which get the spread of the op counts, and those of the neural graph features are
    learned from ``REFERENCE`` samples: :func:`views_of` remembers them.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        rng = random.Random(0)  # the scales are facts of the space: no study's seed may change them
        cells = [space.sample(rng) for _ in range(REFERENCE)]
        graphs = [space.graph(cell) for cell in cells]
        self._wired = any(graph.edges != graphs[0].edges for graph in graphs)
        self._cost: tuple[tuple[float, float], ...] = ()
        self._graf: dict[str, tuple[Graf, NDArray[np.float64]]] = {}
        pruned = dict(zip(("live", "lean"), zip(*map(self._pruned, graphs), strict=True), strict=True))
        for name in ("live", "lean") if space.identity_op is not None else ("live",):
            graf = Graf([one.graph for one in pruned[name]])
            deviations = np.array([graf.of(one.graph) for one in pruned[name]]).std(axis=0)
            self._graf[name] = graf, np.maximum(deviations, LEAST_SPREAD)
        features = [self.features(cell) for cell in cells]
        costs = np.array([self._logarithms(cell) for cell in cells]).T  # (0 or 2, REFERENCE)
        spread = float(np.mean([np.std(column) for column in dense([one.counts for one in features]).T] or [1.0]))
        self._cost = tuple((float(np.mean(one)), float(np.std(one)) / max(spread, 1e-3)) for one in costs)
        features = [self.features(cell) for cell in cells]
        rows = {name: dense([getattr(one, name) for one in features]) for name in NAMES}
        self.distances = {
            name: max(2.0 * float(view.var(axis=0, dtype=np.float64).sum()), 1e-12) for name, view in rows.items()
        }

    def features(self, architecture: Architecture) -> Features:
        """The views of ``architecture``."""
        raw = self.space.graph(architecture)
        live, lean = self._pruned(raw)
        counts: dict[Hashable, float] = {(op,): damped(count) for op, count in Counter(lean.graph.labels[1:-1]).items()}
        for k, (value, (mean, std)) in enumerate(zip(self._logarithms(architecture), self._cost, strict=False)):
            if std > 0.0:
                counts["cost", k] = (value - mean) / std
        graf: dict[Hashable, float] = {}
        for name, pruned in (("live", live), ("lean", lean)):
            if name in self._graf:
                graf_of, spread = self._graf[name]
                values = (graf_of.of(pruned.graph) / spread).tolist()
                graf.update({(name, k): value for k, value in enumerate(values) if value})
        return Features(live.graph, lean.graph, self._positions(raw, set(live.origin)), counts, graf)

    def _pruned(self, raw: LabelledDag) -> tuple[Simplified, Simplified]:
        """Without what is dead, and without identities as well."""
        zero, identity = self.space.zero_op, self.space.identity_op
        live = simplify(raw, zero_op=zero, identity_op=None)
        return live, live if identity is None else simplify(raw, zero_op=zero, identity_op=identity)

    def _positions(self, raw: LabelledDag, live: set[int]) -> Row:
        # Identities are live here: a skip is another choice than nothing.
        row: dict[Hashable, float] = {
            ("op", v, raw.labels[v] if v in live else ""): 1.0
            for v in range(1, min(len(raw.labels) - 1, MOST_POSITIONS))
        }
        if self._wired:
            row.update({("edge", u, v): 1.0 for u, v in raw.edges[:MOST_POSITIONS] if u in live and v in live})
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
def features_of(architecture: Architecture) -> Features:
    """The views of ``architecture``, remembered: a fit meets most cells of the fit before again."""
    return views_of(architecture.space).features(architecture)


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


def dense(rows: Sequence[Row], *, width: int = WIDTH) -> Rows:
    """The rows as a matrix, (n, d), d at most ``width``: a column for each feature in the order they are met, then shared ones.

    Features that share a column are added with signs of their own, which leaves distances right on average (Weinberger et al. 2009,
    "Feature hashing").
    """
    width = min(width, WIDTH)
    columns: dict[Hashable, int] = {}
    for row in rows:
        if len(columns) < width and not row.keys() <= columns.keys():
            for feature in row:
                if len(columns) < width:
                    columns.setdefault(feature, len(columns))
    matrix = np.zeros((len(rows), max(1, len(columns))), dtype=np.float32)
    for line, row in zip(matrix, rows, strict=True):
        if row.keys() <= columns.keys():
            places = np.fromiter(map(columns.__getitem__, row), np.intp, len(row))
            line[places] = np.fromiter(row.values(), np.float32, len(row))
            continue
        for feature, value in row.items():
            column = columns.get(feature)
            if column is None:
                code = crc32(repr(feature).encode())
                line[code % width] += value if code >> 31 else -value
            else:
                line[column] += value
    return matrix
