"""Rows of named features, and their matrix."""

from __future__ import annotations

import numpy as np
import pytest

from bonanza_server.search.sparse import Row, dense


def test_a_matrix_has_a_column_for_each_feature_in_the_order_they_are_met() -> None:
    rows = [Row.of({"b": 1.0, "a": 2.0}), Row.of({}), Row.of({"c": 4.0, "b": 3.0})]
    assert dense(rows).tolist() == [[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [3.0, 0.0, 4.0]]
    assert np.abs(dense(rows, width=2)).sum() == 10.0  # the third has no column of its own
    assert dense([]).shape == (0, 1)


def test_shared_columns_keep_distances_on_average() -> None:
    rng = np.random.default_rng(0)
    rows = [Row.of({("f", int(k)): 1.0 for k in rng.choice(3000, 40, replace=False)}) for _ in range(60)]
    exact, shared = dense(rows, width=2048), dense(rows, width=256)
    assert exact.shape[1] > shared.shape[1] == 256
    pairs = np.triu_indices(60, 1)
    true, near = (((m[pairs[0]] - m[pairs[1]]) ** 2).sum(axis=1).mean() for m in (exact, shared))
    assert near == pytest.approx(true, rel=0.1)
