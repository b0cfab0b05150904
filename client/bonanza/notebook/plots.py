"""The dashboard's pictures as matplotlib axes, for notebooks and papers: each function draws on ``ax``, or on a new figure's, and returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bonanza.errors import MissingExtra
from bonanza.notebook.baseline import random_search
from bonanza.schemas import StudyColumns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bonanza.study import Study

Against: TypeAlias = Literal["trials", "seconds", "clock"]
"""What a search has used: results, training seconds, or the wall clock."""

BLUE, GOLD, GREY, PALE = "#2f55d4", "#f0a500", "#626b7b", "#9fb0e6"
INVALIDATED = 2  # a flag of TrialColumns
LABELS = {"trials": "results", "seconds": "training hours", "clock": "hours since the study was created"}
MOST_EFFECTS = 16


def best(study: Study, ax: Axes | None = None, *, against: Against = "trials") -> Axes:
    """Every result, the best so far, and what random search would have reached, with a 5 to 95 % band."""
    ax = _axes(ax)
    columns = study.columns()
    trials, maximize = columns.trials, columns.study.objective.direction == "maximize"
    rows = _results(columns)
    values = [trials.value[row] or 0.0 for row in rows]
    x = _used(columns, rows, against)
    better = max if maximize else min
    reached: list[float] = []
    for value in values:
        reached.append(better(value, reached[-1]) if reached else value)
    band = random_search(_random(columns, rows), len(rows), maximize=maximize)
    if band is not None:
        ax.fill_between(x, band.low, band.high, color=GREY, alpha=0.12, linewidth=0)
        ax.plot(x, band.mean, color=GREY, linestyle="--", linewidth=1.2, label="random search")
    ax.plot(x, values, ".", color=PALE, markersize=5, label="results")
    ax.step(x, reached, where="post", color=BLUE, linewidth=2, label="best so far")
    records = [k for k in range(len(reached)) if k == 0 or reached[k] != reached[k - 1]]
    ax.plot([x[k] for k in records], [reached[k] for k in records], "o", color=GOLD, markersize=5)
    ax.set(xlabel=LABELS[against], ylabel=columns.study.objective.name, title=study.name)
    if rows:
        ax.set_ylim(*_range(values, reached))
        ax.legend(frameon=False)
    return ax


def predicted(study: Study, ax: Axes | None = None) -> Axes:
    """Measured values against those predicted when the cells were proposed, with the model's standard deviations."""
    ax = _axes(ax)
    columns = study.columns()
    trials = columns.trials
    rows = [row for row in _results(columns) if trials.mean[row] is not None]
    mean = [trials.mean[row] or 0.0 for row in rows]
    values = [trials.value[row] or 0.0 for row in rows]
    ax.errorbar(
        mean, values, xerr=[trials.std[row] or 0.0 for row in rows], fmt="o", color=BLUE, markersize=4, alpha=0.7,
        ecolor=PALE, elinewidth=0.8,
    )  # fmt: skip
    if rows:
        ends = [min(mean + values), max(mean + values)]
        ax.plot(ends, ends, color=GREY, linestyle="--", linewidth=1)
    tau = study.model().rank_correlation
    title = "" if tau is None else f" (Kendall's tau {tau:.2f})"
    ax.set(xlabel="predicted", ylabel="measured", title=f"{columns.study.objective.name}{title}")
    return ax


def atlas(study: Study, ax: Axes | None = None) -> Axes:
    """The cells of the study in the plane, coloured by value, among samples of the space; those under way are rings."""
    ax = _axes(ax)
    drawn, columns = study.atlas(), study.columns()
    value = dict(zip(columns.trials.number, columns.trials.value, strict=True))
    known = [k for k, number in enumerate(drawn.number) if value.get(number) is not None]
    pending = [k for k, number in enumerate(drawn.number) if value.get(number) is None]
    ax.scatter(drawn.space_x, drawn.space_y, s=6, color="#dfe3ea", linewidths=0)
    colours = [value[drawn.number[k]] or 0.0 for k in known]
    cmap = "plasma" if columns.study.objective.direction == "maximize" else "plasma_r"
    points = ax.scatter([drawn.x[k] for k in known], [drawn.y[k] for k in known], c=colours, s=26, cmap=cmap)
    ax.scatter([drawn.x[k] for k in pending], [drawn.y[k] for k in pending], s=44, facecolors="none", edgecolors=BLUE)
    if known:
        ax.figure.colorbar(points, ax=ax, label=columns.study.objective.name)
    ax.set(xticks=[], yticks=[], title=f"{study.name}: map of the space")
    return ax


def importance(study: Study, ax: Axes | None = None) -> Axes:
    """What the choices that matter most add to the mean, the other places held equal, with standard errors."""
    ax = _axes(ax)
    found = [
        (effect.effect, effect.error or 0.0, f"{place.pointer.removeprefix('/')}  {effect.choice}")
        for place in study.atlas().places
        for effect in place.effects
        if effect.effect is not None
    ]
    found = sorted(sorted(found, key=lambda one: -abs(one[0]))[:MOST_EFFECTS])
    ax.barh(
        [text for _, _, text in found],
        [effect for effect, _, _ in found],
        xerr=[error for _, error, _ in found],
        color=["#0d7a4f" if effect > 0 else "#b8263c" for effect, _, _ in found],
        ecolor=GREY,
        alpha=0.85,
    )
    ax.axvline(0.0, color=GREY, linewidth=0.8)
    ax.set(xlabel=f"{study.info.objective.name}, added", title=f"{study.name}: which choices help")
    return ax


def curves(study: Study, ax: Axes | None = None, *, metric: str | None = None) -> Axes:
    """The learning curves of the trials under way: ``metric``, or the first that they report."""
    ax = _axes(ax)
    attempts = study.live().attempts
    metric = metric or next((name for attempt in attempts for name in attempt.curve.metrics), None)
    for attempt in attempts:
        column = attempt.curve.metrics.get(metric or "")
        if column is not None:
            known = [(step, v) for step, v in zip(attempt.curve.step, column, strict=True) if v is not None]
            ax.plot(*zip(*known, strict=True), label=f"trial {attempt.trial}")
    ax.set(xlabel="step", ylabel=metric or "", title=f"{study.name}: being trained")
    if ax.lines:
        ax.legend(frameon=False)
    return ax


def _axes(ax: Axes | None) -> Any:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise MissingExtra("plots need matplotlib: pip install 'bonanza[plot]'") from error
    return pyplot.subplots(layout="constrained")[1]


def _results(columns: StudyColumns) -> list[int]:
    """The rows of valid results, in the order they came."""
    trials, complete = columns.trials, columns.states.index("complete")
    rows = [
        row
        for row in range(len(trials.number))
        if trials.state[row] == complete and trials.value[row] is not None and not trials.flags[row] & INVALIDATED
    ]
    return sorted(rows, key=lambda row: (trials.finished[row] or 0.0, row))


def _used(columns: StudyColumns, rows: list[int], against: Against) -> list[float]:
    trials = columns.trials
    if against == "trials":
        return [k + 1.0 for k in range(len(rows))]
    if against == "clock":
        return [(trials.finished[row] or 0.0) / 3600 for row in rows]
    spent, found = 0.0, []
    for row in rows:
        spent += trials.seconds[row] or 0.0
        found.append(spent / 3600)
    return found


def _random(columns: StudyColumns, rows: list[int]) -> list[float]:
    """The values of cells drawn at random: the baseline's where there is one, else the initial design's."""
    trials, names = columns.trials, columns.origins
    for origins in ({"baseline"}, {"initial", "fallback"}):
        found = [trials.value[row] or 0.0 for row in rows if names[trials.origin[row]] in origins]
        if len(found) >= 5:
            return found
    return []


def _range(values: list[float], reached: list[float]) -> tuple[float, float]:
    """From where most results are to a little beyond the best: a few cells that do not train would flatten the rest."""
    usual, best_value = sorted(values)[len(values) // 2], reached[-1]
    worst = usual - 1.2 * (best_value - usual)
    worst = max(worst, min(values)) if best_value >= usual else min(worst, max(values))
    margin = 0.06 * (best_value - worst) or 1.0
    low, high = sorted((worst - margin, best_value + margin))
    return low, high
