"""Regret curves with bands: the mean over the seeds and its standard error, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bonanza_server.bench.race import Outcome, Terms

SMALLEST = 1e-3
"""Regret that is drawn as none: a logarithmic axis has no zero."""
POINTS = 200


def can_plot() -> bool:
    """Whether matplotlib is installed (the extra ``plot``)."""
    return find_spec("matplotlib") is not None


def curves(outcomes: Mapping[str, Sequence[Outcome]], title: str, terms: Terms, path: Path) -> None:
    """Draw regret against trials, or against the virtual clock's hours where several workers make it one, to an SVG or PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    timed = terms.workers > 1
    for name, runs in outcomes.items():
        x, mean, error = band(runs, terms, timed=timed)
        line = axes.plot(x, np.maximum(mean, SMALLEST), label=name)[0]
        low, high = np.maximum(mean - error, SMALLEST), np.maximum(mean + error, SMALLEST)
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set_yscale("log")
    axes.set_xlabel("simulated GPU hours" if timed else "trials")
    axes.set_ylabel("regret")
    axes.set_title(title)
    axes.legend()
    figure.savefig(path)


def band(
    runs: Sequence[Outcome], terms: Terms, *, timed: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Where the curve is read, and the mean and standard error of the regrets there; a search that ended keeps its last regret."""
    end = max(run.hours[-1] for run in runs) if timed else float(terms.trials)
    x = np.linspace(end / POINTS, end, POINTS) if timed else np.arange(1.0, terms.trials + 1.0)
    rows = []
    for run in runs:
        times = np.asarray(run.hours) if timed else np.arange(1.0, len(run.regrets) + 1.0)
        values = np.array([np.nan, *(np.nan if one is None else one for one in run.regrets)])
        rows.append(values[np.searchsorted(times, x, side="right")])
    curve = np.array(rows)
    seen = ~np.isnan(curve).any(axis=0)
    curve = curve[:, seen]
    return x[seen], curve.mean(axis=0), curve.std(axis=0) / np.sqrt(len(runs))
