"""How well surrogates rank cells they have not seen: Kendall's tau on a pool of NAS-Bench-101.

    python -m tests.benchmarks.ranking FILE [--sizes 100,172,424] [--seeds 10] [--strategies bonanza,bonas,bananas]

FILE is a table as ``bonanza bench`` takes them, an archive or the official TFRecord. Each seed draws so many cells; every strategy's
surrogate is fitted to their validation accuracies and ranks all others. Published beside it: PINAT (Lu et al. 2023), .717, .764 and .812
after 100, 172 and 424 cells, with other cells drawn and the test accuracies of 4,000 to 423,000 others ranked, so not the same split.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from scipy.stats import kendalltau

from bonanza.spaces import Architecture
from bonanza_server.bench.contestant import parse
from bonanza_server.bench.table import Table, load
from bonanza_server.search.history import History, Observation
from bonanza_server.search.strategy import strategy_from_spec

PUBLISHED = {100: 0.717, 172: 0.764, 424: 0.812}


def tau(table: Table, cells: list[Architecture], strategy: str, size: int, seed: int) -> float:
    """Kendall's tau-b of the predictions and the means of all cells but the ``size`` that were drawn."""
    drawn = random.Random(seed).sample(range(len(cells)), size)
    known = [cells[row] for row in drawn]
    values = [entry.mean for cell in cells if (entry := table.entry(cell))]
    observed = tuple(
        Observation(cell, (values[row],), k) for k, (row, cell) in enumerate(zip(drawn, known, strict=True))
    )
    history = History(table.space, table.maximize, observed, (), frozenset(cell.arch_id for cell in known))
    model = strategy_from_spec(parse(strategy, peer=False).spec).fit(history, np.random.default_rng(seed))
    rest = sorted(set(range(len(cells))) - set(drawn))
    means, _ = model.predict([cells[row] for row in rest])
    return float(kendalltau(means, [values[row] for row in rest]).statistic)


def main() -> None:
    """Print a line a strategy and size, as they are done; those in ``--out`` are not done again."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.ranking", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--sizes", default="100,172,424")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--strategies", default="bonanza,bonas,bananas")
    parser.add_argument("--out", type=Path, help="JSON lines of what is done")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = load(str(arguments.file), "", "{}", True)
    cells = list(table.space.enumerate())
    done: dict[tuple[str, int, int], float] = {}
    if arguments.out and arguments.out.exists():
        for line in arguments.out.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            done[entry["strategy"], entry["size"], entry["seed"]] = entry["tau"]
    print(f"{table.name}: {len(cells):,} cells; {arguments.seeds} draws; mean ± standard error\n")
    print(
        "| surrogate of | cells | Kendall tau | PINAT, other split | seconds |\n| --- | ---: | ---: | ---: | ---: |",
        flush=True,
    )
    for strategy in arguments.strategies.split(","):
        for size in map(int, arguments.sizes.split(",")):
            started = time.perf_counter()
            taus = []
            for seed in range(arguments.seeds):
                key = strategy, size, seed
                if key not in done:
                    done[key] = tau(table, cells, *key)
                    if arguments.out:
                        entry = {"strategy": strategy, "size": size, "seed": seed, "tau": done[key]}
                        with arguments.out.open("a", encoding="utf-8") as file:
                            file.write(json.dumps(entry) + "\n")
                taus.append(done[key])
            error = np.std(taus, ddof=1) / np.sqrt(len(taus)) if len(taus) > 1 else 0.0
            spent = (time.perf_counter() - started) / len(taus)
            published = f"{PUBLISHED[size]:.3f}" if size in PUBLISHED else "–"
            print(
                f"| {strategy} | {size} | {np.mean(taus):.3f} ± {error:.3f} | {published} | {spent:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
