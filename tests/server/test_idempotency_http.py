"""The Idempotency-Key as HTTP clients meet it: same bytes, said to be a replay, joined while under way, forgotten after a day."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.live import LiveServer, create_postgres_database
from tests.server.expect import problem
from tests.server.lab import Lab

DAY = 24 * 3600.0


@pytest.fixture
def key(lab: Lab) -> str:
    """A key that no other test uses."""
    return f"key of {lab.name}"


def send(lab: Lab, verb: str, body: Any, key: str, **given: Any) -> httpx.Response:
    path = f"/v1/studies/{lab.name}/{verb}"
    return lab.server.http.post(path, json=body, headers={"Idempotency-Key": key}, **given)


def test_a_replay_has_the_same_status_and_bytes_and_says_what_it_is(lab: Lab, key: str) -> None:
    lab.study()
    held = lab.one()
    for number, (verb, body) in enumerate(
        [
            ("ask", {"wait_s": 0, "count": 2}),
            (f"trials/{held['number']}/tell", {"lease_token": held["attempt"]["token"], "value": 90.0}),
            (f"trials/{held['number']}/repeat", {"count": 2}),
            ("queue", {"architectures": [{"edges": ["none"] * 6}]}),
            ("pause", {"reason": "a look"}),
        ]
    ):
        first = send(lab, verb, body, f"{key} {number}")
        again = send(lab, verb, body, f"{key} {number}")
        assert first.status_code in {200, 201}
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]


def test_a_key_belongs_to_one_path_and_one_body(lab: Lab, key: str) -> None:
    lab.study()
    send(lab, "ask", {"wait_s": 0}, key)
    events = lab.events()
    for verb, body in [("ask", {"wait_s": 0, "count": 2}), ("pause", {"wait_s": 0}), ("ask", None)]:
        problem(send(lab, verb, body, key), "idempotency-key-reused" if verb == "ask" else "invalid")
    problem(send(lab, "pause", {}, key), "idempotency-key-reused", says="use a new key for a new request")
    assert lab.events() == events


def test_a_request_that_was_refused_leaves_its_key_free(lab: Lab, key: str) -> None:
    lab.study()
    problem(send(lab, "trials/0/cancel", {}, key), "not-found")
    lab.one()
    assert send(lab, "trials/0/cancel", {}, key).json()["state"] == "cancelled"


def test_the_same_request_sent_while_the_first_waits_joins_it(lab: Lab, key: str) -> None:
    lab.study(budget={"max_parallel": 1})
    held = lab.one()
    with ThreadPoolExecutor(4) as clients:
        waiting = [clients.submit(send, lab, "ask", {"wait_s": 20}, key) for _ in range(4)]
        wait_until(lambda: len(lab.server.app.state.service.waiting.waiting(lab.name)) == 1)
        time.sleep(0.1)  # for the other three, which join and so do not wait in line
        lab.tell(held, 90.0)
        answers = [future.result(30) for future in waiting]
    assert len({answer.content for answer in answers}) == 1
    assert len(answers[0].json()["trials"]) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers].count(None) == 1
    assert lab.get()["trials"]["running"] == 1


def test_another_request_under_a_key_that_is_in_use_is_refused_at_once(lab: Lab, key: str) -> None:
    lab.study(budget={"max_parallel": 1})
    held = lab.one()
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(send, lab, "ask", {"wait_s": 20}, key)
        wait_until(lambda: len(lab.server.app.state.service.waiting.waiting(lab.name)) == 1)
        problem(send(lab, "ask", {"wait_s": 0}, key), "idempotency-key-reused", says="is in use for another request")
        lab.tell(held, 90.0)
        assert len(waiting.result(30).json()["trials"]) == 1


def test_a_client_that_hangs_up_does_not_take_the_request_from_one_that_joined_it(lab: Lab, key: str) -> None:
    lab.study(budget={"max_parallel": 1})
    held = lab.one()
    with ThreadPoolExecutor(1) as clients:
        with pytest.raises(httpx.ReadTimeout):
            send(lab, "ask", {"wait_s": 20}, key, timeout=0.3)
        joined = clients.submit(send, lab, "ask", {"wait_s": 20}, key)
        time.sleep(0.3)
        lab.tell(held, 90.0)
        assert len(joined.result(30).json()["trials"]) == 1
    assert lab.get()["trials"]["running"] == 1


def test_a_key_is_forgotten_after_a_day(lab: Lab, key: str) -> None:
    def look_after_keys(seconds: float) -> None:
        lab.clock.advance(seconds)
        lab.server.forget_the_old()

    def ask() -> int:
        return int(send(lab, "ask", {"wait_s": 0}, key).json()["trials"][0]["number"])

    lab.study(lease={"ttl_s": 86_400})
    first = ask()
    look_after_keys(DAY - 60)
    assert ask() == first
    look_after_keys(120)
    assert ask() != first


@pytest.fixture
def two_servers(postgres: str) -> Iterator[tuple[LiveServer, LiveServer]]:
    """Two servers on one PostgreSQL."""
    url = create_postgres_database(postgres, "idempotency_two")
    with LiveServer(url, fit_slots=0) as one, LiveServer(url, fit_slots=0) as other:
        yield one, other


def test_two_servers_that_get_the_same_request_at_once_do_it_once(two_servers: tuple[LiveServer, LiveServer]) -> None:
    two_servers[0].study()
    for number in range(20):
        together = threading.Barrier(2)

        def post(server: LiveServer, key: str = f"k{number}", together: threading.Barrier = together) -> httpx.Response:
            together.wait(10)
            return server.http.post("/v1/studies/s/ask", json={"wait_s": 0}, headers={"Idempotency-Key": key})

        with ThreadPoolExecutor(2) as clients:
            answers = list(clients.map(post, two_servers))
        for server, answer in zip(two_servers, list(answers), strict=True):
            if answer.status_code == 409:
                problem(answer, "request-in-flight", says="send it again")
                assert answer.headers["Retry-After"] == "1"
                answers.append(post(server, together=threading.Barrier(1)))
        good = [answer for answer in answers if answer.status_code == 200]
        assert len(good) == 2
        assert good[0].content == good[1].content
    assert two_servers[1].get("/v1/studies/s")["trials"]["running"] == 20


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once ``condition`` holds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
