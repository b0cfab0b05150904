"""How often the intervals of RI cover the truth, on real table runs: ``python -m tests.benchmarks.coverage --out coverage``.

An experiment is 8 searches and 200 random cells of NAS-Bench-201, each trained once with the augmentation seed of the experiment; the truth is 100 (s - r) / r with s the
mean of 1,000 further searches and r of 20,000 further cells. Of 200 experiments 92 to 98 % must cover. What is finished is kept in OUT and is not run again.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from bonanza_server.bench.contestant import parse
from bonanza_server.bench.table import load
from bonanza_server.evaluation.experiment import Terms, random_cell, search
from bonanza_server.evaluation.interval import interval
from bonanza_server.evaluation.journal import Journal
from bonanza_server.evaluation.measuring import TableMeasurer

TERMS = Terms(trials=50, top=0)


def coverage(
    dataset: str, *, experiments: int, searches: int, cells: int, further: int, folder: Path, terms: Terms = TERMS
) -> tuple[float, float]:
    """The part of the experiments whose interval covers the truth, and the truth."""
    measurer = TableMeasurer(load("nasbench201", dataset, "{}", True))
    contestant = parse("evolution", peer=False)
    journal = Journal(folder / f"{dataset}.jsonl")

    def searched(number: int, augmentation_seed: int) -> float:
        kept = journal.get(f"{number}/{augmentation_seed}")
        if kept is None:
            found = search(measurer, contestant, number, replace(terms, augmentation_seed=augmentation_seed))
            assert found is not None, "a table has every cell"
            kept = {"value": found.value}
            journal.add(f"{number}/{augmentation_seed}", kept)
        return float(kept["value"])

    def random(number: int, augmentation_seed: int) -> float:
        value = random_cell(measurer, number, replace(terms, augmentation_seed=augmentation_seed))
        assert value is not None, "a table has every cell"
        return value

    taken = experiments * searches
    s = fmean(searched(taken + k, 1_000 + k) for k in range(further))
    r = fmean(random(experiments * cells + k, 1_000 + k) for k in range(20 * further))
    truth = 100.0 * (s - r) / r
    covered = 0
    for number in range(experiments):
        x = [searched(number * searches + k, number) for k in range(searches)]
        y = [random(number * cells + k, number) for k in range(cells)]
        bounds = interval(x, y)
        covered += bounds is not None and bounds[0] <= truth <= bounds[1]
    return covered / experiments, truth


def main() -> None:
    """Print the coverage on each data set; exit 1 where it is out of range."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", default="cifar10,cifar100,imagenet16-120")
    parser.add_argument("--experiments", type=int, default=200)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--further", type=int, default=1_000)
    parser.add_argument("--out", type=Path, default=Path("coverage"))
    given = parser.parse_args()
    failed = False
    for dataset in given.datasets.split(","):
        part, truth = coverage(
            dataset,
            experiments=given.experiments,
            searches=8,
            cells=given.cells,
            further=given.further,
            folder=given.out,
        )
        failed |= not 0.92 <= part <= 0.98
        print(f"{dataset}: RI {truth:.2f} %, covered by {part:.1%} of {given.experiments} intervals", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
