"""BONAS' transfer (Shi et al. 2020, arXiv 1911.09336, section 4.4.2): pretrained on cells of NAS-Bench-101 with six vertices, a search among those with seven.

    BONANZA_BENCH_DATA=FOLDER python -m tests.benchmarks.transfer [--seeds 3]

The paper counts the samples to the optimum of 359 thousand cells; here what ``bonas`` expects of a thousand cells that were not measured is compared with their
validation accuracies (Spearman's correlation), pretrained, from scratch, and as the guard chooses; once with the true accuracies of the smaller
cells, and once with these shuffled, which is a source that fits nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from bonanza.spaces import Architecture, space_from_spec
from bonanza_server.bench.nasbench101 import read
from bonanza_server.search.correlation import spearman
from bonanza_server.search.embedder import Sample, embedder
from bonanza_server.search.history import History, Source
from bonanza_server.search.options import BonasOptions
from bonanza_server.search.strategy import strategy_from_spec
from bonanza_server.search.surrogates.bayesian_regression import BayesianRegression
from tests.benchmarks.predictors import observations, spread

SOURCE = 1_000
"""Cells of six vertices that are measured before the search among those of seven begins."""
JUDGED = 1_000
RESULTS = (10, 20, 50, 100)
Cells = list[tuple[Architecture, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each source and number of results."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.transfer", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args(arguments)
    folder = os.environ.get("BONANZA_BENCH_DATA")
    if folder is None:
        parser.error("set BONANZA_BENCH_DATA to the folder of nasbench101_20k.npz")
    torch.set_num_threads(1)
    space = space_from_spec({"kind": "nasbench101"})
    listed = [
        (space.validate(cell), fmean(values), len(cell["ops"]))
        for cell, values, _ in read(Path(folder) / "nasbench101_20k.npz")
    ]
    smaller, larger = ([(cell, value) for cell, value, vertices in listed if vertices == n] for n in (6, 7))
    print(
        f"{len(smaller):,} cells of six vertices, {len(larger):,} of seven; {given.seeds} seeds, mean ± standard deviation\n"
    )
    print(
        "| source | results | pretrained | from scratch | with the guard | pretrained chosen |\n|---|--:|--:|--:|--:|--:|"
    )
    for fits in (True, False):
        for results in RESULTS:
            rows = [compared(smaller, larger, results, seed, fits=fits) for seed in range(given.seeds)]
            found = [spread([row[column] for row in rows], 3) for column in range(3)]
            chosen = sum(row[3] for row in rows)
            source = "six vertices" if fits else "shuffled"
            print(f"| {source} | {results} | {' | '.join(found)} | {chosen:.0f} of {given.seeds} |", flush=True)
    return 0


def compared(
    smaller: Cells, larger: Cells, results: int, seed: int, *, fits: bool
) -> tuple[float, float, float, float]:
    """The correlations pretrained, from scratch and with the guard, and whether it chose to pretrain."""
    rng = np.random.default_rng(seed)
    before = [smaller[row] for row in rng.permutation(len(smaller))[:SOURCE]]
    drawn = [larger[row] for row in rng.permutation(len(larger))[: results + JUDGED]]
    if not fits:
        values = rng.permutation([value for _, value in before]).tolist()
        before = [(cell, value) for (cell, _), value in zip(before, values, strict=True)]
    known, other = drawn[:results], drawn[results:]
    cells, accuracies = [cell for cell, _ in other], [value for _, value in other]
    space = cells[0].space
    source = Source("smaller", space, True, observations(before))
    history = History(space, True, observations(known), (), frozenset(cell.arch_id for cell, _ in known), (source,))
    scratch = strategy_from_spec({"name": "bonas"}).fit(replace(history, sources=()), rng)
    guarded = strategy_from_spec({"name": "bonas", "pretrain_from": ["smaller"]}).fit(history, rng)
    own = Sample.of(history.observations, maximize=True)
    made = embedder(own, BonasOptions(pretrain_from=("smaller",)), (Sample.of(source.observations, maximize=True),))
    pretrained, _ = BayesianRegression.fit(made.embed(own.cells), np.array(own.targets)).predict(made.embed(cells))
    means = (pretrained, scratch.predict(cells)[0], guarded.predict(cells)[0])
    first, second, third = (spearman(predicted, accuracies) or 0.0 for predicted in means)
    return first, second, third, float(guarded.diagnostics["pretrained"])


if __name__ == "__main__":
    sys.exit(main())
