"""Whatever goes wrong, the answer is problem+json, has a request id, and says what to do."""

from __future__ import annotations

import logging
import time

import httpx
import pytest

from bonanza_server.store.database import Database
from tests.live import Clock, LiveServer
from tests.server.expect import problem
from tests.server.lab import Lab


@pytest.fixture
def http(shared: tuple[LiveServer, Clock, Database]) -> httpx.Client:
    """A client of the shared server."""
    return shared[0].http


def test_an_unknown_path_is_a_problem_that_names_the_documentation(http: httpx.Client) -> None:
    problem(http.get("/v1/nothing"), "not-found", says="/docs")


def test_an_unknown_study_is_a_problem_that_says_how_to_make_one(http: httpx.Client) -> None:
    for verb, path in [("GET", ""), ("DELETE", ""), ("POST", "/ask"), ("POST", "/pause"), ("GET", "/trials/0")]:
        answer = http.request(verb, f"/v1/studies/nowhere{path}")
        problem(answer, "not-found", says="PUT /v1/studies/nowhere makes one")


def test_an_unknown_trial_is_a_problem_that_says_where_trials_are_listed(lab: Lab) -> None:
    lab.study()
    for verb, path in [("GET", ""), ("GET", "/explain"), ("POST", "/cancel"), ("POST", "/repeat")]:
        answer = lab.server.http.request(verb, f"/v1/studies/{lab.name}/trials/7{path}")
        problem(answer, "not-found", says="has no trial 7")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/studies", "GET"),
        ("TRACE", "/v1/studies/s", "DELETE, GET, PATCH, PUT"),
        ("OPTIONS", "/v1/studies/s/trials/0", "GET, PATCH"),
        ("GET", "/v1/studies/s/ask", "POST"),
        ("PUT", "/healthz", "GET"),
    ],
)
def test_a_method_that_a_path_does_not_take_is_a_problem_that_lists_those_it_takes(
    http: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = http.request(method, path)
    problem(answer, "method-not-allowed", says=f"only {allowed}")
    assert answer.headers["allow"] == allowed


def test_every_answer_has_a_request_id_of_its_own(http: httpx.Client) -> None:
    ids = [http.get(path).headers["x-request-id"] for path in ("/healthz", "/healthz", "/nothing", "/docs")]
    assert len(set(ids)) == 4


def test_a_request_id_that_the_client_sends_comes_back(http: httpx.Client) -> None:
    answer = http.get("/v1/nothing", headers={"X-Request-Id": "run 7, attempt 2"})
    assert problem(answer, "not-found")["request_id"] == "run 7, attempt 2"


@pytest.mark.parametrize("bad", [b"", b"\xc3\xa9", b"a\tb", b"a" * 101])
def test_a_request_id_that_would_spoil_the_log_is_replaced(http: httpx.Client, bad: bytes) -> None:
    answer = http.get("/healthz", headers={"X-Request-Id": bad})
    assert len(answer.headers["x-request-id"]) == 32


def test_a_bug_is_a_500_whose_request_id_finds_its_traceback_in_the_log(
    tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=0) as server:

        @server.app.get("/bug")
        def bug() -> None:
            raise ZeroDivisionError("of our own making")

        with caplog.at_level(logging.ERROR):
            body = problem(server.http.get("/bug"), "internal", says="its log has the cause")
        assert "ZeroDivisionError" not in str(body)
        (record,) = caplog.records
        assert body["request_id"] in record.getMessage()
        assert record.exc_info is not None
        assert "of our own making" in str(record.exc_info[1])
        assert server.http.get("/healthz").status_code == 200


def test_an_ask_whose_client_has_gone_leases_nothing_and_is_no_error(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.study(budget={"max_parallel": 1})
    running = lab.one()
    for headers in ({}, {"Idempotency-Key": f"{lab.name}-gone"}):
        with pytest.raises(httpx.ReadTimeout):
            lab.server.http.post(f"/v1/studies/{lab.name}/ask", json={"wait_s": 3}, headers=headers, timeout=0.2)
    lab.tell(running, 90.0)
    deadline = time.monotonic() + 10
    while lab.server.app.state.service.waiting.waiting(lab.name) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)  # for whatever the two asks would still do
    assert lab.get()["trials"]["running"] == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
