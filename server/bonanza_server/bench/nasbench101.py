"""Cells of NAS-Bench-101 (Ying et al. 2019, arXiv 1902.09635) from a NumPy archive, as the pool of those that it holds.

The archive has a row a cell: ``n_vertices``; ``adj_bits``, of which bit k is the edge of the k-th pair of seven vertices in row-major order;
``ops``, the numbers in ``op_names`` of vertices 1 to n - 2; ``val_correct_of_9984`` for each of ``epochs``, how many of 9,984 images were
right; ``train_time108_s``.
"""

from __future__ import annotations

import zipfile
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bonanza_server.bench.errors import CannotBench

EPOCHS = 108
IMAGES = 9984
VERTICES = 7
COLUMNS = ("n_vertices", "adj_bits", "ops", "op_names", "val_correct_of_9984", "epochs", "train_time108_s")


def read(path: Path) -> list[tuple[dict[str, Any], float, float]]:
    """The architectures of the file, their validation accuracies after 108 epochs in percent, and the seconds of their trainings.

    Raises:
        CannotBench: It cannot be read, or is another kind of archive.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            columns = {name: archive[name] for name in COLUMNS}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CannotBench(
            f"{path} is no archive of NAS-Bench-101 with the columns {', '.join(COLUMNS)}: {error}"
        ) from error
    names = [str(name) for name in columns["op_names"]]
    budget = columns["epochs"].tolist().index(EPOCHS)
    accuracies = columns["val_correct_of_9984"][:, budget] / (IMAGES / 100.0)
    rows = zip(columns["n_vertices"].tolist(), columns["adj_bits"].tolist(), columns["ops"].tolist(), strict=True)
    cells = [_cell(n, bits, [names[op] for op in ops[: n - 2]]) for n, bits, ops in rows]
    return list(zip(cells, accuracies.tolist(), columns["train_time108_s"].tolist(), strict=True))


def _cell(n: int, bits: int, ops: list[str]) -> dict[str, Any]:
    adjacency = [[0] * n for _ in range(n)]
    for k, (source, target) in enumerate(combinations(range(VERTICES), 2)):
        if bits >> k & 1:
            adjacency[source][target] = 1
    return {"adjacency": adjacency, "ops": ["input", *ops, "output"]}
