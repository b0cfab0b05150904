"""What people do to trials: queue, import, cancel, retry, repeat, invalidate, annotate."""

from __future__ import annotations

import pytest

from tests.server.lab import SIX_CELLS, TTL, Json, Lab

CELLS: list[Json] = [{"choices": [depth, width]} for depth in (1, 2) for width in (16, 32, 64)]


def observed(*values: float, start: int = 0, **fields: object) -> Json:
    given = [{"architecture": CELLS[start + place], "value": value} for place, value in enumerate(values)]
    return {"observations": given} | fields


def test_queued_cells_come_by_priority_then_in_the_order_given(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    lab.queue(CELLS[0], CELLS[1])
    lab.queue(CELLS[2], priority=5)
    lab.queue(CELLS[3], priority=-5)
    got = lab.ask(count=4)["trials"]
    assert [trial["architecture"] for trial in got] == [CELLS[2], CELLS[0], CELLS[1], CELLS[3]]
    assert {trial["origin"] for trial in got} == {"queue"}


def test_the_priority_of_a_queued_trial_can_be_changed(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    _, second = lab.queue(CELLS[0], CELLS[1])
    assert lab.patch(second, priority=1)["priority"] == 1
    assert lab.numbers(2) == [1, 0]


def test_a_trial_that_was_started_before_comes_ahead_of_any_priority(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    lab.queue(CELLS[0])
    lab.release(lab.one())
    lab.queue(CELLS[1], priority=1_000_000)
    assert lab.numbers(2) == [0, 1]


def test_a_cell_the_study_has_comes_back_as_it_is(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    lab.post("observations", observed(90.0))
    queued = lab.queue(CELLS[0], CELLS[1], CELLS[1], tags=["mine"])
    assert [(entry["number"], entry["created"]) for entry in queued] == [(0, False), (1, True), (1, False)]
    assert [entry["state"] for entry in queued] == ["complete", "pending", "pending"]
    assert [entry["tags"] for entry in queued] == [[], ["mine"], ["mine"]]


def test_equal_networks_are_one_cell_however_they_are_written(lab: Lab) -> None:
    lab.study()
    same = [
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
        "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|",
        "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
    ]
    queued = lab.queue(*same)
    assert [entry["number"] for entry in queued] == [0, 0, 0]
    assert [entry["created"] for entry in queued] == [True, False, False]


def test_one_bad_cell_queues_nothing_and_is_pointed_at(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    problem = lab.post("queue", {"architectures": [CELLS[0], {"choices": [1, 17]}]}, status=422)
    assert problem["type"].endswith(":invalid-architecture")
    assert problem["errors"][0]["pointer"] == "/architectures/1/choices/1"
    assert lab.get("/trials")["trials"] == []


def test_a_cancelled_trial_stops_its_worker_and_its_cell_stays_away(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    trial = lab.one()
    assert lab.act(trial, "cancel", reason="too slow")["state"] == "cancelled"
    assert lab.beat(trial)["directive"] == "cancel"
    assert lab.queue(trial["architecture"])[0]["created"] is False
    got = lab.ask(count=6)
    assert trial["arch_id"] not in {other["arch_id"] for other in got["trials"]}
    assert len(got["trials"]) == 5


def test_a_pending_trial_can_be_cancelled_and_cancelling_twice_changes_nothing(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    [queued] = lab.queue(CELLS[0])
    assert lab.act(queued, "cancel")["state"] == "cancelled"
    before = lab.events()
    assert lab.act(queued, "cancel")["state"] == "cancelled"
    assert lab.events() == before
    assert lab.one()["arch_id"] != queued["arch_id"]


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_trial_with_a_result_can_be_neither_cancelled_nor_retried(lab: Lab, verb: str) -> None:
    lab.study()
    trial = lab.one()
    if verb == "retry":
        assert lab.act(trial, "retry", status=409)["state"] == "running"
    lab.tell(trial, 90.0)
    problem = lab.act(trial, verb, status=409)
    assert (problem["type"].rsplit(":", 1)[1], problem["state"]) == ("conflict", "complete")


@pytest.mark.parametrize("ended", ["failed", "infeasible", "cancelled", "lost"])
def test_retry_brings_a_trial_back_with_all_its_attempts(lab: Lab, ended: str) -> None:
    lab.study(lease={"max_attempts": 1})
    trial = lab.one(worker_id="a")
    if ended == "lost":
        lab.pass_time(TTL)
    else:
        lab.tell(trial, outcome=ended)
    lab.queue("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|", priority=9)
    back = lab.act(trial, "retry")
    assert (back["state"], back["attempts"], back["error"], back["finished_at"]) == ("pending", 0, None, None)
    again = lab.one(worker_id="a")
    assert (again["number"], again["attempts"], again["attempt"]["number"]) == (0, 1, 2)
    assert lab.tell(again, 88.0)["state"] == "complete"


def test_a_repeat_measures_the_same_cell_with_another_seed(lab: Lab) -> None:
    lab.study()
    first = lab.one()
    lab.tell(first, 90.0)
    made = lab.act(first, "repeat", count=2)["trials"]
    again = lab.act(made[0], "repeat")["trials"]
    got = lab.ask(count=3)["trials"]
    assert [trial["number"] for trial in got] == [trial["number"] for trial in (*made, *again)] == [1, 2, 3]
    assert {trial["repeat_of"] for trial in got} == {0}
    assert {trial["arch_id"] for trial in got} == {first["arch_id"]}
    assert {trial["origin"] for trial in got} == {"repeat"}
    assert len({trial["seed"] for trial in (first, *got)}) == 4
    for trial, value in zip(got, (91.0, 92.0, 93.0), strict=True):
        lab.tell(trial, value)
    [best] = lab.get("/best?k=4")["trials"]  # one cell, and what its four measurements say
    assert (best["number"], best["value"]) == (first["number"], 90.0)
    assert (best["posterior"]["count"], best["posterior"]["mean"]) == (4, pytest.approx(91.5))


def test_an_invalidated_result_is_kept_aside_and_its_cell_is_free_again(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    lab.post("observations", observed(90.0, 95.0, 80.0))
    assert lab.get()["best"]["number"] == 1
    assert lab.queue(CELLS[1])[0]["created"] is False
    gone = lab.patch(1, invalidate=True, note="wrong data split")
    assert (gone["invalidated"], gone["state"], gone["value"], gone["note"]) == (
        True,
        "complete",
        95.0,
        "wrong data split",
    )
    assert lab.get()["best"]["number"] == 0
    assert [trial["number"] for trial in lab.get("/best?k=9")["trials"]] == [0, 2]
    assert [event["kind"] for event in lab.events()][-2:] == ["trial.changed", "trial.invalidated"]
    [queued] = lab.queue(CELLS[1])
    assert (queued["created"], queued["number"]) == (True, 3)
    before = lab.events()
    lab.patch(1, invalidate=True)
    assert lab.events() == before


def test_an_invalidated_cell_may_be_proposed_again(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    for trial in lab.ask(count=6)["trials"]:
        lab.tell(trial, 1.0)
    assert lab.ask()["reason"] == "space_exhausted"
    lab.patch(4, invalidate=True)
    again = lab.one()
    assert (again["number"], again["arch_id"]) == (6, lab.trial(4)["arch_id"])


def test_only_a_completed_result_can_be_invalidated(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    assert lab.patch(trial, 409, invalidate=True, note="kept?")["state"] == "running"
    assert lab.trial(trial)["note"] == ""


def test_observations_become_trials_with_results(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    body = observed(90.0, 91.0)
    body["observations"][1] |= {"metrics": {"loss": 0.2}, "seed": 3, "source": "paper"}
    assert lab.post("observations", body) == {"added": 2, "measured": 0, "skipped": 0}
    trial = lab.trial(1)
    assert (trial["state"], trial["origin"], trial["value"], trial["seed"]) == ("complete", "import", 91.0, 3)
    assert (trial["metrics"], trial["attempts"]) == ({"loss": 0.2}, 0)
    assert lab.get()["best"]["number"] == 1
    assert lab.one()["architecture"] not in CELLS[:2]


@pytest.mark.parametrize(
    ("on_duplicate", "answer"),
    [("skip", {"added": 1, "measured": 0, "skipped": 2}), ("measure", {"added": 1, "measured": 1, "skipped": 1})],
)
def test_an_observation_of_a_cell_that_is_there_is_skipped_or_measured(
    lab: Lab, on_duplicate: str, answer: Json
) -> None:
    lab.study(space=SIX_CELLS)
    lab.post("observations", observed(90.0))
    lab.queue(CELLS[1])
    assert lab.post("observations", observed(91.0, 92.0, 93.0, on_duplicate=on_duplicate)) == answer
    complete, pending = lab.trial(0), lab.trial(1)
    assert (complete["value"], pending["state"]) == (90.0, "pending")
    assert [measured["value"] for measured in complete["measurements"]] == [91.0] * answer["measured"]
    assert lab.get()["trials"]["complete"] == 2


def test_an_observation_of_a_cell_that_is_there_can_refuse_the_lot(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    lab.post("observations", observed(90.0, start=2))
    problem = lab.post("observations", observed(1.0, 2.0, 3.0, on_duplicate="error"), status=409)
    assert (problem["trial"], problem["errors"][0]["pointer"]) == (0, "/observations/2/architecture")
    assert len(lab.get("/trials")["trials"]) == 1


def test_one_bad_value_imports_nothing(lab: Lab) -> None:
    lab.study(space=SIX_CELLS, objective={"name": "accuracy", "direction": "maximize", "bounds": [0, 100]})
    lab.post("observations", observed(1.0, 2.0, 300.0), status=422)
    assert lab.get("/trials")["trials"] == []


def test_a_note_changes_nothing_but_the_note(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    changed = lab.patch(trial, note="watch this", tags=["odd"])
    assert (changed["note"], changed["tags"], changed["state"]) == ("watch this", ["odd"], "running")
    before = lab.events()
    lab.patch(trial, note="watch this")
    assert lab.events() == before
