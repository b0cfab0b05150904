"""Server-sent events: what has happened, as it happens, to every stream once and in order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest

from tests.live import LiveServer
from tests.server.expect import problem

STREAM = {"Accept": "text/event-stream"}


class Listener:
    """A stream as a browser's EventSource reads it: ``next`` gives the messages one after another."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def next(self) -> dict[str, Any]:
        message: dict[str, Any] = {}
        for line in self._lines:
            if not line and message:
                return message
            name, _, text = line.partition(":")
            if name in {"id", "event", "data"}:
                message[name] = text.strip()
        raise EOFError

    def event(self) -> dict[str, Any]:
        """The next message that has an id, which is the event's number."""
        while True:
            message = self.next()
            if "id" in message:
                event: dict[str, Any] = json.loads(message["data"])
                assert int(message["id"]) == event["seq"]
                return event


@contextmanager
def listening(server: LiveServer, path: str = "/v1/studies/s/events", **headers: str) -> Iterator[Listener]:
    with (
        httpx.Client(base_url=server.url, timeout=30) as http,
        http.stream("GET", path, headers=STREAM | headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Listener(answer)


def test_a_stream_begins_where_it_is_told_and_goes_on_with_what_happens(server: LiveServer) -> None:
    server.study()
    trial = server.one()
    with listening(server, "/v1/studies/s/events?after=1") as stream:
        assert stream.event()["kind"] == "trial.started"
        server.tell(trial, 90.0)
        told = stream.event()
        assert (told["kind"], told["number"]) == ("trial.completed", 0)
        server.post("/v1/studies/s/pause")
        assert stream.event()["kind"] == "study.paused"


def test_a_stream_that_breaks_goes_on_with_its_last_event_id_and_misses_none(server: LiveServer) -> None:
    server.study()
    seen = []
    with listening(server) as stream:
        seen.append(stream.event())
    for _ in range(9):  # more than the process keeps at hand
        server.ask(count=64)
    with listening(server, **{"Last-Event-ID": str(seen[-1]["seq"])}) as stream:
        last = server.get("/v1/studies/s/columns")["event"]
        while seen[-1]["seq"] < last:
            seen.append(stream.event())
        server.tell(server.one(), 1.0)
        seen += [stream.event(), stream.event()]
    assert [event["seq"] for event in seen] == list(range(1, last + 3))


def test_many_streams_get_the_same_and_one_look_serves_them_all(server: LiveServer) -> None:
    server.study()
    looks = 0
    read = server.app.state.news._look_once

    async def counted() -> None:
        nonlocal looks
        looks += 1
        await read()

    server.app.state.news._look_once = counted
    heard: list[list[int]] = [[] for _ in range(5)]
    ready = threading.Barrier(6)

    def listen(mine: list[int]) -> None:
        with listening(server) as stream:
            mine.append(stream.event()["seq"])
            ready.wait(30)
            while mine[-1] < 41:
                mine.append(stream.event()["seq"])

    threads = [threading.Thread(target=listen, args=(mine,)) for mine in heard]
    for thread in threads:
        thread.start()
    ready.wait(30)
    before = looks
    for value in range(20):
        server.tell(server.one(), float(value))
    for thread in threads:
        thread.join(30)
    assert heard == [list(range(1, 42))] * 5
    assert 0 < looks - before < 200, "one look at a time, not one a stream and event"


def test_heartbeats_and_reports_come_as_beats_without_an_id(server: LiveServer) -> None:
    server.study()
    trial = server.one()
    after = server.get("/v1/studies/s/columns")["event"]
    with listening(server, f"/v1/studies/s/events?after={after}") as stream:
        beaten = threading.Event()

        def beat() -> None:
            while not beaten.wait(0.2):
                server.post("/v1/studies/s/trials/0/heartbeat", {"lease_token": trial["attempt"]["token"]})

        thread = threading.Thread(target=beat)
        thread.start()
        message = stream.next()
        beaten.set()
        thread.join()
    assert (message["event"], json.loads(message["data"])) == ("beat", {"refitting": False})
    assert "id" not in message


def test_a_stream_of_a_study_that_is_deleted_ends_and_of_none_is_refused(server: LiveServer) -> None:
    server.study()
    with listening(server) as stream:
        stream.event()
        assert server.http.delete("/v1/studies/s").status_code == 204
        with pytest.raises(EOFError):
            stream.event()
    with closing(httpx.Client(base_url=server.url)) as http:
        problem(http.get("/v1/studies/s/events", headers=STREAM), "not-found")


def test_a_server_that_stops_ends_its_streams(database_url: str) -> None:
    with LiveServer(database_url, fit_slots=0) as server:
        server.study()
        with listening(server) as stream:
            stream.event()
            server.loop.call_soon_threadsafe(server.app.state.news.close)
            with pytest.raises(EOFError):
                stream.event()


def test_without_the_header_the_answer_is_ndjson_of_what_there_is(server: LiveServer) -> None:
    server.study()
    server.tell(server.one(), 1.0)
    answer = server.http.get("/v1/studies/s/events?after=1&limit=1")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["seq"] for line in answer.text.splitlines()] == [2]
