"""Encodings, beside definitions that share no code with them."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonanza.spaces import LabelledDag, space_from_spec
from bonanza_server.search.encodings import HASHED, MOST_COLUMNS, PathEncoding, PositionEncoding, encoder_for

NB201 = space_from_spec({"kind": "nasbench201"})
NUMBER_201 = {"avg_pool_3x3": 0, "nor_conv_1x1": 1, "nor_conv_3x3": 2, "none": 3, "skip_connect": 4}
OPS_101 = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
PATHS_101 = PathEncoding(OPS_101, shortest=0, longest=5)
NB101 = space_from_spec({"kind": "nasbench101"})


def bits_201(text: str) -> set[int]:
    """naszilla's layout (reference: nas_bench_201/cell_201.py): edges by target, four routes, blocks at 0, 5 and 30."""
    edges = NB201.validate(text).json["edges"]
    routes = [(3,), (0, 4), (1, 5), (0, 2, 5)]
    return {
        {1: 0, 2: 5, 3: 30}[len(route)] + sum(5**j * NUMBER_201[edges[edge]] for j, edge in enumerate(route))
        for route in routes
    }


def ones(row: np.ndarray) -> set[int]:
    return {int(column) for column in np.flatnonzero(row)}


@st.composite
def dags_101(draw: st.DrawFn) -> LabelledDag:
    n = draw(st.integers(2, 7))
    pairs = list(itertools.combinations(range(n), 2))
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=9))
    labels = draw(st.lists(st.sampled_from(OPS_101), min_size=n - 2, max_size=n - 2))
    return LabelledDag(("input", *labels, "output"), tuple(sorted(edges)))


def bits_101(dag: LabelledDag) -> set[int]:
    """Every path by depth-first search; its bijective base-3 index, the first op the least significant digit."""
    found, stack, last = set(), [(0, ())], len(dag.labels) - 1
    while stack:
        node, path = stack.pop()
        if node == last:
            found.add(sum(3**i * (OPS_101.index(op) + 1) for i, op in enumerate(path)))
        for start, end in dag.edges:
            if start == node:
                stack.append((end, path if end == last else (*path, dag.labels[end])))
    return found


def test_nasbench201_has_155_columns_and_nasbench101_has_364() -> None:
    assert encoder_for(NB201).size == 155
    assert encoder_for(NB101).size == PATHS_101.size == 364


@pytest.mark.parametrize(("truncate", "columns"), [(1, 5), (2, 30), (3, 155), (9, 155)])
def test_truncation_by_length_has_the_originals_cut_offs(truncate: int, columns: int) -> None:
    assert encoder_for(NB201, truncate=truncate).size == columns


def test_the_first_40_columns_of_nasbench101_are_the_paths_of_at_most_three_ops() -> None:
    short = PathEncoding(OPS_101, shortest=0, longest=5, truncate=3)
    assert short.size == 40


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_op_ordinary_the_bits_of_nasbench201_are_the_originals(seed: int) -> None:
    cell = NB201.sample(random.Random(seed))
    row = encoder_for(NB201, prune_zero_paths=False).encode([cell])[0]
    assert ones(row) == bits_201(cell.text)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_pruned_only_the_paths_through_none_are_missing(seed: int) -> None:
    cell = NB201.sample(random.Random(seed))
    kept, all_bits = (encoder_for(NB201, prune_zero_paths=prune).encode([cell])[0] for prune in (True, False))
    missing = ones(all_bits) - ones(kept)
    assert ones(kept) <= ones(all_bits)
    for column in missing:
        block, width = next((start, width) for start, width in ((30, 3), (5, 2), (0, 1)) if column >= start)
        assert NUMBER_201["none"] in [(column - block) // 5**j % 5 for j in range(width)]
    for column in ones(kept):
        block, width = next((start, width) for start, width in ((30, 3), (5, 2), (0, 1)) if column >= start)
        assert NUMBER_201["none"] not in [(column - block) // 5**j % 5 for j in range(width)]


@given(dag=dags_101())
def test_the_bits_of_nasbench101_are_the_bijective_base_3_indices(dag: LabelledDag) -> None:
    assert ones(PATHS_101.encode([dag])[0]) == bits_101(dag)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), sampling=st.sampled_from(["uniform", "half_edge"]))
def test_a_cell_of_nasbench101_has_the_columns_of_its_paths_whatever_is_dead_in_it(seed: int, sampling: str) -> None:
    space = space_from_spec({"kind": "nasbench101", "sampling": sampling})
    cell = space.sample(random.Random(seed))
    row = encoder_for(space).encode([cell])[0]
    assert ones(row) == bits_101(space.graph(cell)) == bits_101(space.canonical(cell))


@pytest.mark.parametrize(
    ("nodes", "edges", "longest"),
    [(5, 10, 3), (5, 3, 2), (2, 1, 0), (7, 21, 5)],
)
def test_a_node_cell_has_a_column_for_every_path_its_vertices_and_edges_allow(
    nodes: int, edges: int, longest: int
) -> None:
    space = space_from_spec({"kind": "node_cell", "max_nodes": nodes, "max_edges": edges, "ops": ["a", "b"]})
    encoder = encoder_for(space)
    assert (encoder.name, encoder.size) == ("path", 2 ** (longest + 1) - 1)
    rng = random.Random(1)
    rows = encoder.encode([space.sample(rng) for _ in range(2_000)])
    assert rows.any(axis=0).mean() > 0.9, "all of them are met"


def test_a_recurrent_cell_has_a_column_for_every_chain_of_activations() -> None:
    space = space_from_spec({"kind": "recurrent", "nodes": 4})
    encoder = encoder_for(space)
    assert encoder.size == 4 + 16 + 64 + 256
    row = encoder.encode([space.validate("0 0 1 0 3")])[0]
    assert ones(row) == {4 + 0 + 4 * 1, 4 + 0 + 4 * 3}, "tanh then relu, tanh then sigmoid"


def test_the_choices_of_a_space_are_its_genes() -> None:
    for spec in ({"kind": "nasbench201"}, {"kind": "darts"}, {"kind": "nasnet"}, {"kind": "darts", "none": True}):
        space = space_from_spec(spec)
        encoder, rng = encoder_for(space, encoding="positions"), random.Random(2)
        cells = [space.sample(rng) for _ in range(300)]
        assert (encoder.name, encoder.size) == ("positions", sum(space.choices or ()))
        rows = encoder.encode(cells)
        assert rows.any(axis=0).all()
        assert (rows.sum(axis=1) == len(space.choices or ())).all()
        assert len({row.tobytes() for row in rows}) == len({cell.genes for cell in cells})


@given(dag=dags_101())
def test_truncated_bits_are_the_first_ones(dag: LabelledDag) -> None:
    short = PathEncoding(OPS_101, shortest=0, longest=5, truncate=3).encode([dag])[0]
    assert short.tolist() == PATHS_101.encode([dag])[0][:40].tolist()


def test_the_spelling_of_a_space_does_not_change_its_columns() -> None:
    ops = ["skip_connect", "none", "nor_conv_3x3", "avg_pool_3x3", "nor_conv_1x1"]
    spelled = space_from_spec({"kind": "edge_cell", "nodes": 4, "ops": ops})
    cell = NB201.sample(random.Random(3))
    other = spelled.validate(cell.json)
    assert encoder_for(spelled).encode([other]).tolist() == encoder_for(NB201).encode([cell]).tolist()


def test_paths_too_long_for_a_column_of_their_own_share_some() -> None:
    space = space_from_spec({"kind": "edge_cell", "nodes": 8, "ops": ["none", "a", "b", "c", "d"]})
    encoder = encoder_for(space)
    own = 5 + 25 + 125 + 625 + 3125
    assert own <= MOST_COLUMNS < own + 5**6
    assert encoder.size == own + HASHED
    chain = ["none"] * 28
    pairs = [(i, j) for j in range(1, 8) for i in range(j)]
    for i in range(7):
        chain[pairs.index((i, i + 1))] = "abcdabc"[i]
    row = encoder.encode([space.validate({"edges": chain})])[0]
    assert len(ones(row)) == 1
    assert min(ones(row)) >= own
    assert encoder_for(space, truncate=5).size == own
    assert not encoder_for(space, truncate=5).encode([space.validate({"edges": chain})]).any()


def test_labels_of_an_open_alphabet_are_hashed() -> None:
    anything = PathEncoding((), shortest=0, longest=64)
    dags = [LabelledDag(("input", label, "output"), ((0, 1), (1, 2))) for label in ("conv3", "conv5", "conv7")]
    rows = anything.encode(dags)
    assert rows.shape == (3, HASHED)
    assert len({tuple(ones(row)) for row in rows}) == 3


def test_a_cell_whose_paths_are_all_dead_is_a_row_of_zeros() -> None:
    dead = NB201.validate({"edges": ["none"] * 6})
    assert not encoder_for(NB201).encode([dead]).any()


def test_a_sequence_has_one_column_a_position_and_choice() -> None:
    space = space_from_spec(
        {
            "kind": "sequence",
            "positions": [{"name": "a", "choices": [1, True, "2"]}, {"name": "b", "choices": ["x", "y"]}],
        }
    )
    encoder = encoder_for(space, encoding="path")
    cells = list(space.enumerate())
    assert (encoder.name, encoder.size) == ("positions", 5)
    assert sorted(map(tuple, encoder.encode(cells).tolist())) == sorted(
        tuple(float(k == a) for k in range(3)) + tuple(float(k == b) for k in range(2))
        for a in range(3)
        for b in range(2)
    )


def test_positions_of_a_cell_tell_every_cell_from_every_other() -> None:
    encoder = encoder_for(NB201, encoding="positions")
    cells = list(itertools.islice(NB201.enumerate(), 2000))
    assert encoder.size == 30
    assert len({row.tobytes() for row in encoder.encode(cells)}) == 2000


def test_more_choices_than_columns_share_them() -> None:
    wide = PositionEncoding([1000] * 10)
    row = wide.encode([[999] * 10])[0]
    assert wide.size == MOST_COLUMNS
    assert len(ones(row)) == 10


def test_no_architectures_are_no_rows() -> None:
    assert encoder_for(NB201).encode([]).shape == (0, 155)


@pytest.mark.parametrize("encoding", ["path", "positions"])
@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "nasbench201"},
        {"kind": "edge_cell", "nodes": 5, "ops": ["none", "skip_connect", "a"]},
        {"kind": "sequence", "positions": [{"name": f"p{k}", "choices": [1, 2, 3]} for k in range(4)]},
    ],
    ids=lambda spec: spec["kind"],
)
def test_a_constrained_space_is_encoded_as_the_space_within(spec: dict[str, Any], encoding: str) -> None:
    plain = space_from_spec(spec)
    space = space_from_spec({**spec, "constraints": [{"measure": "ops", "least": 1}, {"measure": "edges", "least": 2}]})
    rng = random.Random(3)
    cells = [space.sample(rng) for _ in range(50)]
    one, other = encoder_for(plain, encoding=encoding), encoder_for(space, encoding=encoding)
    assert (one.name, one.size) == (other.name, other.size)
    assert np.array_equal(other.encode(cells), one.encode([plain.validate(cell.json) for cell in cells]))
