"""NATS-Bench's topology search space (Dong et al. 2021, arXiv 2009.00437) from its official files.

``NATS-tss-v1_0-3ffb9-simple/`` is a folder with ``meta.pickle.pbz2`` and a file an architecture; ``NATS-tss-v1_0-3ffb9.pickle.pbz2`` has
them all. They are pickles, compressed by bzip2: plain dictionaries of the strings, and for each (data set, seed) the accuracies and
times of every epoch. A pickle can run anything, so what is read here may make containers, numbers and NumPy arrays, and nothing else.
"""

from __future__ import annotations

import bz2
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bonanza_server.bench.errors import CannotBench

EXTENSION = ".pickle.pbz2"
EPOCHS = "200"
DATASETS = {
    "cifar10": ("cifar10-valid", "x-valid"),
    "cifar100": ("cifar100", "x-valid"),
    "imagenet16-120": ("ImageNet16-120", "x-valid"),
}
"""By our names: the name in the files, and that of the validation half."""
SAFE = {
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("builtins", "dict"),
    ("builtins", "list"),
    ("builtins", "set"),
    ("builtins", "tuple"),
    ("builtins", "int"),
    ("builtins", "float"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
}


class SafeUnpickler(pickle.Unpickler):
    """Makes what ``SAFE`` lists."""

    def find_class(self, module: str, name: str) -> Any:
        """The class or function of that name.

        Raises:
            UnpicklingError: It is not on the list.
        """
        if (module, name) not in SAFE:
            raise pickle.UnpicklingError(f"it wants to make a {module}.{name}, which no table needs")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def is_nats(path: Path) -> bool:
    """Whether the path looks like one of the official files, or the folder of them."""
    return path.name.endswith(EXTENSION) or (path / f"meta{EXTENSION}").exists()


def read(path: Path, dataset: str) -> list[tuple[str, tuple[float, ...], float]]:
    """The architecture strings, the validation accuracies of each training run, and the mean seconds of a training of 200 epochs.

    Raises:
        CannotBench: There is no such data set, or the files are others.
    """
    if dataset not in DATASETS:
        raise CannotBench(f"NATS-Bench has no data set {dataset!r}; it has {', '.join(DATASETS)}")
    found = [(text, *_measured(runs, dataset, text)) for text, runs in _architectures(path)]
    if not found:
        raise CannotBench(f"{path} has no architectures")
    return found


def _architectures(path: Path) -> Iterator[tuple[str, Any]]:
    """Each string, with the runs of its training of 200 epochs."""
    try:
        if path.is_dir():
            for index, text in enumerate(_load(path / f"meta{EXTENSION}")["meta_archs"]):
                yield str(text), _load(path / f"{index:06d}{EXTENSION}")[EPOCHS]
        else:
            whole = _load(path)
            for index, text in enumerate(whole["meta_archs"]):
                if index in whole["arch2infos"]:
                    yield str(text), whole["arch2infos"][index][EPOCHS]
    except (KeyError, TypeError) as error:
        raise CannotBench(
            f"{path} is no file of NATS-Bench's topology search space: {type(error).__name__} {error}"
        ) from error


def _load(path: Path) -> Any:
    try:
        with bz2.open(path, "rb") as file:
            return SafeUnpickler(file).load()
    except FileNotFoundError as error:
        raise CannotBench(f"there is no {path}: unpack the whole archive") from error
    except Exception as error:  # a damaged pickle raises anything
        raise CannotBench(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def _measured(results: Any, dataset: str, text: str) -> tuple[tuple[float, ...], float]:
    name, split = DATASETS[dataset]
    try:
        seeds = results["dataset_seed"][name]
        runs: list[Mapping[str, Any]] = [results["all_results"][name, seed] for seed in seeds]
        values = tuple(float(run["eval_acc1es"][f"{split}@{run['epochs'] - 1}"]) for run in runs)
        seconds = [sum(map(float, run["train_times"].values())) for run in runs]
        return values, sum(seconds) / len(seconds)
    except (KeyError, TypeError, ZeroDivisionError, AttributeError) as error:
        raise CannotBench(f"{text} has no {split} accuracies of {name}: {type(error).__name__} {error}") from error
