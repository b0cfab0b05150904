"""Tells: results told once, again, differently, or late; and which is best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.server.lab import TTL, Json, Lab


def test_a_result_completes_its_trial(lab: Lab) -> None:
    lab.study()
    trial = lab.one(worker_id="a")
    told = lab.tell(trial, 91.5, metrics={"loss": 0.3}, cost={"seconds": 12.0}, seed=77)
    assert (told["accepted"], told["duplicate"], told["is_best"], told["late"]) == (True, False, True, False)
    kept = lab.trial(trial)
    assert (kept["state"], kept["value"], kept["values"]) == ("complete", 91.5, {"accuracy": 91.5})
    assert (kept["metrics"], kept["cost"], kept["seed"]) == ({"loss": 0.3}, {"seconds": 12.0}, 77)
    assert kept["attempt"] is None
    assert lab.beat(trial)["directive"] == "superseded"


def test_the_same_result_told_again_changes_nothing(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    lab.tell(trial, 91.5, metrics={"loss": 0.3})
    before = lab.events()
    again = lab.tell(trial, 91.5, metrics={"loss": 0.3})
    assert (again["accepted"], again["duplicate"], again["is_best"]) == (True, True, False)
    assert lab.events() == before


@pytest.mark.parametrize(
    "other",
    [
        {"value": 92.0},
        {"value": 91.5, "metrics": {"loss": 0.4}},
        {"value": 91.5, "outcome": "pruned"},
        {"outcome": "failed", "error": {"kind": "nan"}},
    ],
    ids=["value", "metrics", "outcome", "failure"],
)
def test_another_result_of_the_same_attempt_is_a_conflict_and_the_first_is_kept(lab: Lab, other: Json) -> None:
    lab.study()
    trial = lab.one()
    lab.tell(trial, 91.5)
    before = lab.events()
    problem = lab.tell(trial, status=409, **other)
    assert problem["type"].endswith(":result-conflict")
    assert problem["stored"]["value"] == 91.5
    assert problem["sent"]["outcome"] == other.get("outcome", "complete")
    assert problem["sent"]["value"] == other.get("value")
    assert lab.trial(trial)["value"] == 91.5
    assert lab.events() == before


def test_the_way_out_that_a_conflict_names_replaces_the_result(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    lab.tell(trial, 91.5)
    assert "PATCH the trial with invalidate: true, then POST" in lab.tell(trial, 19.5, status=409)["detail"]
    lab.patch(trial, invalidate=True)
    lab.post("observations", {"observations": [{"architecture": trial["architecture"], "value": 19.5}]})
    (best,) = lab.get("/best")["trials"]
    assert (best["arch_id"], best["value"]) == (trial["arch_id"], 19.5)


def expired(lab: Lab, trial: Json) -> None:
    lab.pass_time(TTL)


def taken_by_another(lab: Lab, trial: Json) -> None:
    lab.pass_time(TTL)
    assert lab.one(worker_id="b")["number"] == trial["number"]


def told_by_another(lab: Lab, trial: Json, **told: Any) -> None:
    lab.pass_time(TTL)
    lab.tell(lab.one(worker_id="b"), **told)


def lost(lab: Lab, trial: Json) -> None:
    for _ in range(2):
        lab.pass_time(TTL)
        assert lab.one(worker_id="b")["number"] == trial["number"]
    lab.pass_time(TTL)


def failed(lab: Lab, trial: Json) -> None:
    told_by_another(lab, trial, outcome="failed", error={"kind": "code"})


def pruned(lab: Lab, trial: Json) -> None:
    told_by_another(lab, trial, outcome="pruned", value=12.0)


def infeasible(lab: Lab, trial: Json) -> None:
    told_by_another(lab, trial, outcome="infeasible")


def cancelled(lab: Lab, trial: Json) -> None:
    lab.act(trial, "cancel")


def retried(lab: Lab, trial: Json) -> None:
    lab.act(trial, "cancel")
    lab.act(trial, "retry")


LATE: dict[str, tuple[Callable[[Lab, Json], None], str]] = {
    "pending": (expired, "pending"),
    "running elsewhere": (taken_by_another, "running"),
    "failed as lost": (lost, "failed"),
    "failed elsewhere": (failed, "failed"),
    "pruned elsewhere": (pruned, "pruned"),
    "infeasible elsewhere": (infeasible, "infeasible"),
    "cancelled": (cancelled, "cancelled"),
    "brought back": (retried, "pending"),
}


@pytest.mark.parametrize("case", LATE)
def test_a_late_result_of_a_trial_without_one_is_accepted(lab: Lab, case: str) -> None:
    happens, state = LATE[case]
    lab.study()
    trial = lab.one(worker_id="a")
    happens(lab, trial)
    assert lab.trial(trial)["state"] == state
    told = lab.tell(trial, 93.25)
    assert (told["accepted"], told["late"], told["duplicate"]) == (True, True, False)
    kept = lab.trial(trial)
    assert (kept["state"], kept["value"], kept["late"], kept["error"]) == ("complete", 93.25, True, None)
    assert lab.tell(trial, 93.25)["duplicate"] is True


def test_a_late_result_ends_the_live_attempt_which_learns_it_at_its_next_heartbeat(lab: Lab) -> None:
    lab.study()
    late = lab.one(worker_id="a")
    lab.pass_time(TTL)
    live = lab.one(worker_id="b")
    lab.tell(late, 93.0)
    assert lab.get()["trials"]["running"] == 0
    assert lab.beat(live)["directive"] == "superseded"
    assert lab.events()[-1]["data"]["superseded"] == live["attempt"]["number"]


def test_a_second_value_of_a_completed_trial_is_kept_as_a_further_measurement(lab: Lab) -> None:
    lab.study()
    late = lab.one(worker_id="a")
    lab.pass_time(TTL)
    quick = lab.one(worker_id="b")
    lab.tell(quick, 90.0)
    told = lab.tell(late, 92.0, metrics={"loss": 0.1}, seed=5)
    assert (told["accepted"], told["duplicate"], told["is_best"]) == (True, False, False)
    kept = lab.trial(late)
    assert (kept["value"], kept["late"]) == (90.0, False)
    measured = {"value": 92.0, "metrics": {"loss": 0.1}, "cost": {}, "seed": 5, "attempt": 1}
    assert kept["measurements"] == [measured]
    assert lab.kinds(late)[-1] == "trial.measured"
    assert lab.get()["model"]["lag"] == 2
    assert lab.tell(late, 92.0, metrics={"loss": 0.1}, seed=5)["duplicate"] is True
    assert len(lab.trial(late)["measurements"]) == 1


@pytest.mark.parametrize("case", ["pending", "failed as lost"])
def test_a_trial_pruned_late_ends_where_nobody_works_on_it(lab: Lab, case: str) -> None:
    lab.study()
    trial = lab.one(worker_id="a")
    LATE[case][0](lab, trial)
    told = lab.tell(trial, outcome="pruned", value=40.0, seed=9)
    assert (told["accepted"], told["state"], told["late"], told["value"]) == (True, "pruned", True, 40.0)
    assert (told["seed"], told["error"]) == (9, None)
    assert lab.one()["number"] == 1


@pytest.mark.parametrize("outcome", ["pruned", "failed", "infeasible", "cancelled"])
def test_no_late_word_but_a_value_moves_a_trial_that_another_is_working_on(lab: Lab, outcome: str) -> None:
    lab.study()
    late = lab.one(worker_id="a")
    lab.pass_time(TTL)
    live = lab.one(worker_id="b")
    for duplicate in (False, True):
        told = lab.tell(late, outcome=outcome)
        assert (told["accepted"], told["duplicate"], told["state"]) == (False, duplicate, "running")
    assert lab.kinds(late) == ["trial.started", "trial.requeued", "trial.started", "trial.ignored"]
    assert lab.beat(live)["directive"] == "continue"


@pytest.mark.parametrize("verb", ["pause", "finish"])
def test_what_runs_may_still_tell_when_the_study_starts_nothing_more(lab: Lab, verb: str) -> None:
    lab.study()
    first, second = lab.ask(count=2)["trials"]
    lab.post(verb)
    assert lab.beat(first)["directive"] == "continue"
    assert lab.tell(first, 90.0)["state"] == "complete"
    assert lab.fail(second, "infra")["state"] == "pending"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"value": 100.5}, "/value"), ({"value": -1.0}, "/value"), ({"values": {"loss": 50.0}}, "/values")],
)
def test_a_value_that_cannot_be_is_refused_and_the_lease_goes_on(lab: Lab, body: Json, pointer: str) -> None:
    lab.study(objective={"name": "accuracy", "direction": "maximize", "bounds": [0, 100]})
    trial = lab.one()
    problem = lab.tell(trial, status=422, **body)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert lab.beat(trial)["directive"] == "continue"
    assert lab.tell(trial, values={"accuracy": 100.0})["value"] == 100.0


@pytest.mark.parametrize(
    ("direction", "told", "best"),
    [
        ("maximize", [90.0, 95.0, 80.0], [True, True, False]),
        ("minimize", [0.5, 0.7, 0.25], [True, False, True]),
    ],
)
def test_the_best_is_known_in_either_direction(lab: Lab, direction: str, told: list[float], best: list[bool]) -> None:
    lab.study(objective={"name": "loss", "direction": direction})
    trials = lab.ask(count=3)["trials"]
    answers = [lab.tell(trial, value) for trial, value in zip(trials, told, strict=True)]
    assert [answer["is_best"] for answer in answers] == best
    ranked = sorted(told, reverse=direction == "maximize")
    assert lab.get()["best"]["value"] == ranked[0]
    assert [trial["value"] for trial in lab.get("/best?k=3")["trials"]] == ranked


def test_of_equal_results_the_earliest_trial_is_best_whoever_told_first(lab: Lab) -> None:
    lab.study()
    first, second, third = lab.ask(count=3)["trials"]
    assert lab.tell(second, 90.0)["is_best"] is True
    assert lab.tell(third, 90.0)["is_best"] is False
    assert lab.tell(first, 90.0)["is_best"] is True
    assert lab.get()["best"]["number"] == 0
    assert lab.get("/best")["trials"][0]["number"] == 0
