"""The gate: keys, hosts and origins, media types, body limits."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live import LiveServer
from tests.server.expect import problem

KEY = "correct horse battery staple"
JSON = {"Content-Type": "application/json"}
OPEN = {"/healthz", "/readyz"}
"""The documented paths that need no key."""


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with an admin key."""
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('keyed')}/s.db", fit_slots=0, admin_key=KEY) as server:
        yield server


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server without a key, with small limits."""
    url = f"sqlite:///{tmp_path_factory.mktemp('local')}/s.db"
    with LiveServer(url, fit_slots=0, body_limit=2_000, large_body_limit=50_000) as server:
        server.study()
        yield server


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path, methods in document["paths"].items():
        for method in methods:
            yield method.upper(), re.sub(r"\{number\}", "0", path.replace("{study}", "s"))


def test_every_operation_but_the_health_checks_needs_the_key(keyed: LiveServer) -> None:
    for method, path in operations(keyed.app.openapi()):
        answer = keyed.http.request(method, path)
        if path in OPEN:
            assert answer.status_code == 200
        else:
            problem(answer, "unauthorized", says="this server needs a key")
            assert answer.headers["www-authenticate"] == "Bearer"


def test_an_unknown_path_needs_the_key_too_so_that_nothing_can_be_learned_by_trying(keyed: LiveServer) -> None:
    problem(keyed.http.get("/v1/nothing"), "unauthorized")


@pytest.mark.parametrize(
    "given",
    [
        "Bearer",
        "Bearer wrong",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Basic {KEY}",
        KEY,
        b"Bearer \xff\xfe",
        b"\xe9",
    ],
)
def test_a_wrong_key_is_refused_and_not_repeated(keyed: LiveServer, given: str | bytes) -> None:
    answer = keyed.http.get("/v1/studies", headers={"Authorization": given})
    assert KEY not in problem(answer, "unauthorized", says="BONANZA_ADMIN_KEY")["detail"]


@pytest.mark.parametrize("given", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER   {KEY}"])
def test_the_key_opens_everything_from_any_host(keyed: LiveServer, given: str) -> None:
    headers = {"Authorization": given, "Host": "nas.example.org", "Origin": "https://nas.example.org"}
    assert keyed.http.get("/v1/studies", headers=headers).status_code == 200


def test_a_key_in_utf_8_works_and_the_newline_of_its_file_does_not_matter(tmp_path: Path) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=0, admin_key="schlüssel-für-alles\n") as server:
        answer = server.http.get("/v1/studies", headers={"Authorization": "Bearer schlüssel-für-alles".encode()})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8423", "127.0.0.1", "127.8.9.1:80", "[::1]:8423", "LOCALHOST"]
)
def test_a_server_without_a_key_answers_to_every_name_of_this_machine(local: LiveServer, host: str) -> None:
    assert local.http.get("/v1/studies", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "nas.example.org",
        "localhost.example.org",
        "127.0.0.1.example.org",
        "0.0.0.0",
        "10.0.0.1",
        "[::1",
        "[zz]:1",
        "a b",
    ],
)
def test_a_server_without_a_key_answers_to_no_other_name(local: LiveServer, host: str) -> None:
    for path in ("/v1/studies", "/healthz", "/"):
        problem(local.http.get(path, headers={"Host": host}), "forbidden", says="make a key to serve others")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://[::1", "file://", ""]
)
def test_a_page_of_another_site_cannot_use_a_server_without_a_key(local: LiveServer, origin: str) -> None:
    before = local.get("/v1/studies/s")
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/finish")]:
        answer = local.http.request(method, f"/v1/studies/s{path}", headers={"Origin": origin})
        problem(answer, "forbidden", says="may not use a server without a key")
    assert local.get("/v1/studies/s") == before


def test_a_page_of_this_machine_can(local: LiveServer) -> None:
    assert local.http.get("/v1/studies", headers={"Origin": "http://localhost:3000"}).status_code == 200


@pytest.mark.parametrize(
    "media",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", None],
)
def test_a_body_that_does_not_say_it_is_json_is_refused(local: LiveServer, media: str | None) -> None:
    headers = {} if media is None else {"Content-Type": media}
    answer = local.http.post("/v1/studies/s/ask", content=b'{"wait_s": 0}', headers=headers)
    problem(answer, "unsupported-media-type", says="application/json")
    assert local.get("/v1/studies/s/trials")["trials"] == []


def test_json_may_say_its_charset(local: LiveServer) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert local.http.post("/v1/studies/s/pause", content=b"{}", headers=headers).status_code == 200
    assert local.http.post("/v1/studies/s/resume").status_code == 200  # and no body needs no type


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/v1/studies/s/ask", 2_000),
        ("POST", "/v1/studies/s/queue", 2_000),
        ("PATCH", "/v1/studies/s/trials/0", 2_000),
        ("POST", "/v1/studies/s/observations", 50_000),
        ("PUT", "/v1/studies/t", 50_000),
    ],
)
def test_a_body_over_the_limit_is_refused_whether_it_says_its_length_or_not(
    local: LiveServer, method: str, path: str, limit: int, chunked: bool
) -> None:
    def sent(size: int) -> httpx.Response:
        text = b'"' + b"x" * (size - 2) + b'"'
        body = (text[start : start + 700] for start in range(0, size, 700)) if chunked else text
        return local.http.request(method, path, content=body, headers=JSON | {"If-Match": '"1"'})

    assert sent(limit).status_code == 422  # read to its end, and found to be no object
    refused = problem(sent(limit + 1), "too-large", says=f"{limit:,} bytes")
    assert ("BONANZA_BODY_LIMIT" if limit == 2_000 else "BONANZA_LARGE_BODY_LIMIT") in refused["detail"]
    assert refused["limit"] == limit
    problem(sent(100 * limit), "too-large")
    assert local.http.get("/v1/studies/t").status_code == 404


def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_read(local: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", local.port), timeout=5) as raw:
        raw.sendall(
            b"POST /v1/studies/s/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 999999999999\r\n\r\n"
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
