"""The views of a cell."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bonanza.spaces import LabelledDag, space_from_spec
from bonanza_server.search.catalogue import catalogue_of, is_listed
from bonanza_server.search.sparse import Row, dense
from bonanza_server.search.views import NAMES, rows_of, runs, sequences, views_of

CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"


def test_the_views_of_a_cell_of_nasbench201() -> None:
    cell = space_from_spec({"kind": "nasbench201"}).validate(CELL)
    views = views_of(cell.space)
    positions, paths, counts = (views.features(views.graphs(cell), name) for name in ("positions", "paths", "counts"))
    # Nothing leaves node 2, so the 1x1 convolution into it is dead; the skip is a choice, but no op.
    assert [label for _, _, label in sorted(positions)] == [
        "nor_conv_3x3",
        "",
        "",
        "skip_connect",
        "nor_conv_3x3",
        "",
    ]
    assert paths == {(): 1.0, ("nor_conv_3x3", "nor_conv_3x3"): 1.0}
    assert {key: value for key, value in counts.items() if len(key) == 1} == {("nor_conv_3x3",): 2.0}
    assert {("cost", 0), ("cost", 1)} <= set(counts)


def test_paths_are_counted_as_often_as_they_are() -> None:
    diamond = LabelledDag(("input", "a", "b", "b", "output"), ((0, 1), (1, 2), (1, 3), (2, 4), (3, 4)))
    assert sequences(diamond) == {("a", "b"): 2}
    doubled = LabelledDag(("input", "a", "output"), ((0, 1), (1, 2)), (3, 2))
    assert sequences(doubled) == {("a",): 6}


def test_where_paths_are_too_many_runs_are_counted_and_quickly() -> None:
    labels = ["input", *("abc"[k % 3] for k in range(2000)), "output"]
    ladder = [(v, w) for v in range(len(labels)) for w in (v + 1, v + 2) if w < len(labels)]
    graph = LabelledDag(tuple(labels), tuple(ladder))
    counts = sequences(graph)
    assert counts == runs(graph)
    assert max(map(len, counts)) == 3
    assert counts["a",] == 667
    chain = LabelledDag(tuple(labels), tuple((v, v + 1) for v in range(len(labels) - 1)))
    assert sequences(chain) == runs(chain)
    assert sequences(chain)["a", "b", "c"] == 666


@pytest.mark.parametrize("spec", [{"kind": "nasbench201"}, {"kind": "edge_cell", "nodes": 5, "ops": ["a", "b"]}])
def test_equal_cells_have_equal_paths_and_op_counts(spec: dict[str, object]) -> None:
    space, rng, by_id = space_from_spec(spec), random.Random(0), {}
    views = views_of(space)
    for _ in range(400):
        cell = space.sample(rng)
        graphs = views.graphs(cell)
        paths, counts = (views.features(graphs, name) for name in ("paths", "counts"))
        ops = {key: value for key, value in counts.items() if key[0] != "cost"}  # dead ops cost as much as others
        assert by_id.setdefault(cell.arch_id, (paths, ops)) == (paths, ops)


def test_every_view_has_a_scale_that_no_seed_changes() -> None:
    space = space_from_spec({"kind": "nasbench201"})
    assert len(views_of(space).distances) == len(NAMES)
    assert all(scale > 0.0 for scale in views_of(space).distances.values())
    assert views_of(space) is views_of(space_from_spec({"kind": "nasbench201"}))


@pytest.mark.parametrize("kind", ["nasbench201", "nasbench101", "darts"])
def test_the_graf_view_is_a_matrix_at_once_and_by_its_codes(kind: str) -> None:
    space = space_from_spec({"kind": kind})
    rng = random.Random(0)
    rows = [rows_of(space.sample(rng), ("graf",))[0] for _ in range(20)]
    copied = [Row(row.codes.copy(), row.values) for row in rows]
    assert np.array_equal(dense(rows), dense(copied))
    assert np.ptp(dense(rows), axis=0).max() > 0.0


def test_a_catalogue_has_every_network_once() -> None:
    space = space_from_spec({"kind": "nasbench201"})
    assert is_listed(space)
    catalogue = catalogue_of(space)
    assert len(catalogue.architectures) == len(catalogue.row) == 5425
    seen = frozenset(list(catalogue.row)[:100])
    assert catalogue.unseen(seen) == list(range(100, 5425))
    assert not is_listed(space_from_spec({"kind": "edge_cell", "nodes": 8, "ops": ["a", "b"]}))
    assert not is_listed(space_from_spec({"kind": "layer_graph", "flavour": "cnn"}))
