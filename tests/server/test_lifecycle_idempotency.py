"""Idempotency keys: a request sent again has its effect once and gets the same bytes."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.live import LiveServer
from tests.server.lab import SIX_CELLS, THREE_CELLS, TTL, Json, Lab


def send(lab: Lab, verb: str, body: Json, key: str) -> httpx.Response:
    path = f"/v1/studies/{lab.name}/{verb}"
    return lab.server.http.post(path, json=body, headers={"Idempotency-Key": f"{lab.name[:80]}/{key}"})


def test_an_ask_sent_again_gets_the_same_trial(lab: Lab) -> None:
    lab.study()
    first, again = (send(lab, "ask", {"count": 2, "wait_s": 0}, "k") for _ in range(2))
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    assert again.status_code == first.status_code == 200
    assert lab.get()["trials"]["running"] == 2


def test_an_ask_sent_again_gets_the_same_trial_after_it_has_ended(lab: Lab) -> None:
    lab.study()
    first = send(lab, "ask", {"wait_s": 0}, "k").json()
    lab.tell(first["trials"][0], 90.0)
    assert send(lab, "ask", {"wait_s": 0}, "k").json() == first


def test_another_request_under_a_used_key_is_refused(lab: Lab) -> None:
    lab.study()
    trial = send(lab, "ask", {"wait_s": 0}, "k").json()["trials"][0]
    other = send(lab, "ask", {"wait_s": 0, "count": 2}, "k")
    assert (other.status_code, other.json()["type"].rsplit(":", 1)[1]) == (422, "idempotency-key-reused")
    told = send(lab, "trials/0/tell", {"lease_token": trial["attempt"]["token"], "value": 1.0}, "k")
    assert told.status_code == 422
    assert lab.trial(0)["state"] == "running"


def test_an_ask_that_brought_nothing_may_be_sent_again_under_its_key(lab: Lab) -> None:
    lab.study(budget={"max_parallel": 1})
    trial = lab.one()
    assert send(lab, "ask", {"wait_s": 0}, "k").json()["trials"] == []
    lab.tell(trial, 90.0)
    assert [trial["number"] for trial in send(lab, "ask", {"wait_s": 0}, "k").json()["trials"]] == [1]


def test_a_request_that_was_refused_may_be_mended_under_another_key_and_sent_again_under_its_own(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    body = {"lease_token": trial["attempt"]["token"], "outcome": "complete", "value": 1.0}
    assert send(lab, "trials/0/cancel", {}, "k1").json()["state"] == "cancelled"
    assert send(lab, "trials/7/tell", body, "k2").status_code == 404
    assert send(lab, "trials/7/tell", body, "k2").status_code == 404
    assert send(lab, "trials/0/tell", body, "k3").json()["late"] is True


def tell(lab: Lab, trial: Json) -> tuple[str, Json]:
    return "trials/0/tell", {"lease_token": trial["attempt"]["token"], "value": 90.0}


def release(lab: Lab, trial: Json) -> tuple[str, Json]:
    return "trials/0/release", {"lease_token": trial["attempt"]["token"]}


def queue(lab: Lab, trial: Json) -> tuple[str, Json]:
    return "queue", {"architectures": [{"choices": [2, 64]}]}


def observations(lab: Lab, trial: Json) -> tuple[str, Json]:
    given = [{"architecture": {"choices": [depth, 64]}, "value": 1.0} for depth in (1, 2)]
    return "observations", {"observations": given, "on_duplicate": "measure"}


def repeat(lab: Lab, trial: Json) -> tuple[str, Json]:
    return "trials/0/repeat", {"count": 3}


def cancel_and_retry(lab: Lab, trial: Json) -> tuple[str, Json]:
    lab.act(trial, "cancel")
    return "trials/0/retry", {}


@pytest.mark.parametrize("make", [tell, release, queue, observations, repeat, cancel_and_retry])
def test_every_post_has_its_effect_once(lab: Lab, make: Callable[[Lab, Json], tuple[str, Json]]) -> None:
    lab.study(space=SIX_CELLS)
    verb, body = make(lab, lab.one())
    first = send(lab, verb, body, "k")
    assert first.is_success
    before = lab.events()
    again = send(lab, verb, body, "k")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert lab.events() == before


def test_a_key_survives_the_server(database_url: str) -> None:
    answers: list[bytes] = []
    for _ in range(2):
        with LiveServer(database_url, fit_slots=0) as server:
            server.study(space=THREE_CELLS)
            headers = {"Idempotency-Key": "k"}
            answers.append(server.http.post("/v1/studies/s/ask", json={"wait_s": 0}, headers=headers).content)
    assert answers[0] == answers[1]


def test_a_replayed_ask_does_not_lease_its_trial_again(lab: Lab) -> None:
    lab.study()
    send(lab, "ask", {"wait_s": 0}, "k")
    lab.pass_time(TTL)
    assert send(lab, "ask", {"wait_s": 0}, "k").json()["trials"][0]["number"] == 0
    assert lab.trial(0)["state"] == "pending"
