"""Webhooks against a real receiver: signed, tried again until taken, none lost by a restart, and nothing but news."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import ValidationError

from bonanza_server import webhooks
from bonanza_server.settings import Settings
from tests.live import LiveServer
from tests.server.engine.searches import until

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
CELLS = {"kind": "sequence", "positions": [{"name": "width", "choices": [16, 32, 64, 128]}]}


class Receiver:
    """A real HTTP server that takes webhooks, or refuses them while ``status`` says so."""

    def __init__(self) -> None:
        self.status = 204
        self.tries: list[str] = []
        self.taken: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.take(dict(self.headers), body)
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/hook"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def take(self, headers: dict[str, str], body: bytes) -> None:
        headers = {name.lower(): value for name, value in headers.items()}
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        assert abs(time.time() - int(headers["webhook-timestamp"])) < 60
        self.tries.append(headers["webhook-id"])
        if self.status < 300:
            self.taken.append(json.loads(body) | {"id": headers["webhook-id"]})

    def said(self) -> list[tuple[str, Any]]:
        return [(news["type"], news["data"].get("value", news["data"].get("slot"))) for news in self.taken]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "LOOK_S", 0.05)
    monkeypatch.setattr(webhooks, "LONGEST_PAUSE_S", 0.1)


def test_news_are_sent_once_taken_and_none_is_lost_while_the_receiver_or_the_server_is_away(
    database_url: str, receiver: Receiver
) -> None:
    with LiveServer(database_url, fit_slots=0) as server:
        server.study("old")
        server.tell(server.one("old"), 50.0, "old")  # before anybody wanted to know

    def serve() -> LiveServer:
        return LiveServer(database_url, fit_slots=0, webhook_url=receiver.url, webhook_secret=SECRET)

    with serve() as server:
        server.study("s", space=CELLS, budget={"max_trials": 4})
        for value in (90.0, 89.0, 91.0):
            server.tell(server.one("s"), value, "s")
        until(lambda: len(receiver.taken) == 2)
        receiver.status = 503
        slots = [{"name": "gpu0", "state": "quarantined", "error": "lost"}, {"name": "gpu1", "state": "idle"}]
        report = {"study": "s", "state": "running", "slots": slots}
        for _ in range(2):  # the second says nothing new
            server.http.put("/v1/workers/box", json=report).raise_for_status()
        until(lambda: len(receiver.tries) > 4)
    assert len(receiver.taken) == 2
    receiver.status = 204
    with serve() as server:
        until(lambda: len(receiver.taken) == 3)
        server.tell(server.one("s"), 80.0, "s")  # the last of the budget
        until(lambda: len(receiver.taken) == 4)
        server.post("/v1/studies/old/pause", {"reason": "lunch"})
        until(lambda: len(receiver.taken) == 5)
        server.post("/v1/studies/old/finish")
        until(lambda: len(receiver.taken) == 6)
    assert receiver.said() == [
        ("study.new_best", 90.0),
        ("study.new_best", 91.0),
        ("worker.quarantined", "gpu0"),
        ("study.finished", None),
        ("study.paused", None),
        ("study.finished", None),
    ]
    assert [news["data"].get("by") for news in receiver.taken[3:]] == ["budget", "person", "person"]
    assert receiver.taken[2]["data"]["error"] == "lost"
    assert receiver.taken[1]["data"]["trial"] == 2
    assert len({news["id"] for news in receiver.taken}) == 6
    assert receiver.tries.count(receiver.taken[2]["id"]) > 2  # tried again, under the same id


def test_of_two_servers_on_one_database_one_delivers(new_database: Any, dialect: str, receiver: Receiver) -> None:
    if dialect == "sqlite":
        return  # a file has one server
    url = new_database()
    given: dict[str, Any] = {"fit_slots": 0, "webhook_url": receiver.url, "webhook_secret": SECRET}
    with LiveServer(url, **given) as one, LiveServer(url, **given) as other:
        one.study("s")
        for number in range(6):
            server = (one, other)[number % 2]
            server.tell(server.one("s"), 80.0 + number, "s")
        until(lambda: len(receiver.taken) >= 6)
    assert [value for _, value in receiver.said()] == [80.0 + number for number in range(6)]


def test_news_that_nobody_takes_for_days_are_given_up(
    database_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "GIVE_UP_S", -1.0)
    receiver.status = 500
    with LiveServer(database_url, fit_slots=0, webhook_url=receiver.url, webhook_secret=SECRET) as server:
        server.study("s")
        server.tell(server.one("s"), 80.0, "s")
        until(lambda: len(receiver.tries) == 1)
        receiver.status = 204
        server.tell(server.one("s"), 81.0, "s")
        until(lambda: len(receiver.taken) == 1)
    assert receiver.said() == [("study.new_best", 81.0)]


def test_a_webhook_needs_a_secret_that_cannot_be_guessed() -> None:
    with pytest.raises(ValidationError, match="needs a secret"):
        Settings(webhook_url="https://example.org")
    with pytest.raises(ValidationError, match="can be guessed"):
        Settings(webhook_url="https://example.org", webhook_secret="whsec_YWJj")
    with pytest.raises(ValidationError, match="must be base64"):
        Settings(webhook_url="https://example.org", webhook_secret="whsec_not base64 at all")
    with pytest.raises(ValidationError, match="pattern"):
        Settings(webhook_url="ftp://example.org", webhook_secret=SECRET)
