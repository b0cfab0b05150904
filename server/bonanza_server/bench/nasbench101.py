"""Cells of NAS-Bench-101 (Ying et al. 2019, arXiv 1902.09635) from the official TFRecord files, or from a NumPy archive.

A record of ``nasbench_only108.tfrecord`` (or ``nasbench_full.tfrecord``) is JSON: the module hash, the epochs, the adjacency matrix as a
string of 0 and 1, the ops by commas, and a base64 ``ModelMetrics`` message (``nasbench/lib/model_metrics.proto``). The official API counts
three records a cell as three runs, so they are here.

An archive has a row a cell: ``n_vertices``; ``adj_bits``, of which bit k is the edge of the k-th pair of seven vertices in row-major order;
``ops``, the numbers in ``op_names`` of vertices 1 to n - 2; ``val_correct_of_9984`` for each of ``epochs``, how many of 9,984 images were
right; ``train_time108_s``.
"""

from __future__ import annotations

import base64
import json
import zipfile
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.tfrecord import fields, records

TFRECORD = ".tfrecord"
EPOCHS = 108
IMAGES = 9984
VERTICES = 7
TRAINING_TIME, VALIDATION_ACCURACY = 2, 4
"""Fields of ``EvaluationData``."""
COLUMNS = ("n_vertices", "adj_bits", "ops", "op_names", "val_correct_of_9984", "epochs", "train_time108_s")


Measured = tuple[dict[str, Any], tuple[float, ...], float]
"""An architecture, its validation accuracies after 108 epochs in percent, one a run, and the mean seconds of a training."""


def read(path: Path) -> list[Measured]:
    """The cells of the file.

    Raises:
        CannotBench: It cannot be read, or is another kind of file.
    """
    return _records(path) if path.suffix == TFRECORD else _archive(path)


def _records(path: Path) -> list[Measured]:
    cells: dict[str, dict[str, Any]] = {}
    runs: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    try:
        for record in records(path):
            module_hash, epochs, matrix, ops, metrics = json.loads(record)
            if epochs != EPOCHS:
                continue
            if module_hash not in cells:
                names = ops.split(",")
                n = len(names)
                rows = [[int(bit) for bit in matrix[i * n : (i + 1) * n]] for i in range(n)]
                cells[module_hash] = {"adjacency": rows, "ops": names}
            runs[module_hash].append(_last_evaluation(base64.b64decode(metrics)))
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise CannotBench(f"{path} cannot be read as NAS-Bench-101: {error}") from error
    if not cells:
        raise CannotBench(f"{path} has no cell that was trained for {EPOCHS} epochs")
    return [
        (cell, tuple(100.0 * accuracy for accuracy, _ in runs[key]), fmean(seconds for _, seconds in runs[key]))
        for key, cell in cells.items()
    ]


def _last_evaluation(metrics: bytes) -> tuple[float, float]:
    """The validation accuracy, a fraction, and the seconds of training, of the last of the evaluations."""
    evaluations = [dict(fields(value)) for number, value in fields(metrics) if number == 1 and isinstance(value, bytes)]
    last = evaluations[-1]
    return float(last[VALIDATION_ACCURACY]), float(last[TRAINING_TIME])


def _archive(path: Path) -> list[Measured]:
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
    values = [(accuracy,) for accuracy in accuracies.tolist()]
    return list(zip(cells, values, columns["train_time108_s"].tolist(), strict=True))


def _cell(n: int, bits: int, ops: list[str]) -> dict[str, Any]:
    adjacency = [[0] * n for _ in range(n)]
    for k, (source, target) in enumerate(combinations(range(VERTICES), 2)):
        if bits >> k & 1:
            adjacency[source][target] = 1
    return {"adjacency": adjacency, "ops": ["input", *ops, "output"]}
