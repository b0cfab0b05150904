"""What a study cost: hours of training by phase, of failures, of fits, and by the clock."""

from __future__ import annotations

from collections import defaultdict

from bonanza.schemas.report import Cost, Curve
from bonanza_server.evaluation.groups import Groups
from bonanza_server.evaluation.material import Material, Row
from bonanza_server.evaluation.sample import expected_best

HOUR = 3600.0
SEARCH = frozenset({"initial", "acquisition", "fallback"})
LOST = frozenset({"failed", "expired"})


def hours(row: Row, spent: dict[int, float]) -> float:
    """Of a trial: as its cost says in seconds, else from the start to the end of its attempts."""
    told = (row["cost"] or {}).get("seconds")
    return (spent.get(row["number"], 0.0) if told is None else float(told)) / HOUR


def seconds_of_attempts(material: Material, states: frozenset[str] | None = None) -> dict[int, float]:
    """Seconds from lease to end by trial, of attempts in ``states`` or of all that have ended."""
    spent: defaultdict[int, float] = defaultdict(float)
    for attempt in material.attempts:
        if attempt["ended_at"] is not None and (states is None or attempt["state"] in states):
            spent[attempt["number"]] += attempt["ended_at"] - attempt["leased_at"]
    return spent


def cost_of(groups: Groups) -> Cost:
    """The whole bill."""
    material = groups.material
    spent = seconds_of_attempts(material)
    by: defaultdict[str, float] = defaultdict(float)
    for row in groups.done:
        phase = row["phase"] if row["phase"] != "search" else "search" if row["origin"] in SEARCH else "other"
        by["other" if row["protocol"] is not None else phase] += hours(row, spent)
    failed = seconds_of_attempts(material, LOST)
    ended = max((row["finished_at"] for row in material.trials if row["finished_at"] is not None), default=None)
    tuning = (groups.study["protocol"] or {}).get("tuning_hours")
    return Cost(
        baseline_hours=by["baseline"],
        search_hours=by["search"],
        confirm_hours=by["confirm"],
        other_hours=by["other"],
        failed_hours=sum(failed.values()) / HOUR,
        fit_hours=sum(fit["seconds"] for fit in material.fits) / HOUR,
        wall_hours=0.0 if ended is None else (ended - groups.study["created_at"]) / HOUR,
        tuning_hours=float(tuning) if isinstance(tuning, int | float) and not isinstance(tuning, bool) else None,
    )


def curve_of(groups: Groups) -> Curve | None:
    """The best value so far by trials, by hours of training and by the clock; None without a result."""
    ordered = sorted(groups.own, key=lambda row: (row["finished_at"], row["number"]))
    ordered = [row for row in ordered if row["phase"] != "confirm"]
    if not ordered:
        return None
    spent = seconds_of_attempts(groups.material)
    better = max if groups.maximize else min
    best, trained = ordered[0]["value"], 0.0
    curve = Curve(trials=[], best=[], hours=[], wall_hours=[])
    for count, row in enumerate(ordered, 1):
        best, trained = better(best, row["value"]), trained + hours(row, spent)
        curve.trials.append(count)
        curve.best.append(best)
        curve.hours.append(trained)
        curve.wall_hours.append((row["finished_at"] - groups.study["created_at"]) / HOUR)
    if groups.random:
        curve.random = list(expected_best(groups.random, len(ordered), maximize=groups.maximize))
    return curve
