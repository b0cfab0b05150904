"""The report of a study: every part that its data allow, and of the others why not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime

from bonanza.schemas.report import (
    Missing,
    RankingChange,
    Recommended,
    RelativeImprovement,
    Report,
    Reproducibility,
    Smoothing,
    SurrogateQuality,
)
from bonanza.worker.protocols import protocol_hash
from bonanza_server.answers import TRIAL_STATES
from bonanza_server.evaluation.checklist import ENOUGH, checklist
from bonanza_server.evaluation.cost import cost_of, curve_of
from bonanza_server.evaluation.groups import Groups
from bonanza_server.evaluation.material import Material
from bonanza_server.evaluation.protocols import depth_change, protocol_results
from bonanza_server.evaluation.ranking import ranking_change
from bonanza_server.evaluation.relative_improvement import improvement
from bonanza_server.evaluation.sample import random_sample_of
from bonanza_server.evaluation.smoothing import FEWEST_CURVES, smoothing
from bonanza_server.evaluation.surrogate_quality import surrogate_quality
from bonanza_server.evaluation.transfer_effect import transfer_effect

Lacks = Callable[[str, str], None]
"""Notes a part that cannot be told, and why."""
CIRCUMSTANCES = ("torch", "numpy", "threads", "cpu")
NOTE = (
    "One search: the interval is of the training seeds of the recommended cell and of the random sample, not of the luck of another search; "
    "bonanza evaluate runs several"
)


def report_of(material: Material) -> Report:
    """Everything; never fails for want of data."""
    groups, study = Groups(material), material.study
    missing: list[Missing] = []

    def lacks(part: str, reason: str) -> None:
        missing.append(Missing(part=part, reason=reason))

    report = Report(
        study=study["name"],
        made_at=datetime.fromtimestamp(material.now, UTC),
        objective=study["objectives"][0]["name"],
        direction=study["objectives"][0]["direction"],
        strategy=study["strategy"],
        space=material.space if len(str(material.space)) < 4_000 else {"kind": material.space.get("kind"), "…": "cut"},
        description=study["description"],
        trials={state: study[state] for state in TRIAL_STATES},
        phases=dict(Counter(row["phase"] for row in groups.done)),
        random_sample=random_sample_of(groups.random) if groups.random else None,
        recommended=_recommended(groups),
        curve=curve_of(groups),
        cost=cost_of(groups),
        protocols=protocol_results(groups),
        transfer=transfer_effect(material.fits),
        reproducibility=_reproducibility(material),
        checklist=[],
        missing=[],
    )
    if not groups.done:
        what = f"none of its {study['next_number']} trials has one" if study["next_number"] else "it has no trial yet"
        failed = study["failed"] + study["infeasible"]
        why = f"; {failed} failed: look at the errors of the last" if failed else ""
        lacks("everything that is measured", f"the study has no result: {what}{why}")
    report.relative_improvement = _improvement(groups, lacks)
    report.seeds = _seeds(groups, lacks)
    report.depth = depth_change(groups)
    if report.depth is None:
        lacks("depth", "no cells were trained at two depths: repeat some with a protocol whose cells differ")
    report.smoothing = _smoothing(groups, lacks)
    report.surrogate = _surrogate(groups, lacks)
    if len(report.protocols) < 2:
        lacks(
            "protocols", "all results are by one protocol: POST …/repeat with another, with or without training tricks"
        )
    report.missing = missing
    report.checklist = checklist(report)
    return report


def _recommended(groups: Groups) -> Recommended | None:
    if groups.recommended is None:
        return None
    row, posterior = groups.recommended
    low, high = posterior.interval or (None, None)
    sign = -1.0 if groups.maximize else 1.0
    luckiest = min(groups.own, key=lambda one: (sign * one["value"], one["number"]))
    confirm_values = groups.confirmed.get(row["arch_id"], [])
    return Recommended(
        number=row["number"],
        arch_id=row["arch_id"],
        architecture=row["architecture"],
        mean=posterior.mean,
        std=posterior.std,
        low=low,
        high=high,
        count=posterior.count,
        confirmed=bool(confirm_values),
        confirm_values=confirm_values,
        luckiest_number=luckiest["number"],
        luckiest_value=luckiest["value"],
    )


def _improvement(groups: Groups, lacks: Lacks) -> RelativeImprovement | None:
    if not groups.random:
        lacks("relative improvement", f"no cell was sampled at random: add a baseline phase of {ENOUGH} cells")
        return None
    chosen = groups.recommended
    values = groups.confirmed.get(chosen[0]["arch_id"], []) if chosen is not None else []
    if not values:
        lacks(
            "relative improvement",
            "the best cell was not trained again: its one value was chosen for being high. POST …/confirm",
        )
        return None
    found = improvement(values, groups.random, maximize=groups.maximize, note=NOTE)
    if found is None:
        lacks("relative improvement", "the mean of the random cells is 0")
    elif found.interval is None:
        lacks("interval of the relative improvement", "it takes three values a side: confirm with more seeds")
    return found


def _seeds(groups: Groups, lacks: Lacks) -> RankingChange | None:
    found = ranking_change(list(groups.seed_pairs()), "first seed", "second seed")
    if found is None:
        lacks("seeds", "fewer than two cells were trained twice: confirm, or repeat some")
    return found


def _smoothing(groups: Groups, lacks: Lacks) -> Smoothing | None:
    done = {row["number"] for row in groups.own}
    curves: defaultdict[tuple[int, int], dict[int, dict[str, float]]] = defaultdict(dict)
    for number, attempt, step, metrics in groups.material.curves:
        if number in done:
            curves[number, attempt][step] = metrics
    named = Counter(name for points in curves.values() for name in (set.intersection(*map(set, points.values()))))
    objective = groups.study["objectives"][0]["name"]
    metric = objective if objective in named else next((name for name, _ in named.most_common() if "acc" in name), None)
    steps = Counter(
        tuple(sorted(points)) for points in curves.values() if metric and all(metric in m for m in points.values())
    )
    if not steps or metric is None:
        lacks("early stopping", f"no learning curves of {objective} were reported: POST …/report while training")
        return None
    shared, count = steps.most_common(1)[0]
    chosen = [[points[k][metric] for k in shared] for points in curves.values() if tuple(sorted(points)) == shared]
    found = smoothing(chosen, shared, metric, maximize=groups.maximize)
    if found is None:
        lacks("early stopping", f"{count} curves of {len(shared)} steps: it takes {FEWEST_CURVES} with the same steps")
    return found


def _surrogate(groups: Groups, lacks: Lacks) -> SurrogateQuality | None:
    predicted = [
        (row["number"], row["mean"], row["std"], row["value"])
        for row in groups.own
        if row["mean"] is not None and row["std"] is not None and row["repeat_of"] is None
    ]
    found = surrogate_quality(predicted)
    if found is None:
        lacks("surrogate", "fewer than two results had a prediction")
    return found


def _reproducibility(material: Material) -> Reproducibility:
    study = material.study
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for fit in material.fits:
        for name in CIRCUMSTANCES:
            if name in fit["diagnostics"]:
                seen[name].add(str(fit["diagnostics"][name]))
    protocol = None if study["protocol"] is None else protocol_hash(study["protocol"])
    circumstances = {name: ", ".join(sorted(values)) for name, values in seen.items()}
    key = "".join(letter if letter.isalnum() else "-" for letter in study["name"])
    year = datetime.fromtimestamp(material.now, UTC).year
    note = f"seed {study['seed']}, protocol {protocol or 'none'}, space {study['space_hash'][:16]}, events {material.events_hash[:16]}"
    citation = (
        f"@misc{{bonanza-{key},\n"
        f"  title = {{Architecture search {study['name']}, strategy {study['strategy']['name']}}},\n"
        f"  year = {{{year}}},\n"
        f"  howpublished = {{Bonanza {material.bonanza}, {study['last_event']} events}},\n"
        f"  note = {{{note}}}\n}}"
    )
    return Reproducibility(
        bonanza=material.bonanza,
        python=material.python,
        circumstances=circumstances,
        seed=study["seed"],
        space_hash=study["space_hash"],
        spec_hash=study["spec_hash"],
        protocol_hash=protocol,
        events=study["last_event"],
        events_hash=material.events_hash,
        citation=citation,
    )
