"""What confirming is worth: ``python -m tests.benchmarks.confirm --runs 40 --out confirm``.

Two searches of equal cost on NAS-Bench-201, one training seed a query: one spends its whole budget on new cells and recommends the best single value, the other keeps 15 of
its trials back, trains the 5 best cells by the model's posterior mean with 3 further seeds, and recommends by the posterior. Compared is the mean accuracy of the cell
that each recommends, over all the table's seeds, in pairs of one seed. What is finished is kept in OUT.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean, stdev

from bonanza_server.bench.contestant import parse
from bonanza_server.bench.table import load
from bonanza_server.evaluation.experiment import SearchRun
from bonanza_server.evaluation.journal import Journal
from bonanza_server.evaluation.measuring import TableMeasurer

TOP, SEEDS = 5, 3


def pairs(dataset: str, strategy: str, *, trials: int, runs: int, folder: Path) -> list[tuple[float, float]]:
    """(after confirmation, of the luckiest value): the true mean accuracies of the recommended cells of each run."""
    measurer = TableMeasurer(load("nasbench201", dataset, "{}", True))
    contestant = parse(strategy, peer=False)
    journal = Journal(folder / "runs.jsonl")
    found = []
    for seed in range(runs):
        key = f"{dataset}/{strategy}/{trials}/{seed}"
        kept = journal.get(key)
        if kept is None:
            run = SearchRun(measurer, contestant, seed)
            run.advance(trials - TOP * SEEDS)
            confirmed = run.confirmed(TOP, SEEDS)
            run.advance(trials)  # the other goes on where this one began to confirm: up to there they are one search
            luckiest = run.luckiest()
            assert confirmed is not None, "a table has every cell"
            assert luckiest is not None
            kept = {"confirmed": measurer.truth(confirmed), "luckiest": measurer.truth(luckiest)}
            journal.add(key, kept)
        found.append((kept["confirmed"], kept["luckiest"]))
    return found


def main() -> None:
    """Print a table of the data sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", default="cifar10,cifar100,imagenet16-120")
    parser.add_argument("--strategy", default="bonanza")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("confirm"))
    given = parser.parse_args()
    print("| data set | confirmed | luckiest value | difference | better / worse |")
    print("|---|--:|--:|--:|--:|")
    for dataset in given.datasets.split(","):
        both = pairs(dataset, given.strategy, trials=given.trials, runs=given.runs, folder=given.out)
        gained = [after - lucky for after, lucky in both]
        error = stdev(gained) / len(gained) ** 0.5 if len(gained) > 1 else 0.0
        wins, losses = sum(one > 0 for one in gained), sum(one < 0 for one in gained)
        print(
            f"| {dataset} | {fmean(a for a, _ in both):.3f} | {fmean(b for _, b in both):.3f} "
            f"| {fmean(gained):+.3f} ± {error:.3f} | {wins} / {losses} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
