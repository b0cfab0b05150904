"""What becomes of a trial whatever happens to its evaluator: real processes, and a wire whose directives the test chooses."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bonanza.client import Client
from bonanza.errors import NotFound
from bonanza.worker.evaluator import BrokenEvaluator
from bonanza.worker.limits import Limits
from bonanza.worker.quarantine import Quarantine
from bonanza.worker.slot import Slot
from tests.client.wire import Wire, refuse, refuse_connection, study
from tests.worker.lab import alive, eventually, write_evaluators


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_evaluators(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def wire() -> Wire:
    wire = Wire(max_trials=1)
    wire.studies["s"] = study("s") | {"trials": {}}
    return wire


@pytest.fixture
def client(wire: Wire, tmp_path: Path) -> Iterator[Client]:
    with Client("http://bonanza.test", network=wire, spool=tmp_path / "spool", patience_s=0.2, outage_s=0.2) as client:
        yield client


def work(client: Client, function: str, *, patience_s: float = 0.3, max_trials: int | None = None) -> str:
    worker = Slot(
        client.study("s"),
        f"python:lab_evaluators:{function}",
        worker_id="w",
        patience_s=patience_s,
        limits=Limits(max_trials=max_trials),
        quarantine=Quarantine(None),
        wait_s=0.1,
    )
    return worker.run()


def test_a_value_is_told_with_its_trial(wire: Wire, client: Client) -> None:
    assert work(client, "quick") == "study s: budget_reached"
    assert [(n, [t["value"] for t in told]) for n, told in wire.told.items()] == [(0, [50.0])]


def test_reports_reach_the_server_and_a_prune_comes_back(wire: Wire, client: Client) -> None:
    wire.directive = "prune"
    work(client, "reports")
    assert wire.points[0] == {"step": 0, "metrics": {"accuracy": 0.0}}
    assert wire.told[0][0]["outcome"] == "pruned"
    assert "value" not in wire.told[0][0]


def test_a_training_that_ignores_pruning_may_finish(wire: Wire, client: Client) -> None:
    wire.directive = "prune"
    work(client, "ignores_the_server", patience_s=0.05)
    assert wire.told[0][0]["value"] == 81.0


@pytest.mark.parametrize(("directive", "function"), [("cancel", "reports"), ("superseded", "slow")])
def test_a_trial_that_is_ours_no_more_is_dropped(directive: str, function: str, wire: Wire, client: Client) -> None:
    wire.directive = directive
    began = time.monotonic()
    work(client, function)
    assert wire.told == {}
    assert wire.released == []
    assert time.monotonic() - began < 30


def test_a_trial_is_given_back_when_the_server_wants_it(wire: Wire, client: Client) -> None:
    wire.directive = "yield"
    work(client, "leaves_a_checkpoint", patience_s=10)
    assert wire.released == [0]
    assert wire.bodies("/release")[0]["checkpoint"] == "epoch 17"


def test_a_result_that_comes_after_a_cancel_is_told_all_the_same(wire: Wire, client: Client) -> None:
    wire.directive = "cancel"
    work(client, "ignores_the_server", patience_s=30)
    assert wire.told[0][0]["value"] == 81.0


def test_an_evaluator_that_fails_is_told_with_the_kind_and_the_worker_goes_on(wire: Wire, client: Client) -> None:
    wire.max_trials = 8
    work(client, "fails_in_every_way")
    told = [wire.told[number][0] for number in range(8)]
    assert [t["outcome"] for t in told] == ["failed"] * 7 + ["complete"]
    assert [t["error"]["kind"] for t in told[:7]] == ["code", "code", "nan", "oom", "code", "code", "infra"]
    expected = [
        "KeyError: 'edges of |none~0|",
        "SystemExit: 3",
        "nan",
        "MemoryError",
        "exit code 3",
        "SIGSEGV",
        "SIGKILL",
    ]
    assert all(says in t["error"]["message"] for says, t in zip(expected, told, strict=False))
    assert "fails_in_every_way" in told[0]["error"]["traceback_tail"]


def test_a_child_that_outlives_the_evaluator_hides_nothing_and_is_killed(
    wire: Wire, client: Client, folder: Path
) -> None:
    wire.max_trials = 2
    work(client, "forks_and_dies")
    assert "exit code 5" in wire.told[0][0]["error"]["message"]
    assert wire.told[1][0]["value"] == 91.0
    assert not alive(int((folder / "evaluator.pid").read_text()))


def test_an_attempt_over_the_study_s_limit_is_ended_as_a_timeout(wire: Wire, client: Client) -> None:
    wire.studies["s"]["lease"] = {"trial_timeout_s": 1.0}
    work(client, "never_returns")
    assert wire.told[0][0]["error"]["kind"] == "timeout"
    assert "trial_timeout_s" in wire.told[0][0]["error"]["message"]


def test_a_refused_value_is_told_as_a_failure(wire: Wire, client: Client) -> None:
    study = client.study("s")
    worker = Slot(study, "python:lab_evaluators:beyond_the_bounds", worker_id="w", wait_s=0.1)
    original = wire._trial

    def bounded(number: int, verb: str, body: dict[str, object]) -> object:
        if body.get("value") == 1000.0:
            return refuse("invalid", "accuracy = 1000 is outside the study's bounds")(None, None)  # type: ignore[arg-type]
        return original(number, verb, body)

    wire._trial = bounded  # type: ignore[method-assign,assignment]
    worker.run()
    told = wire.told[0][0]
    assert (told["outcome"], told["error"]["kind"]) == ("failed", "code")
    assert "outside the study's bounds" in told["error"]["message"]


def test_a_result_the_server_did_not_take_in_time_is_sent_when_it_is_back(
    wire: Wire, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bonanza.worker.asking.OUTAGE_PAUSE_S", 0.1)
    wire.max_trials = 2
    original, refused = wire._trial, []

    def absent(number: int, verb: str, body: dict[str, object]) -> object:
        if verb == "tell" and not refused:
            refused.append(number)
            wire.faults = [refuse_connection] * 3
            return refuse_connection(None, None)  # type: ignore[arg-type]
        return original(number, verb, body)

    wire._trial = absent  # type: ignore[method-assign,assignment]
    work(client, "quick")
    assert refused == [0]
    assert sorted(wire.told) == [0, 1]
    assert [t["value"] for t in wire.told[0]] == [50.0]


def test_the_worker_stops_after_max_trials(wire: Wire, client: Client) -> None:
    wire.max_trials = 5
    assert work(client, "quick", max_trials=2) == "2 trials measured"
    assert sorted(wire.told) == [0, 1]


def test_a_broken_evaluator_leases_nothing(wire: Wire, client: Client) -> None:
    with pytest.raises(BrokenEvaluator, match="has no function 'no_such'"):
        work(client, "no_such")
    assert wire.started == 0


def test_an_evaluator_s_process_that_cannot_start_breaks_the_worker(wire: Wire, client: Client, folder: Path) -> None:
    (folder / "lab_evaluators.py").write_text("import os; os._exit(7)")
    with pytest.raises(BrokenEvaluator, match=r"could not start.*exit code 7"):
        work(client, "quick")
    assert wire.started == 0


def test_an_evaluator_that_breaks_later_leases_no_more(wire: Wire, client: Client, folder: Path) -> None:
    wire.max_trials = 2
    (folder / "lab_evaluators.py").write_text(
        "from pathlib import Path\n"
        "def quick(architecture, trial):\n"
        "    Path('lab_evaluators.py').write_text('')\n"
        "    import os; os._exit(1)\n"
    )
    with pytest.raises(BrokenEvaluator, match="has no function"):
        work(client, "quick")
    assert wire.told[0][0]["outcome"] == "failed"
    assert wire.started == 1


def test_an_evaluator_that_dies_and_breaks_while_the_worker_asks_gives_the_trial_back(
    wire: Wire, client: Client, folder: Path
) -> None:
    (folder / "lab_evaluators.py").write_text(
        "import os, threading\n"
        "from pathlib import Path\n"
        "if Path('started').exists():\n"
        "    raise RuntimeError('only once')\n"
        "Path('started').touch()\n"
        "def quick(architecture, trial):\n"
        "    return 1.0\n"
        "threading.Timer(0.2, os._exit, [1]).start()\n"
    )
    original = wire._ask

    def slow_ask(body: dict[str, object]) -> dict[str, object]:
        time.sleep(1)
        return original(body)

    wire._ask = slow_ask  # type: ignore[method-assign]
    with pytest.raises(BrokenEvaluator, match="only once"):
        work(client, "quick")
    assert wire.released == [0]


def test_the_worker_waits_while_the_study_has_nothing_to_give(wire: Wire, client: Client) -> None:
    wire.asks = [{"reason": "paused", "retry_after_s": 0.05}, {"reason": "waiting_for_results", "retry_after_s": 0.05}]
    work(client, "quick")
    assert sorted(wire.told) == [0]


def test_the_worker_ends_with_the_study(wire: Wire, client: Client) -> None:
    wire.asks = [{"reason": "finished"}]
    assert work(client, "quick") == "study s: finished"


def test_the_worker_stays_as_long_as_a_dead_worker_s_trial_may_come_back(
    wire: Wire, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bonanza.worker.asking.REAPING_S", 0.1)
    wire.studies["s"] |= {"trials": {"running": 1}, "lease": {"ttl_s": 1.0}}
    wire.asks = [{"reason": "budget_reached"}] * 2  # then a trial, then nothing more
    began = time.monotonic()
    assert work(client, "quick") == "study s: budget_reached"
    assert sorted(wire.told) == [0]
    assert 1.0 < time.monotonic() - began < 30


def test_the_worker_outlives_a_server_that_is_away(wire: Wire, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bonanza.worker.asking.OUTAGE_PAUSE_S", 0.1)
    study = client.study("s")
    wire.faults = [refuse_connection] * 8 + [refuse("internal")]
    Slot(study, "python:lab_evaluators:quick", worker_id="w", wait_s=0.1).run()
    assert sorted(wire.told) == [0]


def test_the_worker_ends_when_the_study_is_gone(wire: Wire, client: Client) -> None:
    study = client.study("s")
    wire.studies.clear()
    with pytest.raises(NotFound):
        Slot(study, "python:lab_evaluators:quick", worker_id="w").run()


def test_a_worker_of_a_given_name_first_takes_up_what_it_held(wire: Wire, client: Client) -> None:
    wire.max_trials = 2
    Slot(client.study("s"), "python:lab_evaluators:quick", worker_id="w", wait_s=0.1, reuse=True).run()
    assert [body.get("reuse", False) for body in wire.bodies("/ask")] == [True, False, False]


def test_stop_gives_the_trial_back_from_any_thread(wire: Wire, client: Client, folder: Path) -> None:
    worker = Slot(client.study("s"), "python:lab_evaluators:never_returns", worker_id="w", wait_s=0.1)

    def stop() -> None:
        eventually((folder / "evaluator.pid").exists, "the evaluator begins")
        worker.stop("enough")

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert worker.run() == "enough"
    stopper.join()
    assert wire.released == [0]
    assert wire.bodies("/release")[0]["reason"] == "enough"
    assert wire.told == {}


def test_a_trial_that_is_answered_to_a_worker_that_is_stopping_is_given_back(wire: Wire, client: Client) -> None:
    worker = Slot(client.study("s"), "python:lab_evaluators:quick", worker_id="w", wait_s=0.1)
    original = wire._ask

    def slow_ask(body: dict[str, object]) -> dict[str, object]:
        worker.stop("enough")
        time.sleep(0.3)
        return original(body)

    wire._ask = slow_ask  # type: ignore[method-assign]
    assert worker.run() == "enough"
    assert wire.released == [0]


def test_a_trial_that_is_answered_to_a_worker_that_has_ended_is_given_back(
    wire: Wire, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bonanza.worker.asking.LAST_ASK_S", 0.05)
    worker = Slot(client.study("s"), "python:lab_evaluators:quick", worker_id="w", wait_s=0.1)
    original = wire._ask

    def slow_ask(body: dict[str, object]) -> dict[str, object]:
        worker.stop("enough")
        time.sleep(0.5)
        return original(body)

    wire._ask = slow_ask  # type: ignore[method-assign]
    assert worker.run() == "enough"
    assert wire.released == []
    eventually(lambda: wire.released == [0], "the late answer is given back")
