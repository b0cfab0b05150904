"""Leases: taken by ask, kept by heartbeats, given back, lost, taken up again; and what a worker learns of it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bonanza_server import upkeep
from tests.live import Clock, LiveServer
from tests.server.engine.searches import until
from tests.server.lab import SIX_CELLS, TTL, Lab


def expiry(answer: dict[str, Any]) -> float:
    return datetime.fromisoformat(answer["expires_at"]).timestamp()


def test_a_lease_that_runs_out_sends_its_trial_to_the_front_counted(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    lost = lab.one(worker_id="a")
    assert lost["attempts"] == 1
    other = [cell for cell in ({"choices": [1, 16]}, {"choices": [2, 32]}) if cell != lost["architecture"]]
    lab.queue(*other, priority=1000)
    lab.pass_time(TTL)
    assert (lab.trial(lost)["state"], lab.trial(lost)["attempt"]) == ("pending", None)
    again = lab.one(worker_id="b")
    assert (again["number"], again["attempt"]["number"], again["attempts"]) == (lost["number"], 2, 2)
    assert again["attempt"]["token"] != lost["attempt"]["token"]
    assert lab.kinds(lost) == ["trial.started", "trial.requeued", "trial.started"]


def test_a_lease_lasts_to_its_last_moment(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    lab.pass_time(TTL - 0.01)
    assert lab.trial(trial)["state"] == "running"
    lab.pass_time(0.01)
    assert lab.trial(trial)["state"] == "pending"


def test_heartbeats_and_reports_keep_a_lease(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    for step in range(4):
        lab.pass_time(TTL * 0.9)
        point = {"step": step, "metrics": {"loss": 1.0}}
        beat = (
            lab.beat(trial, progress=step / 4)
            if step % 2
            else lab.act(trial, "report", lease_token=trial["attempt"]["token"], points=[point])
        )
        assert beat["directive"] == "continue"
        assert expiry(beat) == lab.clock.now + TTL
    assert lab.trial(trial)["attempt"]["number"] == 1
    assert lab.kinds(trial) == ["trial.started"]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_last_attempt_that_is_lost_fails_its_trial_as_lost(lab: Lab, most: int) -> None:
    lab.study(lease={"max_attempts": most})
    numbers = set()
    for _ in range(most):
        numbers.add(lab.one()["number"])
        lab.pass_time(TTL)
    trial = lab.trial(0)
    assert numbers == {0}
    assert (trial["state"], trial["error"]["kind"], trial["attempts"]) == ("failed", "lost", most)
    assert lab.one()["number"] == 1


def test_a_released_trial_is_not_counted_and_goes_on_from_its_checkpoint(lab: Lab) -> None:
    lab.study(lease={"max_attempts": 1})
    trial = lab.one(worker_id="a")
    for epoch in range(3):
        answer = lab.release(trial, reason="preempted", checkpoint=f"s3://epoch{epoch}")
        assert (answer["state"], answer["attempts"]) == ("pending", 0)
        trial = lab.one(worker_id="b")
        assert (trial["number"], trial["attempt"]["checkpoint"]) == (0, f"s3://epoch{epoch}")
    assert trial["attempt"]["number"] == 4
    lab.release(trial)
    assert lab.one()["attempt"]["checkpoint"] == "s3://epoch2"


def test_an_attempt_that_fails_hands_its_checkpoint_on_too(lab: Lab) -> None:
    lab.study()
    trial = lab.one(worker_id="a")
    lab.fail(trial, "infra", checkpoint="s3://epoch7")
    again = lab.one(worker_id="b")
    assert again["attempt"]["checkpoint"] == "s3://epoch7"
    lab.fail(again, "oom", checkpoint="s3://epoch8")
    last = lab.one(worker_id="c")
    assert lab.fail(last, "oom", checkpoint="s3://epoch9")["state"] == "infeasible"
    lab.act(last, "retry")
    assert lab.one()["attempt"]["checkpoint"] == "s3://epoch9"


def test_a_release_of_a_lease_that_is_over_changes_nothing(lab: Lab) -> None:
    lab.study()
    trial = lab.one(worker_id="a")
    lab.pass_time(TTL)
    taken = lab.one(worker_id="b")
    before = lab.events()
    assert lab.release(trial)["state"] == "running"
    assert lab.events() == before
    assert lab.beat(taken)["directive"] == "continue"


def test_a_worker_learns_at_its_next_heartbeat_that_another_has_its_trial(lab: Lab) -> None:
    lab.study()
    trial = lab.one(worker_id="a")
    lab.pass_time(TTL)
    taken = lab.one(worker_id="b")
    answer = lab.beat(trial)
    assert (answer["directive"], answer["expires_at"]) == ("superseded", None)
    assert lab.beat(taken)["directive"] == "continue"


def test_a_worker_that_gave_its_trial_back_holds_it_no_more(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    lab.release(trial)
    assert lab.beat(trial)["directive"] == "superseded"
    assert lab.trial(trial)["state"] == "pending"


def test_a_worker_that_was_cut_off_gets_its_lease_again_while_nobody_has_its_trial(lab: Lab) -> None:
    lab.study(lease={"max_attempts": 2})
    trial = lab.one(worker_id="a")
    lab.pass_time(TTL + 100)
    assert lab.trial(trial)["state"] == "pending"
    answer = lab.beat(trial)
    assert (answer["directive"], expiry(answer)) == ("continue", lab.clock.now + TTL)
    back = lab.trial(trial)
    assert (back["state"], back["attempts"], back["attempt"]["number"]) == ("running", 1, 1)
    assert lab.one(worker_id="b")["number"] == 1
    told = lab.tell(trial, 91.0)
    assert (told["state"], told["late"]) == ("complete", False)


def test_a_lease_taken_up_again_after_a_retry_counts_as_one(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    lab.pass_time(TTL)
    lab.act(trial, "cancel")
    assert lab.act(trial, "retry")["attempts"] == 0
    assert lab.beat(trial)["directive"] == "continue"
    assert lab.trial(trial)["attempts"] == 1
    assert lab.release(trial)["attempts"] == 0


def test_an_attempt_that_has_told_does_not_come_back(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    lab.pass_time(TTL)
    assert lab.fail(trial, "infra")["accepted"] is False
    assert lab.beat(trial)["directive"] == "superseded"
    assert lab.trial(trial)["state"] == "pending"


def test_no_heartbeat_outlives_the_time_a_trial_may_take(lab: Lab) -> None:
    lab.study(lease={"ttl_s": 60, "trial_timeout_s": 100})
    trial = lab.one()
    started = lab.clock.now
    assert expiry(trial["attempt"]) == started + 60
    lab.pass_time(50)
    assert expiry(lab.beat(trial)) == started + 100
    lab.pass_time(49)
    assert expiry(lab.beat(trial)) == started + 100
    lab.pass_time(1)
    ended = lab.trial(trial)
    assert (ended["state"], ended["error"]["kind"]) == ("failed", "timeout")
    assert lab.beat(trial)["directive"] == "cancel"
    assert lab.tell(trial, 90.0)["late"] is True


def test_a_trial_over_its_time_is_told_to_stop_before_the_server_has_ended_it(lab: Lab) -> None:
    lab.study(lease={"ttl_s": 60, "trial_timeout_s": 30})
    trial = lab.one()
    lab.clock.advance(30)
    assert lab.beat(trial)["directive"] == "cancel"
    assert lab.trial(trial)["state"] == "running"
    lab.pass_time(0)
    assert lab.trial(trial)["state"] == "failed"


def test_the_time_a_trial_may_take_is_that_of_its_ask_whatever_the_study_says_later(lab: Lab) -> None:
    lab.study(lease={"trial_timeout_s": 50})
    trial = lab.one()
    lab.change(lease={"trial_timeout_s": None})
    lab.pass_time(50)
    ended = lab.trial(trial)
    assert (ended["state"], ended["error"]["kind"]) == ("failed", "timeout")
    assert ended["error"]["message"] == "ran for 50 s, longer than trial_timeout_s let it"
    again = lab.one()
    lab.pass_time(50)
    assert lab.beat(again)["directive"] == "continue"


def test_a_silent_worker_is_lost_even_where_that_is_noticed_after_the_time_the_trial_may_take(lab: Lab) -> None:
    lab.study(lease={"ttl_s": 60, "trial_timeout_s": 100})
    trial = lab.one()
    lab.pass_time(500)
    assert lab.trial(trial)["state"] == "pending"
    assert lab.events()[-1]["data"]["error"]["kind"] == "lost"


def test_a_trial_that_was_lost_goes_to_another_worker_if_it_can(lab: Lab) -> None:
    lab.study()
    first, second = lab.one(worker_id="a"), lab.one(worker_id="b")
    lab.pass_time(TTL)
    lab.patch(first, priority=9)
    assert lab.one(worker_id="a")["number"] == second["number"]
    assert lab.one(worker_id="a")["number"] == first["number"]


def test_reuse_gives_a_worker_back_what_it_holds_before_anything_new(lab: Lab) -> None:
    lab.study()
    mine = lab.ask(count=2, worker_id="a")["trials"]
    theirs = lab.one(worker_id="b")
    back = lab.ask(count=3, worker_id="a", reuse=True)["trials"]
    assert [trial["number"] for trial in back] == [0, 1, 3]
    assert [trial["attempt"]["token"] for trial in back[:2]] == [trial["attempt"]["token"] for trial in mine]
    assert theirs["number"] == 2
    assert lab.ask(count=1, worker_id="a", reuse=True)["trials"][0]["number"] == 0
    assert lab.ask(worker_id="a")["trials"][0]["number"] == 4


def test_reuse_gives_back_nothing_that_has_ended(lab: Lab) -> None:
    lab.study()
    done, lost, kept = lab.ask(count=3, worker_id="a")["trials"]
    lab.tell(done, 1.0)
    lab.pass_time(TTL / 2)
    lab.beat(kept)
    lab.pass_time(TTL / 2)
    back = lab.ask(count=2, worker_id="a", reuse=True)["trials"]
    assert [(trial["number"], trial["attempt"]["number"]) for trial in back] == [
        (kept["number"], 1),
        (lost["number"], 2),
    ]


def test_reuse_prolongs_the_lease_of_what_it_gives_back(lab: Lab) -> None:
    lab.study(lease={"ttl_s": 60, "trial_timeout_s": 100})
    held = lab.one(worker_id="a")
    lab.pass_time(TTL - 1)
    (back,) = lab.ask(worker_id="a", reuse=True)["trials"]
    assert back["attempt"]["token"] == held["attempt"]["token"]
    assert expiry(back["attempt"]) == lab.clock.now + 41  # of its hundred seconds 59 are spent
    lab.pass_time(40)
    assert lab.trial(held)["state"] == "running"
    lab.clock.advance(1)  # its time is over, though nobody has looked yet
    (other,) = lab.ask(worker_id="a", reuse=True)["trials"]
    assert other["number"] != held["number"]


def test_reuse_works_in_a_study_that_starts_nothing(lab: Lab) -> None:
    lab.study()
    held = lab.one(worker_id="a")
    lab.post("pause")
    answer = lab.ask(count=2, worker_id="a", reuse=True)
    assert [trial["number"] for trial in answer["trials"]] == [held["number"]]
    assert answer["reason"] == "paused"


def test_a_token_of_another_trial_is_refused(lab: Lab) -> None:
    lab.study()
    first, second = lab.ask(count=2)["trials"]
    second["attempt"] = first["attempt"]
    problem = lab.tell(second, 90.0, status=422)
    assert problem["type"].endswith(":unknown-token")
    assert lab.act(second, "heartbeat", 422, lease_token="nonsense")["type"].endswith(":unknown-token")
    assert lab.act(99, "release", 404, lease_token="nonsense")["type"].endswith(":not-found")


def test_leases_get_the_length_of_an_outage_back(database_url: str) -> None:
    clock = Clock()
    with LiveServer(database_url, clock=clock, fit_slots=0, upkeep_s=3600) as server:
        server.study(lease={"ttl_s": 60, "trial_timeout_s": 90})
        trial = server.one()
        before = datetime.fromisoformat(trial["attempt"]["expires_at"])
        clock.advance(50)
    clock.advance(100_000)
    with LiveServer(database_url, clock=clock, fit_slots=0, upkeep_s=3600) as server:
        server.look_after_leases()
        after = server.trial(0)["attempt"]["expires_at"]
        assert datetime.fromisoformat(after) - before == timedelta(seconds=100_000)
        clock.advance(9)
        beat = {"lease_token": trial["attempt"]["token"]}
        answer = server.post("/v1/studies/s/trials/0/heartbeat", beat)
        assert expiry(answer) == clock.now + 31  # 90 s of its own time, not of the server's absence
        clock.advance(31)
        server.look_after_leases()
        assert server.trial(0)["error"]["kind"] == "timeout"


def test_a_server_that_was_held_up_gives_the_time_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by SIGSTOP, a paused container, or a laptop put to sleep; here its one thread is made to hang."""
    monkeypatch.setattr(upkeep, "SIGN_OF_LIFE_S", 0.2)
    monkeypatch.setattr(upkeep, "HELD_UP_S", 1.0)
    with LiveServer(f"sqlite:///{tmp_path}/studies.db", fit_slots=0, upkeep_s=0.1) as server:
        server.study(lease={"ttl_s": 60})
        trial = server.one()
        server.loop.call_soon_threadsafe(time.sleep, 3)
        until(lambda: expiry(server.trial(0)["attempt"]) - expiry(trial["attempt"]) > 2)
