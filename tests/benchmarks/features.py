"""Files of features of NAS-Bench-201, for ``bonanza bench nasbench201 --features FILE``: what the default makes of what is known beforehand.

    BONANZA_BENCH_DATA=FOLDER python -m tests.benchmarks.features OUT

FOLDER holds nasbench201.npz and nasbench201_hw_latency.npz. Written are, of every network (5,425),

    early-DATASET.jsonl     validation accuracy of one training of 12 epochs, where the table's values are of 200
    tenth-DATASET.jsonl     the same of every tenth network
    latency.jsonl           milliseconds on one device, which no search is for
    noise.jsonl             a random number

Zero-cost scores are written by ``bonanza score nasbench201 -n 5425``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bonanza.spaces import Architecture, space_from_spec

DATASETS = {"cifar10": "c10", "cifar100": "c100", "imagenet16-120": "in16"}


def networks(ops: np.ndarray, names: Sequence[str]) -> dict[int, Architecture]:
    """The first row of each network, by row."""
    space = space_from_spec({"kind": "nasbench201"})
    first: dict[str, tuple[int, Architecture]] = {}
    for row, edges in enumerate(ops):
        cell = space.validate({"edges": [names[op] for op in edges]})
        first.setdefault(cell.arch_id, (row, cell))
    return dict(first.values())


def write(path: Path, cells: dict[int, Architecture], name: str, values: np.ndarray) -> None:
    """One feature of ``cells``, by row."""
    lines = [
        json.dumps({"architecture": cell.json, "features": {name: float(values[row])}}) for row, cell in cells.items()
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path}: {name} of {len(cells):,} networks")


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.features", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    folder = os.environ.get("BONANZA_BENCH_DATA")
    if folder is None:
        raise SystemExit("set BONANZA_BENCH_DATA to the folder with nasbench201.npz")
    out.mkdir(parents=True, exist_ok=True)
    table = np.load(Path(folder) / "nasbench201.npz")
    latency = np.load(Path(folder) / "nasbench201_hw_latency.npz")["hw_latency_ms"][:, 0]
    cells = networks(table["ops"], [str(name) for name in table["op_names"]])
    tenth = {row: cells[row] for row in list(cells)[::10]}
    for dataset, short in DATASETS.items():
        early = table[f"{short}_val12"]
        write(out / f"early-{dataset}.jsonl", cells, "accuracy_epoch_12", early)
        write(out / f"tenth-{dataset}.jsonl", tenth, "accuracy_epoch_12", early)
    write(out / "latency.jsonl", cells, "latency_ms", latency)
    write(out / "noise.jsonl", cells, "noise", np.random.default_rng(0).standard_normal(len(latency)))


if __name__ == "__main__":
    main()
