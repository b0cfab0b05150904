"""The heartbeat against the SDK, over a wire that can fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import httpx
import pytest

from bonanza.client import Client
from bonanza.trial import Trial
from bonanza.worker.heartbeat import Directed, Heartbeat
from tests.client.wire import Wire, refuse, refuse_connection
from tests.worker.lab import eventually


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def client(wire: Wire, tmp_path: Path) -> Iterator[Client]:
    with Client("http://bonanza.test", network=wire, spool=tmp_path, patience_s=0.1) as client:
        yield client


@pytest.fixture
def trial(client: Client) -> Trial:
    """Leased, with a heartbeat every 0.05 s."""
    trial = client.create_study("s", space="nasbench201").ask()
    assert trial is not None
    return trial


@pytest.fixture
def inbox() -> SimpleQueue[object]:
    return SimpleQueue()


def test_it_beats_until_it_is_stopped(wire: Wire, trial: Trial, inbox: SimpleQueue[object]) -> None:
    heartbeat = Heartbeat(trial, inbox)
    assert wire.beats == []  # the lease is fresh: the first beat comes after one period
    eventually(lambda: len(wire.beats) >= 3, "three beats")
    heartbeat.stop()
    beats = len(wire.beats)
    time.sleep(0.2)
    assert len(wire.beats) == beats
    assert inbox.empty()


def test_a_directive_is_handed_on_once(wire: Wire, trial: Trial, inbox: SimpleQueue[object]) -> None:
    heartbeat = Heartbeat(trial, inbox)
    wire.directive = "prune"
    assert inbox.get(timeout=30) == Directed(heartbeat, "prune")
    eventually(lambda: len(wire.beats) >= 4, "more beats")
    wire.directive = "cancel"
    assert inbox.get(timeout=30) == Directed(heartbeat, "cancel")
    heartbeat.stop()
    assert inbox.empty()


def test_it_outlives_an_outage(wire: Wire, trial: Trial, inbox: SimpleQueue[object]) -> None:
    wire.faults = [refuse_connection] * 3 + [refuse("internal"), refuse("unauthorized")]
    heartbeat = Heartbeat(trial, inbox)
    eventually(lambda: len(wire.beats) >= 2, "beats after the outage")
    heartbeat.stop()
    assert inbox.empty()


@pytest.mark.parametrize("slug", ["not-found", "unknown-token"])
def test_a_trial_the_server_does_not_know_is_given_up(
    slug: str, wire: Wire, trial: Trial, inbox: SimpleQueue[object]
) -> None:
    wire.faults = [refuse(slug)] * 2
    heartbeat = Heartbeat(trial, inbox)
    assert inbox.get(timeout=30) == Directed(heartbeat, "superseded")
    heartbeat.stop()


def test_reports_are_sent_in_order_and_before_it_stops(wire: Wire, trial: Trial, inbox: SimpleQueue[object]) -> None:
    heartbeat = Heartbeat(trial, inbox)
    for step in range(20):
        heartbeat.report(step, {"accuracy": float(step)})
    heartbeat.stop()
    assert wire.points == [{"step": step, "metrics": {"accuracy": float(step)}} for step in range(20)]


def test_a_report_does_not_wait_for_the_server(wire: Wire, trial: Trial, inbox: SimpleQueue[object]) -> None:
    back = threading.Event()

    def hang(_request: httpx.Request, answer: Callable[[], httpx.Response]) -> httpx.Response:
        assert back.wait(60)
        return answer()

    wire.faults = [hang]
    heartbeat = Heartbeat(trial, inbox)
    heartbeat.report(0, {"accuracy": 1.0})
    heartbeat.report(1, {"accuracy": 2.0})
    assert wire.points == []  # both have returned, and the server has answered neither
    back.set()
    heartbeat.stop()
    assert [point["step"] for point in wire.points] == [0, 1]


def test_a_report_that_cannot_be_sent_stops_nothing(wire: Wire, trial: Trial, inbox: SimpleQueue[object]) -> None:
    heartbeat = Heartbeat(trial, inbox)
    heartbeat.report(-1, {"accuracy": 1.0})
    heartbeat.report(2, {"accuracy": 2.0})
    eventually(lambda: wire.points, "the next report arrives")
    heartbeat.stop()
    assert [point["step"] for point in wire.points] == [2]
    with pytest.raises(Empty):
        inbox.get_nowait()
