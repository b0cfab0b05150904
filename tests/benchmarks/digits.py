"""A whole search with real trainings on a laptop: the best cell of 30 trials on scikit-learn's digits, trained on.

    python -m tests.benchmarks.digits [--trials 30] [--strategy bonanza] [--seed 0] [--epochs 20]

NAS-Bench-201's space, an embedded server, one worker's evaluator (``train:digits``) in this process. The search sees the validation
part; the cell it recommends is then trained by the protocol ``proxy`` on training and validation images together, and measured on the test part,
once. Prints the best value so far, the test accuracy of the best cell and of the first (random) cell by the same training, and the time; exits 1 below 97 %.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import torch

import bonanza
from bonanza.spaces import Architecture
from bonanza.worker.evaluator import TrialContext
from bonanza.worker.protocols import PROXY
from bonanza.worker.single import sparkline
from bonanza.worker.train_evaluator import TrainEvaluator
from tests.live import LiveServer

TARGET = 97.0


def final(cell: Architecture, epochs: int, folder: Path) -> float:
    """The test accuracy of a cell trained on all that is not the test part."""
    protocol = PROXY.changed({"epochs": epochs, "crop": 1, "fit": "train+validation", "test": True})
    evaluator = TrainEvaluator("digits", protocol=protocol, may_test=True, checkpoints=folder)
    return evaluator.train(cell, TrialContext(seed=1)).result.metrics["test_accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--strategy", default="bonanza")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    began, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        evaluator = TrainEvaluator("digits", checkpoints=folder)
        best: list[float] = []
        with (
            LiveServer(f"sqlite:///{folder}/digits.db", fit_slots=1) as server,
            bonanza.Client(f"http://127.0.0.1:{server.port}") as client,
        ):
            study = client.create_study(
                "digits",
                space={"kind": "nasbench201"},
                objective="accuracy",
                strategy=options.strategy,
                budget={"max_trials": options.trials},
                protocol={"name": "digits"},
                seed=options.seed,
            )
            cells: list[tuple[float, Architecture]] = []
            for trial in study:
                result = evaluator.evaluate(trial.arch, TrialContext(trial.number, seed=trial.seed))
                assert result.value is not None
                trial.tell(result.value, metrics=result.metrics, cost=result.cost, protocol=result.protocol)
                cells.append((result.value, trial.arch))
                best.append(max(value for value, _ in cells))
                print(
                    f"trial {trial.number:2}  {result.value:6.2f}  best {best[-1]:6.2f}  {trial.record.origin:11}  {trial.arch.text}",
                    flush=True,
                )
        searched = time.monotonic() - began
        chosen, first = max(cells, key=lambda cell: cell[0])[1], cells[0][1]
        tested = final(chosen, options.epochs, folder)
        whole = time.monotonic() - began
        compared = final(first, options.epochs, folder)
    print(f"\nbest so far   {sparkline(best)}  {best[0]:.2f} to {best[-1]:.2f} % on the validation part")
    print(f"best cell     {chosen.text}: {tested:.2f} % on the test part (359 images), target {TARGET:g}")
    print(f"first cell    {first.text}: {compared:.2f} % by the same training")
    print(
        f"time          {whole:.0f} s in all, {searched:.0f} of them searching; {time.process_time() - cpu:.0f} s of this process' CPU time"
    )
    print(
        f"machine       {os.cpu_count()} cores ({platform.processor() or platform.machine()}), torch {torch.__version__}, {torch.get_num_threads()} thread"
    )
    sys.exit(tested < TARGET)


if __name__ == "__main__":
    main()
