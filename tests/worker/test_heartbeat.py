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
from bonanza.worker.printed import LOG_LENGTH, log_tail
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


def test_the_end_of_the_log_goes_with_the_beats_that_find_it_changed(
    wire: Wire, trial: Trial, inbox: SimpleQueue[object]
) -> None:
    said = [""]
    heartbeat = Heartbeat(trial, inbox, printed=lambda: said[0])
    eventually(lambda: len(wire.beats) >= 2, "beats before anything is printed")
    said[0] = "epoch 1"
    heartbeat.report(1, {"loss": 2.0})
    eventually(lambda: wire.logs, "the log, with a report or a beat")
    beats = len(wire.beats)
    eventually(lambda: len(wire.beats) >= beats + 3, "beats without news")
    said[0] = "epoch 2"
    eventually(lambda: len(wire.logs) == 2, "the log again")
    heartbeat.stop()
    assert wire.logs == ["epoch 1", "epoch 2"]


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        ("epoch 1\r\nepoch 2\r\n", "epoch 1\nepoch 2"),
        ("  0%|   |\r 50%|#  |\r100%|###|\nnext", "100%|###|\nnext"),
        ("\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain\x1b[K", "red plain"),
        ("bell\x07 and \0 nothing\ttabs", "bell and  nothing\ttabs"),
        ("<b>bold</b>", "<b>bold</b>"),
        ("", ""),
    ],
)
def test_a_log_is_read_as_a_terminal_would_show_it(printed: str, read: str) -> None:
    assert log_tail(printed) == read


def test_of_a_long_log_the_last_whole_lines_are_kept() -> None:
    kept = log_tail("".join(f"line {k}\n" for k in range(5_000)))
    assert len(kept) <= LOG_LENGTH
    assert kept.startswith("line ")
    assert kept.endswith("line 4999")
    assert len(log_tail("x" * 9_000)) == LOG_LENGTH


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
