"""Workers as processes against the real server: signals, leases, outages, exit codes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bonanza.worker.signals import obey_signals
from bonanza.worker.tabular import load_nasbench201
from tests.live import LiveServer
from tests.worker.lab import Cable, WorkerProcess, alive, eventually, write_evaluators

LEASE = {"ttl_s": 1.5, "heartbeat_s": 0.3, "max_attempts": 3}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_evaluators(tmp_path)
    return tmp_path


@pytest.fixture
def cable(live: LiveServer) -> Iterator[Cable]:
    cable = Cable(live.port)
    yield cable
    cable.close()


def state(live: LiveServer, number: int = 0) -> str:
    return str(live.trial(number)["state"])


def test_a_worker_measures_the_whole_budget_and_ends(live: LiveServer, folder: Path) -> None:
    live.study(budget={"max_trials": 5})
    with WorkerProcess(live.url, "tabular:nasbench201/cifar10", folder, worker_id=None) as worker:
        assert worker.ends() == 0
    table = load_nasbench201("cifar10")
    trials = live.get("/v1/studies/s/trials")["trials"]
    assert [trial["state"] for trial in trials] == ["complete"] * 5
    cells = list(table.values())
    for trial in trials:
        cell = next(
            cell
            for cell in cells
            if trial["value"] in cell.values and f"trial {trial['number']}  {cell.text}" in worker.said
        )
        assert trial["value"] == cell.draw(trial["seed"])
        assert trial["cost"] == {"seconds": cell.seconds}
    assert "budget_reached" in worker.said


@pytest.mark.parametrize(
    ("number", "function"),
    [(signal.SIGTERM, "never_returns"), (signal.SIGINT, "slow")],
)
def test_a_signal_gives_the_trial_back_whatever_the_evaluator_is_doing(
    number: signal.Signals, function: str, live: LiveServer, folder: Path
) -> None:
    live.study()
    with WorkerProcess(live.url, f"python:lab_evaluators:{function}", folder) as worker:
        evaluator = worker.evaluating()
        began = time.monotonic()
        worker.signal(number)
        assert worker.ends() == 0
        assert time.monotonic() - began < 10  # about one second on a machine with nothing else to do
    trial = live.trial(0)
    assert (trial["state"], trial["attempts"]) == ("pending", 0)
    assert not alive(evaluator)
    assert f"trial 0 given back ({number.name})" in worker.said


def test_a_signal_ends_a_program_and_what_it_started(live: LiveServer, folder: Path) -> None:
    live.study()
    program = folder / "program.sh"
    program.write_text("#!/bin/sh\necho $$ > evaluator.pid\nsleep 61 & echo $! > child.pid\nwait\n")
    program.chmod(0o755)
    with WorkerProcess(live.url, f"command:{program}", folder) as worker:
        pid = worker.evaluating()
        eventually((folder / "child.pid").exists, "the program starts another")
        child = int((folder / "child.pid").read_text())
        worker.signal(signal.SIGTERM)
        assert worker.ends() == 0
    assert state(live) == "pending"
    eventually(lambda: not alive(pid) and not alive(child), "both are gone")


def test_a_checkpoint_goes_to_whoever_takes_the_trial_next(live: LiveServer, folder: Path) -> None:
    live.study(budget={"max_trials": 1})
    with WorkerProcess(live.url, "python:lab_evaluators:leaves_a_checkpoint", folder) as worker:
        worker.evaluating()
        worker.signal(signal.SIGTERM)
        assert worker.ends() == 0
    with WorkerProcess(live.url, "python:lab_evaluators:leaves_a_checkpoint", folder) as worker:
        assert worker.ends() == 0
    assert live.trial(0)["value"] == 17.0


def test_a_second_signal_ends_the_worker_at_once(live: LiveServer, folder: Path) -> None:
    live.study()
    with WorkerProcess(live.url, "python:lab_evaluators:will_not_stop", folder) as worker:
        evaluator = worker.evaluating()
        worker.signal(signal.SIGTERM)
        time.sleep(0.5)
        assert worker.process.poll() is None  # it waits for the evaluator's checkpoint
        worker.signal(signal.SIGTERM)
        assert worker.ends(10) == 128 + signal.SIGTERM
    eventually(lambda: not alive(evaluator), "the evaluator dies with the worker")


def test_a_worker_that_waits_for_a_trial_ends_at_a_signal(live: LiveServer, folder: Path) -> None:
    live.study()
    live.post("/v1/studies/s/pause")
    with WorkerProcess(live.url, "python:lab_evaluators:quick", folder) as worker:
        eventually(lambda: "waiting: paused" in worker.said, "the worker waits", worker)
        worker.signal(signal.SIGTERM)
        assert worker.ends() == 0
    assert live.get("/v1/studies/s/trials")["trials"] == []


def test_a_signal_while_trials_fly_loses_none(live: LiveServer, folder: Path) -> None:
    live.study()
    with WorkerProcess(live.url, "python:lab_evaluators:quick", folder) as worker:
        eventually(lambda: worker.said.count("\n") > 20, "twenty trials", worker)
        worker.signal(signal.SIGTERM)
        assert worker.ends() == 0
    counts = live.get("/v1/studies/s")["trials"]
    assert counts["running"] == 0
    assert counts["complete"] == worker.said.count(" s  best\n")  # each trial is better than the last
    assert sum(counts.values()) - counts["complete"] == counts["pending"] <= 1


def test_the_lease_holds_while_a_c_call_holds_the_interpreter_lock(live: LiveServer, folder: Path) -> None:
    live.study(budget={"max_trials": 1}, lease=LEASE)
    with WorkerProcess(live.url, "python:lab_evaluators:holds_the_lock", folder) as worker:
        assert worker.ends() == 0
    trial = live.trial(0)
    assert (trial["state"], trial["value"], trial["attempts"], trial["late"]) == ("complete", 60.0, 1, False)


def test_a_killed_worker_s_evaluator_dies_and_its_trial_goes_to_another(live: LiveServer, folder: Path) -> None:
    live.study(budget={"max_trials": 1}, lease=LEASE)
    with WorkerProcess(live.url, "python:lab_evaluators:slow", folder) as worker:
        evaluator = worker.evaluating()
        worker.signal(signal.SIGKILL)
        worker.ends()
        eventually(lambda: not alive(evaluator), "the evaluator dies with the worker")
    with WorkerProcess(live.url, "python:lab_evaluators:quick", folder, worker_id="other") as worker:
        eventually(lambda: state(live) == "complete", "another worker measures the trial", worker)
        assert worker.ends() == 0
    assert live.trial(0)["attempts"] == 2


def test_a_restarted_worker_of_the_same_name_takes_up_its_trial(live: LiveServer, folder: Path) -> None:
    live.study(budget={"max_trials": 1}, lease={"ttl_s": 600})
    with WorkerProcess(live.url, "python:lab_evaluators:slow", folder) as worker:
        worker.evaluating()
        worker.signal(signal.SIGKILL)
    with WorkerProcess(live.url, "python:lab_evaluators:quick", folder) as worker:
        assert worker.ends() == 0
    assert live.trial(0)["value"] == 50.0


def test_a_cancelled_trial_is_dropped_and_the_next_one_begun(live: LiveServer, folder: Path) -> None:
    live.study(budget={"max_trials": 2}, lease=LEASE)
    with WorkerProcess(live.url, "python:lab_evaluators:slow_at_first", folder) as worker:
        worker.evaluating()
        live.post("/v1/studies/s/trials/0/cancel")
        assert worker.ends() == 0
    assert (state(live, 0), state(live, 1)) == ("cancelled", "complete")
    assert "trial 0 dropped: the server said cancel" in worker.said


def test_an_evaluator_killed_from_outside_is_tried_again(live: LiveServer, folder: Path) -> None:
    live.study(budget={"max_trials": 1})
    with WorkerProcess(live.url, "python:lab_evaluators:killed_once", folder) as worker:
        assert worker.ends() == 0
    trial = live.trial(0)
    assert (trial["state"], trial["value"], trial["attempts"]) == ("complete", 90.0, 2)


def test_an_outage_costs_neither_the_lease_nor_the_result(live: LiveServer, cable: Cable, folder: Path) -> None:
    live.study(budget={"max_trials": 1}, lease={"ttl_s": 60, "heartbeat_s": 0.2})
    with WorkerProcess(cable.url, "python:lab_evaluators:holds_the_lock", folder) as worker:
        worker.evaluating()
        cable.cut()
        time.sleep(4)  # the measurement ends meanwhile
        assert state(live) == "running"
        cable.mend()
        assert worker.ends() == 0
    trial = live.trial(0)
    assert (trial["state"], trial["value"], trial["attempts"]) == ("complete", 60.0, 1)


def spooled(folder: Path) -> bool:
    """Whether a whole tell is on the disk: its file is there a moment before it."""
    return any(file.read_bytes().endswith(b"\n") for file in (folder / "spool").glob("tells-*.jsonl"))


def test_a_result_outlives_its_worker(live: LiveServer, cable: Cable, folder: Path) -> None:
    live.study(budget={"max_trials": 2}, lease={"ttl_s": 600})
    with WorkerProcess(cable.url, "python:lab_evaluators:holds_the_lock", folder, max_trials=1) as worker:
        worker.evaluating()
        cable.cut()
        eventually(lambda: spooled(folder), "the result is on the disk", worker)
        worker.signal(signal.SIGKILL)
        worker.ends()
    cable.mend()
    with WorkerProcess(cable.url, "python:lab_evaluators:quick", folder, worker_id="other") as worker:
        assert worker.ends() == 0
    assert (live.trial(0)["value"], live.trial(1)["value"]) == (60.0, 51.0)
    assert "sent 1 results that were waiting on the disk" in worker.said


@pytest.mark.parametrize(
    ("evaluator", "says"),
    [
        ("python:lab_evaluators:no_such", "has no function 'no_such'"),
    ],
)
def test_a_broken_evaluator_ends_the_worker_with_2_before_it_leases(
    evaluator: str, says: str, live: LiveServer, folder: Path
) -> None:
    live.study()
    with WorkerProcess(live.url, evaluator, folder) as worker:
        assert worker.ends() == 2
    assert says in worker.said
    assert "Traceback" not in worker.said
    assert live.get("/v1/studies/s/trials")["trials"] == []


def test_a_study_that_is_not_there_ends_the_worker_with_1(live: LiveServer, folder: Path) -> None:
    with WorkerProcess(live.url, "python:lab_evaluators:quick", folder) as worker:
        assert worker.ends() == 1
    assert "bonanza study list" in worker.said
    assert "Traceback" not in worker.said


def test_an_address_that_is_none_ends_the_worker_with_1(folder: Path) -> None:
    with WorkerProcess("not an address", "python:lab_evaluators:quick", folder) as worker:
        assert worker.ends() == 1
    assert "Traceback" not in worker.said


def test_a_real_training_is_told(live: LiveServer, folder: Path) -> None:
    live.study(budget={"max_trials": 1}, protocol={"name": "digits", "epochs": 1})
    with WorkerProcess(live.url, "train:digits", folder) as worker:
        assert worker.ends() == 0
    trial = live.trial(0)
    assert trial["state"] == "complete"
    assert trial["metrics"]["epochs"] == 1
    assert 5 < trial["value"] <= 100


def test_handlers_are_put_back_and_the_deadline_is_called_off() -> None:
    before = signal.getsignal(signal.SIGTERM)
    said: list[str] = []

    def stop(name: str) -> float:
        said.append(name)
        return 0.2

    with obey_signals(stop):
        signal.raise_signal(signal.SIGTERM)
    assert said == ["SIGTERM"]
    assert signal.getsignal(signal.SIGTERM) is before
    time.sleep(0.4)  # by now the deadline would have ended this very process


def test_the_deadline_ends_a_worker_that_will_not() -> None:
    program = (
        "import time; from bonanza.worker.signals import obey_signals\n"
        "with obey_signals(lambda name: 0.3):\n"
        "    print('ready', flush=True); time.sleep(30); time.sleep(30)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
