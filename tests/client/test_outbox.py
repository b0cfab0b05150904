"""A told result is never lost: not by a lost answer, an absent server, a refusal, a full disk, a fork or a SIGKILL."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bonanza.errors import (
    BonanzaError,
    InternalError,
    ResultConflict,
    ServerUnreachable,
    Unauthorized,
    UnexpectedAnswer,
)
from bonanza.outbox import Flushed, Outbox
from bonanza.transport import Transport
from tests.client.wire import SERVER, Wire, answer_with, lose_answer, refuse, refuse_connection, study

TELL = "/v1/studies/s/trials/{}/tell"


@pytest.fixture
def wire() -> Wire:
    wire = Wire()
    wire.studies["s"] = study("s")
    return wire


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def new_outbox(wire: Wire, folder: Path) -> Iterator[Callable[..., Outbox]]:
    made: list[Outbox] = []

    def make(*, server: str = SERVER, folder: Path = folder) -> Outbox:
        transport = Transport(server, network=wire, patience_s=0)
        made.append(Outbox(transport, folder=folder, outage_s=0))
        return made[-1]

    yield make
    for outbox in made:
        outbox.close()


def body(value: float = 93.0) -> dict[str, object]:
    return {"lease_token": "t", "value": value}


def files(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir()) if folder.exists() else []


def test_a_result_is_on_the_disk_while_it_is_on_its_way_and_off_it_afterwards(
    wire: Wire, folder: Path, new_outbox: Callable[..., Outbox]
):
    seen: list[dict[str, object]] = []

    def look(request: httpx.Request, answer: Callable[[], httpx.Response]) -> httpx.Response:
        seen.append(json.loads(next(folder.iterdir()).read_text()))
        return answer()

    wire.faults = [look]
    answer = new_outbox().tell(TELL.format(0), body())
    assert answer.value == 93.0
    assert seen[0]["body"] == body()
    assert seen[0]["key"] == wire.keys("/tell")[0]
    assert files(folder) == []


def test_a_lost_answer_costs_nothing_once_the_spool_is_flushed(
    wire: Wire, folder: Path, new_outbox: Callable[..., Outbox]
):
    wire.faults = [lose_answer]
    outbox = new_outbox()
    with pytest.raises(ServerUnreachable) as caught:
        outbox.tell(TELL.format(0), body())
    assert "is safe in" in caught.value.__notes__[0]
    assert outbox.flush() == Flushed(sent=1, refused=0, left=0)
    assert len(wire.told[0]) == 1
    assert len(set(wire.keys("/tell"))) == 1
    assert files(folder) == []


def test_results_wait_for_an_absent_server_and_go_in_the_order_they_were_told(
    wire: Wire, folder: Path, new_outbox: Callable[..., Outbox]
):
    wire.faults = [refuse_connection] * 4
    outbox = new_outbox()
    for number in range(3):
        with pytest.raises(ServerUnreachable):
            outbox.tell(TELL.format(number), body())
    assert outbox.flush() == Flushed(sent=0, refused=0, left=3)
    assert outbox.flush() == Flushed(sent=3, refused=0, left=0)
    assert list(wire.told) == [0, 1, 2]
    assert files(folder) == []


@pytest.mark.parametrize("slug", ["result-conflict", "not-found", "invalid", "unknown-token"])
def test_a_result_refused_for_good_is_kept_aside_and_said(
    slug: str, wire: Wire, folder: Path, new_outbox: Callable[..., Outbox]
):
    wire.faults = [refuse(slug, "never")]
    with pytest.raises(BonanzaError, match="never") as caught:
        new_outbox().tell(TELL.format(0), body(91.5))
    assert files(folder) == [".refused"]
    aside = next(folder.iterdir())
    assert str(aside) in caught.value.__notes__[0]
    assert json.loads(aside.read_text())["entry"]["body"]["value"] == 91.5


def test_a_result_refused_while_flushing_is_logged_and_the_others_go(
    wire: Wire, folder: Path, new_outbox: Callable[..., Outbox], caplog: pytest.LogCaptureFixture
):
    wire.faults = [refuse_connection, refuse_connection, refuse("result-conflict", "another result was told")]
    outbox = new_outbox()
    for number in range(2):
        with pytest.raises(ServerUnreachable):
            outbox.tell(TELL.format(number), body())
    with caplog.at_level(logging.ERROR):
        assert outbox.flush() == Flushed(sent=1, refused=1, left=0)
    assert "another result was told" in caplog.text
    assert ".refused" in caplog.text
    assert files(folder) == [".refused"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (refuse("unauthorized"), Unauthorized),
        (refuse("internal"), InternalError),
        (answer_with(404, "<html>wrong proxy"), UnexpectedAnswer),
        (answer_with(200, "<html>please log in"), UnexpectedAnswer),
        (answer_with(204), UnexpectedAnswer),
    ],
)
def test_what_another_time_may_bring_through_stays_on_the_disk(
    fault: object, kind: type[Exception], wire: Wire, folder: Path, new_outbox: Callable[..., Outbox]
):
    wire.faults = [fault]  # type: ignore[list-item]
    outbox = new_outbox()
    with pytest.raises(kind):
        outbox.tell(TELL.format(0), body())
    assert files(folder) == [".jsonl"]
    assert outbox.flush().sent == 1


def test_results_for_another_server_stay(wire: Wire, folder: Path, new_outbox: Callable[..., Outbox]):
    wire.faults = [refuse_connection]
    elsewhere = new_outbox(server="http://elsewhere.test")
    with pytest.raises(ServerUnreachable):
        elsewhere.tell(TELL.format(0), body())
    elsewhere.close()
    assert new_outbox().flush() == Flushed(sent=0, refused=0, left=0)
    assert files(folder) == [".jsonl"]
    assert new_outbox(server="http://elsewhere.test").flush().sent == 1


def test_the_file_of_a_living_outbox_is_left_alone(wire: Wire, folder: Path, new_outbox: Callable[..., Outbox]):
    wire.faults = [refuse_connection]
    living, other = new_outbox(), new_outbox()
    with pytest.raises(ServerUnreachable):
        living.tell(TELL.format(0), body())
    assert other.flush() == Flushed(sent=0, refused=0, left=0)
    living.close()
    assert other.flush() == Flushed(sent=1, refused=0, left=0)


def test_a_tell_under_way_in_another_thread_is_not_sent_twice(wire: Wire, new_outbox: Callable[..., Outbox]):
    outbox = new_outbox()
    flushed: list[Flushed] = []

    def flush_meanwhile(request: httpx.Request, answer: Callable[[], httpx.Response]) -> httpx.Response:
        thread = threading.Thread(target=lambda: flushed.append(outbox.flush()))
        thread.start()
        thread.join()
        return answer()

    wire.faults = [flush_meanwhile]
    outbox.tell(TELL.format(0), body())
    assert flushed == [Flushed(0, 0, 0)]
    assert len(wire.keys("/tell")) == 1


def test_what_an_outage_left_is_sent_though_another_thread_s_tell_is_under_way(
    wire: Wire, folder: Path, new_outbox: Callable[..., Outbox]
):
    outbox = new_outbox()
    wire.faults = [refuse_connection]
    with pytest.raises(ServerUnreachable):
        outbox.tell(TELL.format(0), body())
    flushed: list[Flushed] = []

    def flush_meanwhile(request: httpx.Request, answer: Callable[[], httpx.Response]) -> httpx.Response:
        thread = threading.Thread(target=lambda: flushed.append(outbox.flush()))
        thread.start()
        thread.join()
        return answer()

    wire.faults = [flush_meanwhile]
    outbox.tell(TELL.format(1), body())
    assert flushed == [Flushed(sent=1, refused=0, left=0)]
    assert sorted(wire.told) == [0, 1]
    assert len(set(wire.keys("/tell"))) == 2
    assert files(folder) == []


def test_a_result_that_no_disk_took_is_held_sent_later_and_kept_once_there_is_room(
    wire: Wire, tmp_path: Path, new_outbox: Callable[..., Outbox]
):
    (tmp_path / "file").write_text("")
    blocked = tmp_path / "file" / "spool"
    outbox = new_outbox(folder=blocked)
    wire.faults = [refuse_connection] * 4
    for number in range(2):
        with pytest.raises(ServerUnreachable) as caught:
            outbox.tell(TELL.format(number), body())
        assert "keeps the result and sends it later" in caught.value.__notes__[0]
    assert outbox.flush() == Flushed(sent=0, refused=0, left=2)
    (tmp_path / "file").unlink()  # there is room now
    assert outbox.flush() == Flushed(sent=0, refused=0, left=2)
    assert files(blocked) == [".jsonl"]
    assert outbox.flush() == Flushed(sent=2, refused=0, left=0)
    assert sorted(wire.told) == [0, 1]
    assert files(blocked) == []


def test_a_spool_that_cannot_be_written_does_not_stop_a_result(
    wire: Wire, tmp_path: Path, new_outbox: Callable[..., Outbox], caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_text("")
    outbox = new_outbox(folder=tmp_path / "file" / "spool")
    outbox.tell(TELL.format(0), body())
    assert len(wire.told[0]) == 1
    assert "BONANZA_SPOOL" in caplog.text
    wire.faults = [refuse("result-conflict")]
    with pytest.raises(ResultConflict) as caught:
        outbox.tell(TELL.format(0), body(1.0))
    assert '"value": 1.0' in caught.value.__notes__[0]
    assert outbox.flush() == Flushed(0, 0, 0)


def test_a_line_that_cannot_be_read_is_moved_aside_once_the_rest_is_sent(
    wire: Wire, folder: Path, new_outbox: Callable[..., Outbox]
):
    wire.faults = [refuse_connection]
    dead = new_outbox()
    with pytest.raises(ServerUnreachable):
        dead.tell(TELL.format(0), body())
    dead.close()
    file = next(folder.iterdir())
    file.write_bytes(b"rubbish\n" + file.read_bytes() + b'{"cut sho')
    assert new_outbox().flush() == Flushed(sent=1, refused=0, left=0)
    assert files(folder) == [".refused"]
    assert json.loads(next(folder.iterdir()).read_text())["entry"] == "rubbish"


CHILD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from bonanza.outbox import Outbox
    from bonanza.transport import Transport

    outbox = Outbox(Transport("http://127.0.0.1:9"), folder=Path(sys.argv[1]))
    outbox.tell("/v1/studies/s/trials/4/tell", {"lease_token": "t", "value": 94.25})
    """
)


def test_a_result_survives_a_sigkill_of_its_process(wire: Wire, folder: Path):
    """A real process tells a server that is away, and dies; another process sends what it left, under the same key."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)])
    try:
        deadline = time.monotonic() + 30
        while not (folder.exists() and any(path.stat().st_size for path in folder.iterdir())):
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        kept = json.loads(next(folder.iterdir()).read_text())
        mine = Outbox(Transport("http://127.0.0.1:9", network=wire), folder=folder)
        assert mine.flush() == Flushed(0, 0, 0)  # its owner lives, and is still trying
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert mine.flush() == Flushed(sent=1, refused=0, left=0)
    assert wire.told == {4: [{"lease_token": "t", "value": 94.25}]}
    assert wire.keys("/tell") == [kept["key"]]
    assert files(folder) == []


FORK = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from bonanza.errors import ServerUnreachable
    from bonanza.outbox import Outbox
    from bonanza.transport import Transport

    folder = Path(sys.argv[1])
    outbox = Outbox(Transport("http://127.0.0.1:9", patience_s=0), folder=folder, outage_s=0)

    def tell(number):
        try:
            outbox.tell(f"/v1/studies/s/trials/{number}/tell", {"lease_token": "t", "value": 1.0})
        except ServerUnreachable:
            pass

    tell(0)
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        tell(1)
    else:
        tell(2)
        os._exit(0)
    os._exit(0)  # no goodbye: both leave their files
    """
)


def test_a_forked_child_begins_a_file_of_its_own(wire: Wire, folder: Path):
    subprocess.run([sys.executable, "-c", FORK, str(folder)], check=True)
    lines = sorted(
        [json.loads(line)["path"].split("/")[5] for line in path.read_text().splitlines()] for path in folder.iterdir()
    )
    assert lines == [["0", "1"], ["2"]]
    flushed = Outbox(Transport("http://127.0.0.1:9", network=wire), folder=folder).flush()
    assert flushed == Flushed(sent=3, refused=0, left=0)
    assert sorted(wire.told) == [0, 1, 2]
