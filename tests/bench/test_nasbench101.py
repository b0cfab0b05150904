"""Cells of NAS-Bench-101 from an archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bonanza_server.bench.table import load

OPS = ["conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3"]


def bit(source: int, target: int) -> int:
    """The bit of an edge: pairs of seven vertices in row-major order."""
    return 1 << [(i, j) for i in range(7) for j in range(i + 1, 7)].index((source, target))


def test_an_archive_is_the_pool_of_its_cells_with_their_accuracies_and_seconds(tmp_path: Path) -> None:
    path = tmp_path / "cells.npz"
    np.savez(
        path,
        n_vertices=np.array([2, 4], dtype=np.uint8),
        adj_bits=np.array([bit(0, 1), bit(0, 1) | bit(1, 2) | bit(2, 3) | bit(0, 3)], dtype=np.uint32),
        ops=np.array([[255] * 5, [1, 2, 255, 255, 255]], dtype=np.uint8),
        op_names=np.array(OPS),
        epochs=np.array([4, 12, 36, 108]),
        val_correct_of_9984=np.array([[1, 2, 3, 4992], [1, 2, 3, 9984]], dtype=np.uint16),
        train_time108_s=np.array([60.0, 3600.0]),
    )
    table = load(str(path), "", "{}", True)
    assert table.optimum == 100.0
    ops = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
    cell = table.space.validate({"adjacency": [[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], "ops": ops})
    entry = table.entry(cell)
    assert entry is not None
    assert (entry.values, entry.seconds) == ((100.0,), 3600.0)
    assert sorted(table.entry(one).mean for one in table.space.enumerate()) == [50.0, 100.0]  # type: ignore[union-attr]


@pytest.mark.bench_data
def test_the_real_archive_has_twenty_thousand_cells(bench_data: Path) -> None:
    table = load(str(bench_data / "nasbench101_20k.npz"), "", "{}", True)
    assert len(table) == table.space.size == 20_001
    assert table.optimum == pytest.approx(94.9119, abs=1e-4)
