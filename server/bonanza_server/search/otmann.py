"""OTMANN: how far two networks are apart, as the cost of moving the computation of one into the other's layers.

Kandasamy et al. 2018, "Neural architecture search with Bayesian optimisation and optimal transport" (arXiv 1802.07191), section 3 and appendix A.
The transport problem is solved exactly, by POT's network simplex. A pseudo-distance: symmetric, never negative, 0 for isomorphic networks.

Notation
    i, j        layers of the two networks, with masses m_i, m_j that add up to T_1, T_2
    Z           how much of i is matched to j; of layers at most their mass
    M, S        how unlike two layers' ops are (``op_tables``), and their places: the mean difference of their ``path_lengths`` (i, j)
    c, s        coefficients of M and S; the paper's are (1, 0.1), (1, 0.25), (1, 0.61), (1, 1.5): four distances
    p           what a unit of mass costs that is left unmatched
    d           min over Z of sum Z_ij (c p M_ij + s S_ij) + p (T_1 - sum Z) + p (T_2 - sum Z)
    dbar        d / (T_1 + T_2)

The original forbids a match of unlike ops by a cost of 765,432 and solves with a null layer in each network. A match that costs more than the 2 p of leaving
both sides unmatched is in no optimum, so here every cost is cut to 2 p: the same minimum, of better conditioned numbers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from ot.lp.emd_wrap import emd_c  # not ot.emd, which is this behind checks that cost twice as much

from bonanza.spaces import LabelledDag
from bonanza.spaces.graph import graph_id
from bonanza_server.search.op_tables import UNLIKE, OpTable, masses, table_of
from bonanza_server.search.path_lengths import path_lengths

Array = NDArray[np.float64]

COEFFICIENTS = ((1.0, 0.1), (1.0, 0.25), (1.0, 0.61), (1.0, 1.5))
STRUCTURES: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "sqrt": np.sqrt,
    "log": np.log1p,
    "square": np.square,
}
"""What a difference of two path lengths counts as."""
KEPT_GRAPHS = 10_000
KEPT_PAIRS = 200_000
"""Distances that are remembered, the ones used last: some 60 MB."""
ITERATIONS = 100_000
OPTIMAL = 1
"""POT's result code."""


class Otmann(NamedTuple):
    """The distance and the normalised one, for each pair of coefficients along the last axis."""

    d: Array
    dbar: Array


@dataclass(frozen=True)
class Penalties:
    """What a match costs; the defaults are the original's.

    Attributes:
        coefficients: Pairs (c, s), none of them negative; each makes a distance of its own.
        nonassignment: p, greater than 0.
        structure: What a difference of two path lengths counts as: ``linear``, ``sqrt``, ``log`` (of 1 more), ``square``.
        table: What ops are taken for; None: by the graphs (``op_tables.table_of``).
    """

    coefficients: tuple[tuple[float, float], ...] = COEFFICIENTS
    nonassignment: float = 1.0
    structure: str = "linear"
    table: OpTable | None = None

    def __post_init__(self) -> None:
        if not self.coefficients or not all(c >= 0.0 and s >= 0.0 for c, s in self.coefficients):
            raise ValueError(f"coefficients must be one or more pairs of numbers from 0, not {self.coefficients}")
        if not self.nonassignment > 0.0:
            raise ValueError(f"nonassignment must be greater than 0, not {self.nonassignment}")
        if self.structure not in STRUCTURES:
            raise ValueError(f"structure must be one of {', '.join(STRUCTURES)}, not {self.structure!r}")


PAPER = Penalties()


@dataclass(frozen=True, eq=False)
class Layers:
    """What the transport problem reads of a network of n layers; ``lengths`` (n, L), ``key`` names it among all."""

    key: str
    table: OpTable
    ops: tuple[str, ...]
    mass: Array
    lengths: Array
    total: float


@lru_cache(maxsize=KEPT_GRAPHS)
def layers_of(graph: LabelledDag, table: OpTable | None) -> Layers:
    """The layers of ``graph``; kept, because a search compares each network with hundreds."""
    table = table or table_of(graph)
    mass = np.array(masses(graph, table), dtype=np.float64)
    ops = tuple(table.op(label) for label in graph.labels)
    return Layers(graph_id(graph), table, ops, mass, path_lengths(graph, table), float(mass.sum()))


def distance(a: LabelledDag, b: LabelledDag, penalties: Penalties = PAPER) -> Otmann:
    """The distances of two networks; (coefficients,) each.

    Raises:
        ValueError: the networks have no table in common (a CNN and an MLP, say), or no masses.
    """
    d, dbar = distances([a], [b], penalties)
    return Otmann(d[0, 0], dbar[0, 0])


def distances(a: Sequence[LabelledDag], b: Sequence[LabelledDag], penalties: Penalties = PAPER) -> Otmann:
    """The distances of each network of ``a`` to each of ``b``; (n, m, coefficients) each. Some 0.1 ms a pair that is not remembered.

    A pair is remembered by its graphs as they are given: give canonical ones, and equal networks are looked up, not solved again.

    Raises:
        ValueError: as for ``distance``.
    """
    rows = [layers_of(graph, penalties.table) for graph in a]
    columns = [layers_of(graph, penalties.table) for graph in b]
    tables = {layers.table for layers in (*rows, *columns)}
    if len(tables) > 1:
        raise ValueError(f"networks of the tables {', '.join(sorted(each.name for each in tables))} cannot be compared")
    d = np.zeros((len(rows), len(columns), len(penalties.coefficients)))
    memory = _memory(penalties)
    for i, row in enumerate(rows):
        missing: dict[tuple[str, str], list[int]] = {}
        for j, column in enumerate(columns):
            if row.key == column.key:
                continue
            key = (row.key, column.key) if row.key < column.key else (column.key, row.key)
            known = memory.get(key)
            if known is None:
                missing.setdefault(key, []).append(j)
            else:
                d[i, j] = known
        others = [columns[places[0]] for places in missing.values()]
        for (key, places), solved in zip(missing.items(), _solve(row, others, penalties), strict=True):
            memory.put(key, solved)
            d[i, places] = solved
    totals = np.add.outer([layers.total for layers in rows], [layers.total for layers in columns])
    return Otmann(d, d / totals[:, :, None])


def _solve(one: Layers, others: Sequence[Layers], penalties: Penalties) -> list[Array]:
    """D of a network and each of the others, (coefficients,) each."""
    if not others:
        return []
    structural = _structural(one.lengths, np.concatenate([other.lengths for other in others]), penalties.structure)
    unlike = penalties.nonassignment * _unlike(one, [op for other in others for op in other.ops])
    forbidden = np.isinf(unlike)
    unlike[forbidden] = 0.0  # not c times infinity, which is nan for c = 0
    most = 2.0 * penalties.nonassignment
    costs = [
        np.where(forbidden, most, np.minimum(c * unlike + s * structural, most)) for c, s in penalties.coefficients
    ]
    stacked = np.stack(costs)
    found, first = [], 0
    for other in others:
        last = first + len(other.ops)
        found.append(_transport(one, other, stacked[:, :, first:last], penalties.nonassignment))
        first = last
    return found


def _structural(one: Array, others: Array, structure: str) -> Array:
    """S; (layers of one, layers of all others)."""
    if structure == "linear":
        total = torch.cdist(torch.from_numpy(one), torch.from_numpy(others), p=1.0).numpy()
        return np.asarray(total / one.shape[1])
    return np.stack([STRUCTURES[structure](np.abs(row - others)).mean(axis=1) for row in one])


def _unlike(one: Layers, ops: Sequence[str]) -> Array:
    """M; (layers of one, ops)."""
    table = one.table
    places = {op: k for k, op in enumerate(dict.fromkeys(ops))}
    of_kind: dict[str, list[str]] = {}  # a sequence has thousands of ops, nearly all of a kind of their own
    for op in places:
        of_kind.setdefault(table.kind(op), []).append(op)
    own = {op: k for k, op in enumerate(dict.fromkeys(one.ops))}
    found = np.full((len(own), len(places)), UNLIKE)
    for op, k in own.items():
        for other in of_kind.get(table.kind(op), ()):
            found[k, places[other]] = table.unlike(op, other)
    return np.asarray(found[np.ix_([own[op] for op in one.ops], [places[op] for op in ops])])


def _transport(one: Layers, other: Layers, costs: Array, nonassignment: float) -> Array:
    """D for each matrix of ``costs``, (C, n, m). Solved the same way round whoever is asked of first, so that it is symmetric to the bit."""
    if one.key > other.key:
        one, other, costs = other, one, costs.transpose(0, 2, 1)
    total = one.total + other.total
    a = np.concatenate((one.mass, (other.total,))) / total  # with the null layer
    b = np.concatenate((other.mass, (one.total,))) / total
    b *= a.sum() / b.sum()
    full = np.full((len(a), len(b)), nonassignment)
    full[-1, -1] = 0.0
    found = np.empty(len(costs))
    for k, cost in enumerate(costs):
        full[:-1, :-1] = cost
        _, found[k], _, _, code = emd_c(a, b, full, ITERATIONS, 1)
        if code != OPTIMAL:
            raise RuntimeError(f"the transport problem of {one.key} and {other.key} was not solved: POT's code {code}")
    return np.asarray(np.maximum(found, 0.0) * total)


class _Memory:
    """The distances used last, for threads too."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Array] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> Array | None:
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def put(self, key: tuple[str, str], value: Array) -> None:
        with self._lock:
            self._known[key] = value
            if len(self._known) > KEPT_PAIRS:
                self._known.popitem(last=False)


@lru_cache(maxsize=2)
def _memory(penalties: Penalties) -> _Memory:  # noqa: ARG001 - the key: distances of other penalties are others
    return _Memory()
