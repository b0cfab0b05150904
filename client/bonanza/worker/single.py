"""One architecture trained by hand, with one or more seeds, and what is kept of it: weights, the network as a file, the curves."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from bonanza.schemas.trial import Directive
from bonanza.spaces import Architecture
from bonanza.worker import networks
from bonanza.worker.evaluator import TrialContext
from bonanza.worker.networks import NoNetwork
from bonanza.worker.protocol import Protocol
from bonanza.worker.protocols import to_json
from bonanza.worker.train_evaluator import Trained, TrainEvaluator

BARS: Final = "▁▂▃▄▅▆▇█"


@dataclass
class Watch:
    """A link that shows a training to whoever sits before it: it calls ``step`` before every step, ``point`` after every epoch."""

    step: Callable[[], None]
    point: Callable[[int, Mapping[str, float]], None]
    stop: bool = False

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """An epoch is over."""
        self.point(step, metrics)

    def directive(self) -> Directive:
        """``yield`` once it is to stop."""
        self.step()
        return "yield" if self.stop else "continue"


@dataclass(frozen=True)
class Run:
    """The training with one seed."""

    seed: int
    trained: Trained

    def summary(self, protocol: Protocol | Any) -> dict[str, Any]:
        """Its values, under names that say of which part they are."""
        metrics = self.trained.result.metrics
        unit = "perplexity" if self.trained.curve.falls else "accuracy"
        last, best = metrics[f"{unit}_last"], metrics[f"{unit}_best"]
        on_test = getattr(protocol, "fit", "train") == "train+validation"
        return {
            "seed": self.seed,
            f"val_{unit}": None if on_test else last,
            f"val_{unit}_best": None if on_test else best,
            f"test_{unit}": metrics.get(f"test_{unit}"),
            "train_loss": metrics["train_loss"],
            "seconds": round(self.trained.result.cost["seconds"], 3),
            "curve": self.trained.curve.values,
        }


def train_by_hand(
    evaluator: TrainEvaluator, architecture: Architecture, seeds: Sequence[int], watch: Watch, out: Path | None
) -> dict[str, Any]:
    """Train with each seed; what came out, as JSON: the means over the seeds, and every run.

    Args:
        evaluator: has the data and the protocol.
        architecture: what to train.
        seeds: one training each.
        watch: sees it, and may stop it.
        out: a folder for weights, network and result; nothing is kept without.

    Raises:
        Stopped: ``watch`` stopped it; a checkpoint is left.
        OSError: the folder cannot be written.
    """
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # before hours are spent
    runs: list[dict[str, Any]] = []
    parameters = 0
    for seed in seeds:
        trained = evaluator.train(architecture, TrialContext(seed=seed, link=watch))
        parameters = networks.parameter_count(trained.network)
        run = Run(seed, trained).summary(evaluator.protocol)
        if out is not None:
            weights = {name: tensor.cpu() for name, tensor in trained.network.state_dict().items()}
            torch.save(weights, out / f"weights-{seed}.pt")
            run["weights"] = str(out / f"weights-{seed}.pt")
        runs.append(run)
    answer: dict[str, Any] = {
        **{name: _mean(runs, name) for name in runs[0] if name.startswith(("val_", "test_"))},
        "seconds": round(sum(run["seconds"] for run in runs), 3),
        "protocol": evaluator.protocol.name,
        "protocol_spec": to_json(evaluator.protocol),
        "protocol_hash": evaluator.protocol.hash,
        "data": evaluator.dataset,
        "space": architecture.space.kind,
        "architecture": architecture.json,
        "arch_id": architecture.arch_id,
        "parameters": parameters,
        "device": str(evaluator.execution.device),
        "torch": torch.__version__,
        "runs": runs,
    }
    if out is not None:
        answer |= _written(evaluator, architecture, out)
        (out / "result.json").write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    return answer


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """A curve as one line of bars, from its least to its greatest value; of a long one, evenly chosen points."""
    if len(values) > width:
        values = [values[round(k * (len(values) - 1) / (width - 1))] for k in range(width)]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(BARS[min(len(BARS) - 1, int((value - low) / span * len(BARS)))] for value in values)


def plot(answer: Mapping[str, Any], path: Path) -> bool:
    """Draw the curves into a file; False where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return False
    unit = "perplexity" if "val_perplexity" in answer else "accuracy"
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for run in answer["runs"]:
        axes.plot(range(1, len(run["curve"]) + 1), run["curve"], label=f"seed {run['seed']}")
    axes.set(
        xlabel="epoch",
        ylabel=unit if unit == "perplexity" else "accuracy, %",
        title=f"{answer['data']}, {answer['protocol']}",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    return True


def _written(evaluator: TrainEvaluator, architecture: Architecture, out: Path) -> dict[str, Any]:
    """The network as a file that needs torch only; none of a user's own builder."""
    try:
        source = evaluator.source(architecture)
    except NoNetwork:
        return {"network": None}
    path = out / "network.py"
    path.write_text(source, encoding="utf-8")
    return {"network": str(path)}


def _mean(runs: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [run[name] for run in runs if run[name] is not None]
    return statistics.fmean(values) if values else None
