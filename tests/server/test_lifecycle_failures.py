"""Failures: which kinds are tried again, what nobody can train, and what a row of them does to the study."""

from __future__ import annotations

import pytest

from tests.server.lab import TTL, Lab


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("oom", "pending"),
        ("infra", "pending"),
        ("lost", "pending"),
        ("nan", "failed"),
        ("code", "failed"),
        ("timeout", "failed"),
    ],
)
def test_the_kind_of_a_failure_decides_whether_it_is_tried_again(lab: Lab, kind: str, state: str) -> None:
    lab.study()
    trial = lab.one(worker_id="a")
    told = lab.fail(trial, kind)
    assert (told["accepted"], told["state"], told["error"]["kind"], told["attempts"]) == (True, state, kind, 1)
    again = lab.one(worker_id="a")
    assert (again["number"] == trial["number"]) == (state == "pending")


@pytest.mark.parametrize("kind", ["oom", "infra"])
def test_a_failure_that_keeps_coming_fails_the_trial_with_its_kind(lab: Lab, kind: str) -> None:
    lab.study(lease={"max_attempts": 2})
    for _ in range(2):
        trial = lab.one(worker_id="a")
        lab.fail(trial, kind)
    ended = lab.trial(0)
    assert (ended["state"], ended["error"]["kind"], ended["attempts"]) == ("failed", kind, 2)


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [("a", "b", "infeasible"), ("a", "a", "pending"), (None, None, "infeasible"), ("a", None, "infeasible")],
)
def test_a_cell_that_runs_out_of_memory_on_two_workers_is_infeasible(
    lab: Lab, first: str | None, second: str | None, state: str
) -> None:
    lab.study()
    for worker in (first, second):
        trial = lab.one(**({} if worker is None else {"worker_id": worker}))
        assert trial["number"] == 0
        lab.fail(trial, "oom")
    assert lab.trial(0)["state"] == state


def test_a_worker_may_call_a_cell_infeasible_or_cancel_its_trial(lab: Lab) -> None:
    lab.study()
    first, second = lab.ask(count=2)["trials"]
    told = lab.tell(first, outcome="infeasible", error={"kind": "oom", "message": "needs 100 GB"})
    assert (told["state"], told["error"]["message"]) == ("infeasible", "needs 100 GB")
    assert lab.tell(second, outcome="cancelled")["state"] == "cancelled"
    assert lab.queue(first["architecture"], second["architecture"])[0]["created"] is False
    assert lab.one()["number"] == 2


def test_failures_in_a_row_pause_the_study_with_the_reason(lab: Lab) -> None:
    lab.study(budget={"max_failures": 3})
    for kind in ("code", "infra", "nan"):
        assert lab.get()["state"] == "running"
        lab.fail(lab.one(worker_id="a"), kind)
    study = lab.get()
    assert study["state"] == "paused"
    assert "3 failures in a row" in study["state_reason"]
    assert lab.ask()["reason"] == "paused"
    assert lab.events()[-1]["data"]["by"] == "max_failures"
    lab.post("resume")
    lab.fail(lab.one(), "code")
    assert (lab.get()["state"], lab.get()["state_reason"]) == ("running", None)


def test_a_result_ends_a_row_of_failures(lab: Lab) -> None:
    lab.study(budget={"max_failures": 2})
    for result in ({"value": 80.0}, {"value": 10.0, "outcome": "pruned"}, {"value": 81.0}):
        lab.fail(lab.one(), "code")
        lab.tell(lab.one(), **result)
    lab.fail(lab.one(), "code")
    assert lab.get()["state"] == "running"
    lab.fail(lab.one(), "code")
    assert lab.get()["state"] == "paused"


def test_lost_workers_count_as_a_failure_once_their_trial_has_failed(lab: Lab) -> None:
    lab.study(budget={"max_failures": 1}, lease={"max_attempts": 2})
    lab.one()
    lab.pass_time(TTL)
    assert lab.get()["state"] == "running"
    lab.one()
    lab.pass_time(TTL)
    assert lab.get()["state"] == "paused"


def test_a_study_without_max_failures_is_never_paused_by_them(lab: Lab) -> None:
    lab.study(budget={"max_failures": None})
    for _ in range(25):
        lab.fail(lab.one(), "code")
    assert lab.get()["state"] == "running"
