"""What is cut, what is contracted, what is kept: cell by cell, and against the interpreter for any graph."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings

from bonanza.spaces import LabelledDag, simplify, space_from_spec
from bonanza.spaces.contract.interpreter import PRIME, apply, evaluate, random_weights
from tests.strategies import dags, generators

CELL = space_from_spec({"kind": "edge_cell", "nodes": 4, "ops": ["none", "skip_connect", "a", "b"]})


def live(*edges: str) -> LabelledDag:
    """The simplified graph of a cell of 4 nodes: ops on (0,1), (0,2), (1,2), (0,3), (1,3), (2,3)."""
    short = {"-": "none", "=": "skip_connect"}
    arch = CELL.validate({"edges": [short.get(op, op) for op in edges]})
    return simplify(CELL.graph(arch), zero_op="none", identity_op="skip_connect").graph


@pytest.mark.parametrize(
    ("edges", "labels", "sources"),
    [
        pytest.param("------", "", {}, id="nothing at all"),
        pytest.param("--a--b", "", {}, id="ops on zeros are zeros"),
        pytest.param("aab---", "", {}, id="ops that nobody reads are dead"),
        pytest.param("a---a-", "aa", {(0, 1): 1, (1, 2): 1, (2, 3): 1}, id="a chain"),
        pytest.param("=--=--", "", {(0, 1): 1}, id="a skip that goes nowhere is cut"),
        pytest.param("=--==-", "", {(0, 1): 2}, id="two ways of the input are the input twice"),
        pytest.param("======", "", {(0, 1): 4}, id="four ways of the input are the input four times"),
        pytest.param("a-=-==", "a", {(0, 1): 1, (1, 2): 2}, id="one op read twice is one op"),
        pytest.param(
            "aa--==", "aa", {(0, 1): 1, (0, 2): 1, (1, 3): 1, (2, 3): 1}, id="equal ops stay two: their weights differ"
        ),
        pytest.param("==---a", "a", {(0, 1): 1, (1, 2): 1}, id="an op after a skip"),
        pytest.param("===--a", "a", {(0, 1): 2, (1, 2): 1}, id="an op of the input twice"),
    ],
)
def test_cells_are_cut_down_to_what_they_compute(edges: str, labels: str, sources: dict[tuple[int, int], int]) -> None:
    graph = live(*edges)
    assert graph.labels == ("input", *labels, "output")
    assert dict(zip(graph.edges, graph.counts, strict=True)) == sources


def test_identities_in_a_row_multiply() -> None:
    space = space_from_spec({"kind": "edge_cell", "nodes": 12, "ops": ["skip_connect"]})
    assert space.canonical(space.sample(random.Random(0))).counts == (2**10,)


@settings(deadline=None)
@given(raw=dags(labels="aboi"), rng=generators())
def test_any_graph_computes_the_same_when_simplified(raw: LabelledDag, rng: random.Random) -> None:
    """``o`` is the zero, ``i`` the identity; several sources, dead ends and double edges included."""
    small = simplify(raw, zero_op="o", identity_op="i")
    weights = random_weights(raw, rng)
    moved = [weights[v] for v in small.origin]
    for x in (0, 1, rng.randrange(PRIME)):
        assert evaluate(small.graph, moved, x) == evaluate(raw, weights, x, zero_op="o", identity_op="i")


@settings(deadline=None)
@given(raw=dags(labels="aboi"))
def test_only_live_ops_are_left(raw: LabelledDag) -> None:
    graph = simplify(raw, zero_op="o", identity_op="i").graph
    assert not {"o", "i"} & set(graph.labels[1:-1])
    assert all(graph.predecessors()[1:-1])
    assert all(graph.successors()[1:-1])
    assert simplify(graph, zero_op="o", identity_op="i").graph == graph


def test_units_and_mass_follow_their_nodes() -> None:
    raw = LabelledDag(
        ("input", "dead", "a", "output"), ((0, 1), (0, 2), (2, 3)), units=(3, 5, 7, 9), mass=(0.0, 0.5, 0.25, 0.0)
    )
    small = simplify(raw, zero_op=None, identity_op=None)
    assert small.origin == (0, 2, 3)
    assert (small.graph.units, small.graph.mass) == ((3, 7, 9), (0.0, 0.25, 0.0))


@settings(deadline=None, max_examples=60)
@given(rng=generators())
def test_the_raw_graph_is_the_cell_edge_by_edge(rng: random.Random) -> None:
    """Against the definition of a cell, node sums and all, without any graph."""
    arch = CELL.sample(rng)
    raw = CELL.graph(arch)
    weights = random_weights(raw, rng)
    x = rng.randrange(PRIME)
    sums = [x]
    ends = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    for j in range(1, 4):
        total = 0
        for k, (i, target) in enumerate(ends):
            op = arch.json["edges"][k]
            if target == j and op != "none":
                total += sums[i] if op == "skip_connect" else apply(op, weights[k + 1], sums[i])
        sums.append(total % PRIME)
    assert evaluate(raw, weights, x, zero_op="none", identity_op="skip_connect") == sums[3]
