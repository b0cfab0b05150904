"""How many weights a network has: the published numbers, of typed-in rows and, where the tables are at hand, of many.

``BONANZA_NETWORK_ROWS`` is how many rows of a table are built, 600 unless set: as many as take half a minute.
"""

from __future__ import annotations

import csv
import gzip
import os
import random
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bonanza.spaces import SearchSpace, space_from_spec
from bonanza.worker.networks import Skeleton, build, build_language_model, parameter_count
from tests.spaces.golden101 import GOLDEN
from tests.spaces.golden_darts import MEASURED, decoded

ROWS = int(os.environ.get("BONANZA_NETWORK_ROWS", "600"))
CIFAR = (3, 32, 32)
NB101 = space_from_spec({"kind": "nasbench101"})
NB201 = space_from_spec({"kind": "nasbench201"})
DARTS = space_from_spec({"kind": "darts", "none": True})
"""The published 1.289 M of cell 9930, and 0.073306 + 0.028 a 1x1 + 0.24304 a 3x3 convolution, for all but 150 rows of the upstream table."""
CELLS = [
    (
        9930,
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        1_288_506,
    ),
    (
        6111,
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
        1_073_466,
    ),
    (0, "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|", 129_306),
    (15465, "|none~0|+|skip_connect~0|skip_connect~1|+|none~0|none~1|none~2|", 73_306),
]


@pytest.fixture(autouse=True)
def _without_weights() -> Iterator[None]:
    with torch.device("meta"):
        yield


def counted(space: SearchSpace, value: object) -> int:
    """Parameters of the published network, ops that add nothing included."""
    arch = space.validate(value)
    return parameter_count(build(space, arch, skeleton=Skeleton(dead_ops=True), classes=10, shape=CIFAR))


@pytest.mark.parametrize("row", GOLDEN)
def test_a_nasbench101_network_has_the_published_number(row: tuple[str, str, int, dict[str, Any]]) -> None:
    _, _, parameters, cell = row
    assert counted(NB101, cell) == parameters


@pytest.mark.parametrize(("index", "text", "parameters"), CELLS)
def test_a_nasbench201_network_has_the_published_number(index: int, text: str, parameters: int) -> None:
    assert counted(NB201, text) == parameters, index


@pytest.mark.parametrize("row", MEASURED)
def test_a_darts_network_has_the_published_number(row: tuple[float, float, str]) -> None:
    """36 channels and 20 cells, without the auxiliary tower, is the skeleton of OnceNAS-Bench."""
    millions, _, code = row
    assert counted(DARTS, decoded(code)) == round(millions * 1e6)


def test_a_nasnet_network_has_as_many_as_its_space_says() -> None:
    space = space_from_spec({"kind": "nasnet"})
    for seed in range(2):
        arch = space.sample(random.Random(seed))
        cost = space.cost(arch)
        assert cost is not None
        assert counted(space, arch.json) == cost.parameters


@pytest.mark.parametrize(
    ("text", "millions"), [("111-2111-211111-211", 25.5), ("111-2111-21111111111111111111111-211", 44.5)]
)
def test_resnets_have_as_many_as_published_but_for_the_stem(text: str, millions: float) -> None:
    space = space_from_spec({"kind": "resnet_stages"})
    arch = space.validate(text)
    network = build(space, arch, skeleton=Skeleton(), classes=1000, shape=(3, 224, 224))
    assert parameter_count(network) / 1e6 == pytest.approx(millions, abs=0.1)


def test_the_language_model_of_twelve_nodes_has_as_many_as_enas_code_makes() -> None:
    space = space_from_spec({"kind": "recurrent", "nodes": 12})
    cell = space.validate("0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1")
    assert parameter_count(build_language_model(space, cell, tokens=10_000)) == 22_027_104


def drawn(rows: int) -> list[int]:
    """Some of the rows, the same each time; all if ``BONANZA_NETWORK_ROWS`` says so."""
    return sorted(random.Random(0).sample(range(rows), min(ROWS, rows)))


def expect(space: SearchSpace, rows: Iterable[tuple[object, int]]) -> None:
    found = [(value, counted(space, value), parameters) for value, parameters in rows]
    wrong = [row for row in found if row[1] != row[2]]
    assert not wrong, f"{len(wrong)} of {len(found)}, the first {wrong[0]}"


@pytest.mark.bench_data
def test_rows_of_the_nasbench101_table(bench_data: Path) -> None:
    with np.load(bench_data / "nasbench101_20k.npz") as table:
        columns = {
            name: table[name].tolist() for name in ("n_vertices", "adj_bits", "ops", "op_names", "trainable_params")
        }
    names = [str(name) for name in columns["op_names"]]

    def cell(row: int) -> dict[str, Any]:
        n, bits, ops = (columns[name][row] for name in ("n_vertices", "adj_bits", "ops"))
        matrix = [[0] * n for _ in range(n)]
        for k, (i, j) in enumerate(combinations(range(7), 2)):
            if bits >> k & 1:
                matrix[i][j] = 1
        return {"adjacency": matrix, "ops": ["input", *[names[op] for op in ops[: n - 2]], "output"]}

    expect(NB101, [(cell(row), columns["trainable_params"][row]) for row in drawn(len(columns["ops"]))])


@pytest.mark.bench_data
def test_rows_of_the_nasbench201_table(bench_data: Path) -> None:
    with np.load(bench_data / "nasbench201.npz") as table:
        names, ops = [str(name) for name in table["op_names"]], table["ops"].tolist()
        parameters = [round(millions * 1e6) for millions in table["c10_params_M_formula"].tolist()]
    expect(NB201, [({"edges": [names[op] for op in ops[row]]}, parameters[row]) for row in drawn(len(ops))])


@pytest.mark.bench_data
def test_rows_of_the_darts_table(bench_data: Path) -> None:
    with gzip.open(bench_data / "darts_bench_545.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    code = "cells_op.input_x8normal_x8reduce"
    expect(DARTS, [(decoded(rows[row][code]), round(float(rows[row]["params_M"]) * 1e6)) for row in drawn(len(rows))])
