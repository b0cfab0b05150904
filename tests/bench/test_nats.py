"""NATS-Bench's official files, as its authors' ``state_dict`` leaves them."""

from __future__ import annotations

import bz2
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.table import load

CELLS = [
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|",
    "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",  # the same network as the last
]


def run(seed: int, accuracy: float, epochs: int = 200) -> dict[str, Any]:
    """``ResultsCount.state_dict``; its numbers are Python's and NumPy's as it comes."""
    times = OrderedDict((epoch, np.float64(2.0)) for epoch in range(epochs))
    accuracies = {f"x-valid@{epoch}": accuracy - (epochs - 1 - epoch) * 0.01 for epoch in range(epochs)}
    return {
        "name": "infer.tiny", "net_state_dict": None, "train_acc1es": {0: 50.0}, "train_times": times, "seed": seed,
        "epochs": epochs, "latency": [0.01], "flop": np.float32(15.6), "eval_names": ["x-valid"],
        "eval_acc1es": accuracies, "arch_config": {"channel": 16, "num_cells": 5}, "weights": np.zeros(3),
    }  # fmt: skip


def infos(index: int) -> dict[str, Any]:
    """``ArchResults.state_dict`` by the epochs of the training."""
    seeds = {"cifar10-valid": [777, 888], "cifar100": [777], "ImageNet16-120": [777]}
    results = {
        (name, seed): run(seed, 10.0 * (index + 1) + k) for name, those in seeds.items() for k, seed in enumerate(those)
    }
    known = {"arch_index": index, "arch_str": CELLS[index], "all_results": results, "dataset_seed": seeds}
    return {"12": {}, "200": known}


def write(path: Path, value: Any) -> None:
    with bz2.open(path, "wb") as file:
        pickle.dump(value, file, protocol=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    made.mkdir()
    write(made / "meta.pickle.pbz2", {"meta_archs": CELLS, "total_archs": 3, "evaluated_indexes": {0, 1, 2}})
    for index in range(len(CELLS)):
        write(made / f"{index:06d}.pickle.pbz2", infos(index))
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2"
    arch2infos = OrderedDict((index, infos(index)) for index in range(len(CELLS)))
    write(made, {"meta_archs": CELLS, "arch2infos": arch2infos, "evaluated_indexes": {0, 1, 2}})
    return made


@pytest.mark.parametrize("form", ["folder", "file"])
def test_the_official_files_are_a_table_of_classes_with_each_run(form: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(form)
    table = load(str(path), "cifar10", "{}", True)
    assert table.name == f"nasbench201/cifar10 ({path.name})"
    assert len(table) == 2
    first, same = (table.entry(table.space.validate(text)) for text in (CELLS[0], CELLS[2]))
    assert first is not None
    assert same is not None
    assert first.values == (10.0, 11.0)
    assert first.seconds == 400.0
    assert same.values == (20.0, 21.0, 30.0, 31.0)
    assert len(load(str(path), "cifar100", "{}", True).entry(table.space.validate(CELLS[0])).values) == 1  # type: ignore[union-attr]


class Command:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch executed",)


@pytest.mark.parametrize("evil", [Command(), os.system, print, getattr, eval, pickle.loads])
def test_a_pickle_that_would_run_something_is_refused(
    folder: Path, evil: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    write(folder / "000001.pickle.pbz2", {"200": evil})
    with pytest.raises(CannotBench, match="which no table needs"):
        load(str(folder), "cifar10", "{}", True)
    assert not (tmp_path / "executed").exists()


def test_other_files_and_data_sets_are_refused_in_a_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotBench, match="no data set 'svhn'; it has cifar10, cifar100, imagenet16-120"):
        load(str(folder), "svhn", "{}", True)
    (folder / "000002.pickle.pbz2").unlink()
    with pytest.raises(CannotBench, match="unpack the whole archive"):
        load(str(folder), "cifar100", "{}", True)
    other = tmp_path / "other.pickle.pbz2"
    write(other, {"meta_archs": CELLS})
    with pytest.raises(CannotBench, match="is no file of NATS-Bench's topology"):
        load(str(other), "cifar10", "{}", True)
    write(other, {"meta_archs": CELLS, "arch2infos": {0: {"200": {"dataset_seed": {}}}}})
    with pytest.raises(CannotBench, match="has no x-valid accuracies of cifar10-valid"):
        load(str(other), "cifar10", "{}", True)
    other.write_bytes(b"BZh91AY")
    with pytest.raises(CannotBench, match="cannot be read"):
        load(str(other), "cifar100", "{}", True)
