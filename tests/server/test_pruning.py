"""Early stopping: the directives of a real server, on both databases, against those of Optuna's pruners for the same curves."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import optuna
import pytest

from bonanza_server.lifecycle.modelling import read_history
from tests.server.expect import problem
from tests.server.lab import TWENTY_CELLS, Json, Lab

MEDIAN = {"name": "median", "startup_trials": 2, "warmup_steps": 1}
CASES: dict[str, tuple[Json, Callable[[], optuna.pruners.BasePruner]]] = {
    "median": (MEDIAN, lambda: optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1)),
    "median with intervals": (
        {"name": "median", "startup_trials": 1, "warmup_steps": 2, "interval_steps": 3, "min_trials": 2},
        lambda: optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=2, interval_steps=3, n_min_trials=2),
    ),
    "asha": (
        {"name": "asha", "min_steps": 1, "reduction": 3},
        lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    ),
    "asha of halves": (
        {"name": "asha", "min_steps": 2, "reduction": 2},
        lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
    ),
}


def report(lab: Lab, trial: Json, *points: tuple[int, float], metric: str = "accuracy") -> str:
    """What the server directs once it has the points."""
    told = [{"step": step, "metrics": {metric: value}} for step, value in points]
    answer = lab.act(trial, "report", lease_token=trial["attempt"]["token"], points=told)
    return str(answer["directive"])


def run(lab: Lab, *curve: float) -> Json:
    """A trial that reports the curve, a step each from 1 on, and completes with its last value."""
    trial = lab.one()
    for step, value in enumerate(curve, 1):
        report(lab, trial, (step, value))
    lab.tell(trial, curve[-1])
    return trial


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("case", CASES)
def test_directives_are_those_of_optuna_for_the_same_curves_in_the_same_order(
    case: str, direction: str, lab: Lab
) -> None:
    spec, make = CASES[case]
    lab.study(space=TWENTY_CELLS, objective={"name": "accuracy", "direction": direction}, pruner=spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = optuna.create_study(direction=direction, pruner=make(), storage=None)
    rng = random.Random(f"{case}/{direction}")
    live: list[tuple[Json, optuna.Trial, int]] = []
    pruned = started = 0
    while live or started < 14:
        if started < 14 and len(live) < 3:
            live.append((lab.one(), peer.ask(), 1))
            started += 1
        trial, other, step = live.pop(rng.randrange(len(live)))
        value = round(rng.gauss(50 + 3 * step, 10), 3)
        other.report(value, step)
        wanted = other.should_prune()
        assert report(lab, trial, (step, value)) == ("prune" if wanted else "continue"), (trial["number"], step)
        if wanted:
            lab.tell(trial, outcome="pruned")
            peer.tell(other, state=optuna.trial.TrialState.PRUNED)
            pruned += 1
        elif step == 9:
            lab.tell(trial, value)
            peer.tell(other, value)
        else:
            live.append((trial, other, step + rng.choice([1, 1, 1, 2]) if step < 8 else 9))
    assert 0 < pruned < 14


def test_a_decision_stays_whoever_asks_again_and_goes_with_the_trial(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, pruner={"name": "asha"})
    run(lab, 90.0, 91.0)
    trial = lab.one()
    assert report(lab, trial, (1, 10.0)) == "prune"
    assert lab.beat(trial)["directive"] == "prune"
    assert report(lab, trial, (2, 99.0)) == "prune"
    lab.release(trial)
    again = lab.one()
    assert again["number"] == trial["number"]
    assert lab.beat(again)["directive"] == "prune"


def test_a_trial_is_judged_once_at_a_rung_whoever_does_better_there_later(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, pruner={"name": "asha"})
    first = lab.one()
    assert report(lab, first, (1, 20.0)) == "continue"
    run(lab, 90.0)
    assert report(lab, first, (1, 20.0)) == "continue"
    assert report(lab, first, (2, 21.0)) == "continue"


def test_points_that_an_outage_held_back_are_judged_in_their_order(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, pruner={"name": "asha"})
    run(lab, 50.0, 60.0, 70.0)
    assert report(lab, lab.one(), (3, 99.0), (1, 40.0), (2, 45.0)) == "prune"
    assert report(lab, lab.one(), (3, 99.0), (1, 55.0), (2, 45.0)) == "continue"


def test_an_attempt_that_resumes_is_judged_with_what_the_one_before_it_reported(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, pruner={"name": "median", "startup_trials": 1})
    run(lab, 50.0, 60.0, 70.0)
    trial = lab.one()
    assert report(lab, trial, (1, 80.0)) == "continue"
    lab.release(trial, checkpoint="epoch 1")
    again = lab.one()
    assert report(lab, again, (2, 10.0)) == "continue"  # its best so far is 80


def test_another_metric_than_the_objective_may_be_compared(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, pruner={"name": "asha", "metric": "val 1.5 %"})
    for value, wanted in ((50.0, "continue"), (40.0, "prune")):
        trial = lab.one()
        assert report(lab, trial, (1, -value), metric="accuracy") == "continue"
        assert report(lab, trial, (2, value), metric="val 1.5 %") == wanted


def test_repeats_are_never_pruned_nor_pruned_by(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, pruner={"name": "asha"})
    first = run(lab, 50.0)
    lab.act(first, "repeat", count=2)
    for value in (10.0, 99.0):
        repeat = lab.one()
        assert (repeat["repeat_of"], report(lab, repeat, (1, value))) == (first["number"], "continue")
    assert report(lab, lab.one(), (1, 60.0)) == "continue"


def test_without_a_pruner_nothing_is_pruned(lab: Lab) -> None:
    assert lab.study(space=TWENTY_CELLS)["pruner"] == {"name": "none"}
    run(lab, 90.0)
    assert report(lab, lab.one(), (1, 0.0)) == "continue"


def test_a_pruned_trial_keeps_its_curve_and_the_model_is_behind(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, pruner={"name": "asha"})
    complete = run(lab, 50.0, 60.0, 70.0)
    lag = lab.get()["model"]["lag"]
    pruned = lab.one()
    report(lab, pruned, (1, 40.0))
    told = lab.tell(pruned, outcome="pruned")
    assert (told["state"], told["value"], told["is_best"]) == ("pruned", None, False)
    assert lab.get()["model"]["lag"] == lag + 1
    assert lab.get()["best"]["number"] == complete["number"]
    assert [event["data"]["curve"] for event in lab.events() if "curve" in event["data"]] == [
        [[1, 50.0], [2, 60.0], [3, 70.0]],
        [[1, 40.0]],
    ]

    def work(connection: Any) -> Any:
        found = connection.exec_driver_sql(f"SELECT id FROM studies WHERE name = '{lab.name}'").scalar_one()
        return read_history(connection, found)

    read = lab._database.read_now(work)
    assert [(number, curve) for number, _, curve in read.pruned] == [(pruned["number"], [[1, 40.0]])]
    assert read.curves == [([[1, 50.0], [2, 60.0], [3, 70.0]], 70.0)]


def test_a_long_curve_is_kept_in_few_points_with_its_last(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, pruner={"name": "asha"})
    trial = lab.one()
    report(lab, trial, *((step, float(step)) for step in range(1, 1000)))
    lab.tell(trial, 93.0)
    [curve] = [event["data"]["curve"] for event in lab.events() if "curve" in event["data"]]
    assert len(curve) <= 64
    assert (curve[0], curve[-1]) == ([1, 1.0], [999, 999.0])


@pytest.mark.parametrize(
    ("pruner", "pointer", "says"),
    [
        ({"name": "ahsa"}, "/pruner", "did you mean 'asha'"),
        ({"name": "hyperband"}, "/pruner", "There are none, median, asha"),
        ({}, "/pruner", "name"),
        ({"name": "asha", "min_step": 1}, "/pruner/min_step", "no such field"),
        ({"name": "asha", "reduction": 1}, "/pruner/reduction", "greater than or equal to 2"),
        ({"name": "median", "warmup_steps": -1}, "/pruner/warmup_steps", "greater than or equal to 0"),
        ({"name": "median", "metric": 'a"b'}, "/pruner/metric", "pattern"),
        ("asha", "/pruner", "object"),
    ],
)
def test_a_pruner_that_is_none_is_refused_where_it_is_wrong(pruner: Any, pointer: str, says: str, lab: Lab) -> None:
    body = {"space": TWENTY_CELLS, "objective": {"name": "a", "direction": "maximize"}, "pruner": pruner}
    answer = lab.server.http.put(f"/v1/studies/{lab.name}", json=body)
    problem(answer, "invalid", at=pointer)
    assert says in answer.json()["detail"]
    lab.study()


def test_an_objective_whose_name_no_database_can_look_up_needs_a_metric_to_prune_by(lab: Lab) -> None:
    body = {"space": TWENTY_CELLS, "objective": {"name": 'a"b', "direction": "maximize"}, "pruner": {"name": "asha"}}
    answer = lab.server.http.put(f"/v1/studies/{lab.name}", json=body)
    assert "pruner.metric" in problem(answer, "invalid")["detail"]
    lab.study(**body | {"pruner": {"name": "asha", "metric": "val"}})


def test_a_study_with_another_pruner_is_another_study(lab: Lab) -> None:
    body = {"space": TWENTY_CELLS, "objective": {"name": "a", "direction": "maximize"}}
    lab.study(**body, pruner={"name": "asha"})
    assert lab.study(**body, pruner={"name": "asha", "reduction": 3})["revision"] == 1
    answer = lab.server.http.put(f"/v1/studies/{lab.name}", json=body)
    assert problem(answer, "study-exists-different")["differences"]["pruner"]["sent"] == {"name": "none"}
