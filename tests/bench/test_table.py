"""What a benchmark asks instead of training."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest

from bonanza.spaces.nasbench201 import unique_string
from bonanza.worker.tabular import load_nasbench201
from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.table import Table, load
from tests.bench.conftest import SPEC

OPTIMA = {"cifar10": 91.607, "cifar100": 73.493, "imagenet16-120": 46.733}


@pytest.mark.parametrize("dataset", OPTIMA)
def test_a_cell_of_nasbench201_is_worth_the_mean_over_its_official_class(dataset: str) -> None:
    table = load("nasbench201", dataset, "{}", True)
    assert len(table) == 6_466
    assert "6,466 official classes" in table.grouping
    assert table.optimum == pytest.approx(OPTIMA[dataset], abs=5e-4)


def test_equal_networks_are_worth_the_same_and_their_measurements_are_joined() -> None:
    table = load("nasbench201", "cifar10", "{}", True)
    packaged = load_nasbench201("cifar10")
    # Node 1 is the input once more, so a convolution of one is a convolution of the other.
    a = table.space.validate("|skip_connect~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    b = table.space.validate("|skip_connect~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|")
    assert unique_string(a.text) == unique_string(b.text)
    one, other = table.entry(a), table.entry(b)
    assert one is not None
    assert one == other
    assert set(packaged[a].values) | set(packaged[b].values) <= set(one.values)
    assert one.mean == pytest.approx(fmean(one.values))


def test_a_file_is_the_pool_of_what_it_lists(table: Table) -> None:
    assert table.space.kind == "pool"
    assert table.space.size == len(table)
    cells = list(table.space.enumerate())
    assert all(table.entry(cell) is not None for cell in cells)
    best = max(cells, key=lambda cell: table.entry(cell).mean)  # type: ignore[union-attr]
    assert table.key(best) == table.best_key
    assert table.regret(table.optimum) == 0.0


def test_a_value_is_the_mean_or_a_measurement_that_the_seed_chooses(table: Table) -> None:
    cell = next(iter(table.space.enumerate()))
    entry = table.entry(cell)
    assert entry is not None
    assert table.draw(cell, 0, mean=True) == entry.mean
    drawn = [table.draw(cell, seed, mean=False) for seed in range(30)]
    assert set(drawn) == set(entry.values)
    assert drawn == [table.draw(cell, seed, mean=False) for seed in range(30)]


def test_the_sample_is_always_the_same_and_of_distinct_cells(table: Table) -> None:
    sample = table.sample(5)
    assert sample == table.sample(5)
    assert len({table.key(cell) for cell in sample}) == 5


def test_smaller_may_be_better(file: Path) -> None:
    table = load(str(file), "", json.dumps(SPEC), False)
    assert table.optimum == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("name", "dataset", "space", "says"),
    [
        ("nasbench201", "mnist", "{}", "no data set 'mnist'"),
        ("there/is/none.jsonl", "", json.dumps(SPEC), "there is no table"),
        ("cells.jsonl", "", '{"kind": "cell"}', "--space must be"),
        ("cells.jsonl", "", '{"kind": "nasbench201"}', "line 1: no architecture of the study's space"),
        ("cells.npz", "", "{}", "no archive of NAS-Bench-101"),
    ],
)
def test_what_is_no_table_is_refused(
    name: str, dataset: str, space: str, says: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    Path("cells.npz").write_bytes(b"PK none")
    with pytest.raises(CannotBench, match=says):
        load(name, dataset, space, True)
