"""OTMANN against the original's distances, against POT's own entry point, and against what a distance of networks must keep to."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonanza.spaces import Architecture, LabelledDag, space_from_spec
from bonanza.spaces.layer_examples import blocked_cnn, vgg
from bonanza.spaces.layer_network import Network
from bonanza_server.search import otmann
from bonanza_server.search.op_tables import CELL, CNN, MLP, UNLIKE, masses
from bonanza_server.search.otmann import Penalties, distance, distances
from bonanza_server.search.path_lengths import path_lengths
from tests.strategies import dags, generators, shuffled

CNNS = space_from_spec({"kind": "layer_graph", "flavour": "cnn"})
MLPS = space_from_spec({"kind": "layer_graph", "flavour": "mlp"})
NB201 = space_from_spec({"kind": "nasbench201"})
OPS = ("conv3x3", "sep_conv_5x5", "max_pool_3x3", "tanh", "other")


def graph_of(network: Network) -> LabelledDag:
    return CNNS.canonical(Architecture(CNNS, network))


VGG1, VGG2, BLOCKED, RESIDUAL = map(graph_of, (vgg(1), vgg(2), blocked_cnn(3, 2), blocked_cnn(3, 2, op="res3")))


@pytest.mark.parametrize(
    ("one", "other", "d", "dbar"),
    [
        (VGG1, VGG1, (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)),
        (VGG1, VGG2, (469999.296, 504073.44, 585851.3856, 788024.64), (0.446324, 0.478681, 0.556340, 0.748329)),
        (VGG1, BLOCKED, (138690.742, 174084.022, 259027.894, 467881.92), (0.282573, 0.354685, 0.527752, 0.953278)),
        (BLOCKED, RESIDUAL, (13107.2,) * 4, (0.0348722,) * 4),
    ],
    ids=["itself", "vgg", "vgg and blocks", "blocks and residual blocks"],
)
def test_the_distances_of_the_originals_networks_are_the_originals(
    one: LabelledDag, other: LabelledDag, d: tuple[float, ...], dbar: tuple[float, ...]
) -> None:
    found = distance(one, other)
    assert found.d == pytest.approx(np.array(d), rel=1e-6)
    assert found.dbar == pytest.approx(np.array(dbar), rel=2e-6)


def by_pot(a: LabelledDag, b: LabelledDag, c: float, s: float) -> float:
    """The problem as the paper writes it: costs of unlike ops not cut but huge, solved by ``ot.emd2``."""
    table = otmann.table_of(a)
    one, other = path_lengths(a, table), path_lengths(b, table)
    structural = np.abs(one[:, None] - other[None]).mean(axis=2)
    unlike = np.array([[table.unlike(table.op(x), table.op(y)) for y in b.labels] for x in a.labels])
    cost = np.ones((len(a.labels) + 1, len(b.labels) + 1))
    cost[:-1, :-1] = np.where(np.isinf(unlike), 7.65432e5, c * np.where(np.isinf(unlike), 0.0, unlike) + s * structural)
    cost[-1, -1] = 0.0
    x, y = np.array(masses(a, table)), np.array(masses(b, table))
    total = x.sum() + y.sum()
    return float(ot.emd2(np.append(x, y.sum()) / total, np.append(y, x.sum()) / total, cost)) * total


@settings(max_examples=25, deadline=None)
@given(space=st.sampled_from([CNNS, MLPS, NB201]), rng=generators())
def test_cutting_the_costs_leaves_the_minimum_that_pot_finds(space: object, rng: random.Random) -> None:
    one, other = (space.canonical(space.sample(rng)) for _ in range(2))  # type: ignore[attr-defined]
    found = distance(one, other)
    for (c, s), d in zip(otmann.COEFFICIENTS, found.d, strict=True):
        assert d == pytest.approx(by_pot(one, other, c, s), rel=1e-6, abs=1e-6)


def relabelled(graph: LabelledDag, seed: int) -> LabelledDag:
    rng = random.Random(seed)
    return replace(graph, labels=("input", *(rng.choice(OPS) for _ in graph.labels[1:-1]), "output"))


@settings(max_examples=60, deadline=None)
@given(
    a=dags(),
    b=dags(),
    seed=st.integers(0, 2**32),
    structure=st.sampled_from(["linear", "sqrt", "log", "square"]),
    nonassignment=st.sampled_from([0.3, 1.0]),
)
def test_distances_are_symmetric_bounded_and_blind_to_the_order_of_nodes(
    a: LabelledDag, b: LabelledDag, seed: int, structure: str, nonassignment: float
) -> None:
    a, b, rng = relabelled(a, seed), relabelled(b, seed + 1), random.Random(seed)
    penalties = Penalties(structure=structure, nonassignment=nonassignment)
    found = distance(a, b, penalties)
    back = distance(b, a, penalties)
    assert np.array_equal(found.d, back.d)
    assert np.all(found.d >= 0.0)
    assert np.all(found.dbar <= nonassignment * (1.0 + 1e-9))  # all unmatched is one of the plans
    assert np.all(np.diff(found.d) >= -1e-9)  # a place counts for more from each coefficient to the next
    moved = distance(shuffled(a, rng), shuffled(b, rng), penalties)
    assert moved.d == pytest.approx(found.d, abs=1e-9)
    assert distance(a, shuffled(a, rng), penalties).d == pytest.approx(np.zeros(4), abs=1e-9)


def test_a_batch_is_its_pairs_remembered_or_not() -> None:
    rng = random.Random(0)
    some = [CNNS.canonical(CNNS.sample(rng)) for _ in range(6)]
    otmann._memory.cache_clear()
    batch = distances(some, [*some[2:], some[2]])
    assert batch.d.shape == (6, 5, 4)
    again = distances(some, [*some[2:], some[2]])
    assert np.array_equal(batch.d, again.d)
    for i, one in enumerate(some):
        for j, other in enumerate([*some[2:], some[2]]):
            otmann._memory.cache_clear()
            assert np.array_equal(distance(one, other).d, batch.d[i, j])
            assert np.array_equal(distance(one, other).dbar, batch.dbar[i, j])


def test_no_more_pairs_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otmann, "KEPT_PAIRS", 7)
    memory = otmann._Memory()
    for k in range(20):
        memory.put(("a", str(k)), np.zeros(4))
        memory.get(("a", "0"))
    assert memory.get(("a", "0")) is not None
    assert memory.get(("a", "5")) is None
    assert sum(memory.get(("a", str(k))) is not None for k in range(20)) == 7


def test_path_lengths_count_the_edges_that_leave_a_layer_of_the_group() -> None:
    """A pool beside two convolutions in a row: from the input, the walk takes each branch half of the time."""
    graph = LabelledDag(("input", "conv3x3", "conv3x3", "max_pool", "output"), ((0, 1), (0, 3), (1, 2), (2, 4), (3, 4)))
    onward = path_lengths(graph, CELL)[0, :12].reshape(3, 4)  # of the input; all, convolution, pool, activation
    assert onward.tolist() == [[2.0, 0.0, 0.0, 0.0], [3.0, 2.0, 1.0, 0.0], [2.5, 1.0, 0.5, 0.0]]
    back = path_lengths(graph, CELL)[4, 12:].reshape(3, 4)
    assert back.tolist() == onward.tolist()
    twice = LabelledDag(graph.labels, graph.edges, (1, 3, 1, 1, 1))
    assert path_lengths(twice, CELL)[0, 8] == pytest.approx((3.0 + 3 * 2.0) / 4)


@pytest.mark.parametrize(
    ("table", "one", "other", "mismatch"),
    [
        (CNN, "conv3", "conv5", 0.2),
        (CNN, "conv3", "conv7", 0.282843),
        (CNN, "conv3", "res3", 0.1),
        (CNN, "conv3", "res5", 0.28),
        (CNN, "res7", "conv3", 0.354558),
        (CNN, "max-pool", "avg-pool", 0.5),
        (CNN, "conv3", "fc", UNLIKE),
        (MLP, "relu", "elu", 0.1),
        (MLP, "logistic", "tanh", 0.1),
        (MLP, "relu", "tanh", 0.25),
        (MLP, "relu", "linear", UNLIKE),
        (CELL, "nor_conv_1x1", "nor_conv_3x3", 0.2),
        (CELL, "sep_conv_3x3", "dil_conv_3x3", 0.1),
        (CELL, "conv1x1-bn-relu", "conv3x3-bn-relu", 0.2),
        (CELL, "max_pool_3x3", "avg_pool_3x3", 0.5),
        (CELL, "tanh", "sigmoid", 0.1),
        (CELL, "tanh", "relu", 0.25),
        (CELL, "nor_conv_3x3", "avg_pool_3x3", UNLIKE),
        (CELL, "p0=conv3", "p1=conv3", UNLIKE),
        (CELL, "a", "b", UNLIKE),
    ],
)
def test_how_unlike_two_ops_are(table: otmann.OpTable, one: str, other: str, mismatch: float) -> None:
    assert table.unlike(one, other) == pytest.approx(mismatch, abs=5e-6)
    assert table.unlike(other, one) == table.unlike(one, other)
    assert table.unlike(one, one) == 0.0


def test_the_ops_of_a_cell_weigh_what_they_cost() -> None:
    labels = ("nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3", "sep_conv_3x3", "dil_conv_5x5", "concat", "a")
    graph = LabelledDag(("input", *labels, "output"), ())
    found = masses(graph, CELL)
    assert found[1:-1] == pytest.approx((9.0, 1.0, 0.5, 2 * (9 / 16 + 1), 25 / 16 + 1, 0.25, 1.0))
    assert found[0] == found[-1] == pytest.approx(sum(found[1:-1]) / 10)
    assert masses(LabelledDag(("input", "output"), ()), CELL) == (1.0, 1.0)


def test_a_table_of_ones_own_takes_the_place_of_the_papers() -> None:
    alike = replace(CNN, mismatch=lambda one, other: 0.0)
    none = distance(BLOCKED, RESIDUAL, Penalties(table=alike))
    assert none.d == pytest.approx(np.zeros(4), abs=1e-6)
    half = distance(BLOCKED, RESIDUAL, Penalties(coefficients=((0.5, 0.1),)))
    assert half.d == pytest.approx([13107.2 / 2])
    assert distance(VGG1, VGG2, Penalties(nonassignment=2.0)).d[0] > 469999.296


def test_what_cannot_be_compared_is_refused() -> None:
    cell = NB201.canonical(NB201.sample(random.Random(0)))
    with pytest.raises(ValueError, match="tables cell, cnn cannot be compared"):
        distance(VGG1, cell)
    with pytest.raises(ValueError, match="table cnn has no masses"):
        distance(cell, cell, Penalties(table=CNN))
    for wrong, says in (
        ({"coefficients": ()}, "one or more pairs"),
        ({"coefficients": ((1.0, -0.1),)}, "from 0"),
        ({"nonassignment": 0.0}, "greater than 0"),
        ({"nonassignment": float("nan")}, "greater than 0"),
        ({"structure": "cubic"}, "one of linear, sqrt, log, square"),
    ):
        with pytest.raises(ValueError, match=says):
            Penalties(**wrong)  # type: ignore[arg-type]
