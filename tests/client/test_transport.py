"""Retries at the transport: what is tried again, when, under which key, and what never is."""

from __future__ import annotations

import json
import random
import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import ClassVar

import pytest

from bonanza.errors import (
    Conflict,
    InternalError,
    Invalid,
    InvalidRequest,
    ProtocolMismatch,
    RequestInFlight,
    ResultConflict,
    ServerUnreachable,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
)
from bonanza.transport import FIRST_PAUSE_S, LONGEST_PAUSE_S, Transport
from tests.client.wire import (
    SERVER,
    Fault,
    Wire,
    answer_with,
    lose_answer,
    problem,
    refuse,
    refuse_connection,
    study,
    time_out,
)

ASK = "/v1/studies/s/ask"


class Clock:
    """Time that passes only in pauses, and remembers them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wire() -> Wire:
    wire = Wire()
    wire.studies["s"] = study("s")
    return wire


@pytest.fixture
def transport(wire: Wire, clock: Clock) -> Iterator[Transport]:
    transport = Transport(SERVER, key="secret", network=wire, rng=random.Random(0), clock=clock, sleep=clock.sleep)
    yield transport
    transport.close()


PASSING_FAULTS = {
    "no connection": refuse_connection,
    "an answer that is lost": lose_answer,
    "an answer that is late": time_out,
    "429": refuse("too-many-requests"),
    "a proxy's 502": answer_with(502, "<html>bad gateway"),
    "503": refuse("unavailable"),
    "a proxy's 504": answer_with(504),
    "the same request in flight": refuse("request-in-flight"),
}


@pytest.mark.parametrize("fault", PASSING_FAULTS.values(), ids=PASSING_FAULTS)
def test_a_passing_fault_is_tried_again_under_the_same_key_and_takes_effect_once(
    fault: Fault, wire: Wire, transport: Transport
):
    wire.faults = [fault, fault, fault]
    reply = transport.send("POST", ASK, body={"count": 1})
    assert [trial["number"] for trial in reply.body["trials"]] == [0]
    assert wire.started == 1
    keys = wire.keys("/ask")
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert len(keys[0] or "") == 32


def test_two_requests_have_two_keys(wire: Wire, transport: Transport):
    transport.send("POST", ASK, body={"count": 1})
    transport.send("POST", ASK, body={"count": 1})
    assert len(set(wire.keys("/ask"))) == 2
    assert wire.started == 2


def test_only_a_post_that_must_happen_once_carries_a_key(wire: Wire, transport: Transport):
    transport.send("GET", "/healthz")
    transport.send("POST", "/v1/studies/s/trials/0/heartbeat", body={"lease_token": "t"}, keyed=False)
    assert [request.headers.get("idempotency-key") for request in wire.requests] == [None, None]


REFUSALS = {
    "result-conflict": ResultConflict,
    "protocol-mismatch": ProtocolMismatch,
    "conflict": Conflict,
    "invalid": Invalid,
    "internal": InternalError,
}


@pytest.mark.parametrize(("slug", "kind"), REFUSALS.items())
def test_a_refusal_is_never_tried_again(
    slug: str, kind: type[Exception], wire: Wire, clock: Clock, transport: Transport
):
    wire.faults = [refuse(slug)]
    with pytest.raises(kind):
        transport.send("POST", ASK, body={"count": 1})
    assert len(wire.requests) == 1
    assert clock.pauses == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (refuse_connection, ServerUnreachable),
        (refuse("unavailable"), Unavailable),
        (refuse("too-many-requests"), TooManyRequests),
        (refuse("request-in-flight"), RequestInFlight),
        (answer_with(502, "<html>"), UnexpectedAnswer),
    ],
)
def test_patience_is_bounded_and_the_last_error_is_raised(
    fault: Fault, kind: type[Exception], wire: Wire, clock: Clock, transport: Transport
):
    wire.faults = [fault] * 1000
    with pytest.raises(kind):
        transport.send("GET", "/healthz")
    assert 60 - LONGEST_PAUSE_S <= clock.now <= 60
    wire.requests.clear()
    with pytest.raises(kind):
        transport.send("GET", "/healthz", patience_s=0)
    assert len(wire.requests) == 1


def test_pauses_have_full_jitter_within_a_bound_that_doubles(wire: Wire, clock: Clock, transport: Transport):
    wire.faults = [refuse_connection] * 200
    with pytest.raises(ServerUnreachable):
        transport.send("GET", "/healthz", patience_s=900)
    bounds = [min(FIRST_PAUSE_S * 2**i, LONGEST_PAUSE_S) for i in range(len(clock.pauses))]
    assert all(0 <= pause <= bound for pause, bound in zip(clock.pauses, bounds, strict=True))
    long = [pause / LONGEST_PAUSE_S for pause in clock.pauses[10:]]
    assert min(long) < 0.1  # full jitter: not half a bound and something
    assert max(long) > 0.9
    assert any(a > b for a, b in pairwise(clock.pauses))


@pytest.mark.parametrize("seconds", [3, 17])
def test_a_retry_after_is_waited_out(seconds: int, wire: Wire, clock: Clock, transport: Transport):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    for fault in (
        lambda r, a: problem("unavailable", headers={"retry-after": str(seconds)}),
        lambda r, a: problem("too-many-requests", headers={"retry-after": later}),
        refuse("request-in-flight", retry_after_s=seconds),
    ):
        wire.faults, clock.pauses = [fault], []
        transport.send("GET", "/healthz")
        assert len(clock.pauses) == 1
        assert seconds - 1.5 <= clock.pauses[0] <= seconds + FIRST_PAUSE_S


def test_a_retry_after_beyond_the_patience_fails_at_once_and_not_early(wire: Wire, clock: Clock, transport: Transport):
    wire.faults = [answer_with(503, retry_after="3600")]
    with pytest.raises(UnexpectedAnswer):
        transport.send("GET", "/healthz")
    assert clock.pauses == []


def test_an_unreadable_retry_after_is_no_reason_to_fail(wire: Wire, transport: Transport):
    wire.faults = [answer_with(503, retry_after="soon")]
    assert transport.send("GET", "/healthz").status == 200


def test_the_time_to_answer_begins_after_the_hold(wire: Wire, transport: Transport):
    transport.send("POST", ASK, body={"count": 1, "wait_s": 50}, hold_s=50)
    timeout = wire.requests[0].extensions["timeout"]
    assert timeout["read"] > 50
    assert all(timeout[phase] is not None for phase in ("connect", "read", "write", "pool"))


def test_the_key_is_sent_and_the_agent_named(wire: Wire, transport: Transport):
    transport.send("GET", "/healthz")
    assert wire.requests[0].headers["authorization"] == "Bearer secret"
    assert wire.requests[0].headers["user-agent"].startswith("bonanza-python/")


def test_what_is_no_bonanza_server_is_said_to_be_none(wire: Wire, transport: Transport):
    wire.faults = [
        answer_with(404, "<html> <b>nginx</b>"),
        answer_with(301, location="https://lab/"),
        answer_with(200, "{", content_type="application/json"),
    ]
    for said in ("nginx", "a redirect to https://lab/", "answered 200"):
        with pytest.raises(UnexpectedAnswer, match=said):
            transport.send("GET", "/healthz")


def test_a_body_that_is_no_json_is_refused_before_it_is_sent(wire: Wire, transport: Transport):
    for body in ({"value": float("nan")}, {"value": {1, 2}}):
        with pytest.raises(InvalidRequest):
            transport.send("POST", ASK, body=body)
    assert wire.requests == []


@pytest.mark.parametrize(
    "address", ["", "localhost:8423", "ftp://host", "http://", "http://host:port", "http://host/?q=1"]
)
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(InvalidRequest, match="address"):
        Transport(address)


def test_a_path_in_front_of_the_api_is_kept(wire: Wire):
    transport = Transport(SERVER + "/healthz//", network=wire)
    assert transport.server == SERVER + "/healthz"


class Handler(BaseHTTPRequestHandler):
    """Answers everything, and knows its callers' connections."""

    protocol_version = "HTTP/1.1"
    ports: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        Handler.ports.append(self.client_address[1])
        body = json.dumps({"status": "ok"}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Threaded(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True


def test_a_real_connection_is_kept_alive_and_needs_no_proxy_on_this_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    Handler.ports = []
    with Threaded(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        transport = Transport(f"http://127.0.0.1:{server.server_address[1]}", patience_s=0)
        for _ in range(3):
            assert transport.send("GET", "/healthz").body == {"status": "ok"}
        transport.close()
        server.shutdown()
    assert len(Handler.ports) == 3
    assert len(set(Handler.ports)) == 1


def test_a_server_that_is_not_there_is_named_with_what_to_do():
    with socketserver.TCPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as taken:
        port = taken.server_address[1]
    transport = Transport(f"http://127.0.0.1:{port}", patience_s=0.3)
    with pytest.raises(ServerUnreachable, match=rf"cannot reach http://127.0.0.1:{port} .*bonanza serve"):
        transport.send("GET", "/healthz")
    transport.close()
