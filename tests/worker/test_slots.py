"""A worker of several slots as a process against a real server: who gets which place, how it ends, what it says of itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bonanza.client import Client
from bonanza.worker.daemon import Daemon, Options
from bonanza.worker.limits import Limits
from bonanza.worker.quarantine import LONGEST_S, Quarantine
from bonanza.worker.result import Failure, Result
from tests.live import LiveServer
from tests.worker.lab import WorkerProcess, eventually, write_evaluators

MORE = """

    def where(architecture, trial):
        gates = Path(f"began-{trial.number}")
        gates.touch()
        while len(list(Path(".").glob("began-*"))) < 3:
            time.sleep(0.02)  # so that every slot gets one
        print("measuring", trial.number, "on", os.environ["CUDA_VISIBLE_DEVICES"])
        return {"value": 60.0, "metrics": {"threads": float(os.environ["OMP_NUM_THREADS"]), "gpu": float(os.environ["CUDA_VISIBLE_DEVICES"] or -1)}}

    def until_told(architecture, trial):
        Path(f"began-{trial.number}").touch()
        while not Path("finish").exists():
            time.sleep(0.02)
        return 70.0

    def mended_later(architecture, trial):
        if not Path("mended").exists():
            raise RuntimeError("CUDA error: unspecified launch failure")
        return 80.0

    def prints_and_dies(architecture, trial):
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", file=sys.stderr, flush=True)
        os._exit(1)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_evaluators(tmp_path, MORE)
    return tmp_path


def began(folder: Path, count: int) -> Callable[[], bool]:
    return lambda: len(list(folder.glob("began-*"))) >= count


def trials(live: LiveServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = live.get("/v1/studies/s/trials")["trials"]
    return found


def status(live: LiveServer) -> dict[str, Any]:
    return live.get("/v1/workers/w")


def test_each_gpu_has_a_slot_of_its_own_and_the_worker_says_how_it_ended(
    live: LiveServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "CUDA_VISIBLE_DEVICES", "0,3,7"
    )  # no GPU is touched: the evaluator only looks at its environment
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    live.study(budget={"max_trials": 3})
    with WorkerProcess(live.url, "python:lab_evaluators:where", folder, gpus="all") as worker:
        assert worker.ends() == 0
    assert sorted(trial["metrics"]["gpu"] for trial in trials(live)) == [0.0, 3.0, 7.0]
    assert "[gpu3] measuring" in worker.said
    (attempt,) = live.get("/v1/studies/s/trials/1/attempts")["attempts"]
    assert attempt["log_tail"].startswith("measuring 1 on "), (
        "what it printed is there, also what no heartbeat has sent"
    )
    said = status(live)
    assert (said["state"], said["study"], said["evaluator"]) == ("stopped", "s", "python:lab_evaluators:where")
    assert [(slot["name"], slot["state"], slot["measured"]) for slot in said["slots"]] == [
        ("gpu0", "ended", 1),
        ("gpu3", "ended", 1),
        ("gpu7", "ended", 1),
    ]
    assert {"bonanza", "python"} <= said["versions"].keys()


def test_once_is_one_result_in_each_slot(live: LiveServer, folder: Path) -> None:
    live.study()
    with WorkerProcess(live.url, "python:lab_evaluators:quick", folder, slots=2, once=True) as worker:
        assert worker.ends() == 0
    assert [trial["state"] for trial in trials(live)] == ["complete", "complete"]
    assert sorted(slot["measured"] for slot in status(live)["slots"]) == [1, 1]


@pytest.mark.parametrize(("number", "drain"), [(signal.SIGUSR1, False), (signal.SIGTERM, True)])
def test_a_drained_worker_finishes_what_it_has_and_takes_no_more(
    number: signal.Signals, drain: bool, live: LiveServer, folder: Path
) -> None:
    live.study()
    with WorkerProcess(live.url, "python:lab_evaluators:until_told", folder, slots=2, drain=drain) as worker:
        eventually(began(folder, 2), "both slots work", worker)
        worker.signal(number)
        eventually(lambda: status(live)["state"] == "draining", "it says so", worker)
        assert worker.process.poll() is None
        (folder / "finish").touch()
        assert worker.ends() == 0
    assert [trial["state"] for trial in trials(live)] == ["complete", "complete"]


def test_a_signal_after_the_draining_one_gives_the_trials_back(live: LiveServer, folder: Path) -> None:
    live.study()
    with WorkerProcess(live.url, "python:lab_evaluators:until_told", folder, slots=2, drain=True) as worker:
        eventually(began(folder, 2), "both slots work", worker)
        worker.signal(signal.SIGTERM)
        eventually(lambda: status(live)["state"] == "draining", "it drains", worker)
        worker.signal(signal.SIGTERM)
        assert worker.ends() == 0
    assert [(trial["state"], trial["attempts"]) for trial in trials(live)] == [("pending", 0), ("pending", 0)]


def test_a_worker_with_nothing_to_do_leaves_the_machine_to_others(live: LiveServer, folder: Path) -> None:
    live.study()
    live.post("/v1/studies/s/pause")
    with WorkerProcess(live.url, "python:lab_evaluators:quick", folder, slots=2, idle_exit=0.5, wait_s=0.2) as worker:
        assert worker.ends() == 0
    assert "--idle-exit" in worker.said
    assert trials(live) == []


def test_a_slot_that_fails_again_and_again_rests_and_says_so_and_comes_back(live: LiveServer, folder: Path) -> None:
    live.study(lease={"max_attempts": 1})
    program = {"quarantine_after": 2, "slots": 1}
    with WorkerProcess(live.url, "python:lab_evaluators:mended_later", folder, **program) as worker:
        eventually(lambda: "2 failures in a row" in worker.said, "the slot rests", worker)
        eventually(lambda: status(live)["slots"][0]["state"] == "quarantined", "the server knows", worker)
        slot = status(live)["slots"][0]
        assert (slot["failed"], slot["failures_in_a_row"], slot["trial"]) == (2, 2, None)
        assert "unspecified launch failure" in slot["error"]
        assert [trial["error"]["kind"] for trial in trials(live)] == ["infra", "infra"]
        worker.signal(signal.SIGTERM)
        assert worker.ends() == 0
    assert len(trials(live)) == 2


def test_a_slot_rests_longer_after_each_trial_that_fails_and_is_well_after_one_that_does_not() -> None:
    quarantine = Quarantine(2, first_s=10.0)
    failure = Result.failed(Failure("infra", "the GPU is gone"))
    rests = []
    for _ in range(12):
        assert quarantine.note(failure)
        rests.append(quarantine.pause_s if quarantine.needed else None)
    assert rests[:4] == [None, 10.0, 20.0, 40.0]
    assert rests[-1] == LONGEST_S
    assert quarantine.error == "infra: the GPU is gone"
    assert not quarantine.note(Result(90.0))
    assert (quarantine.needed, quarantine.error) == (False, None)


@pytest.mark.parametrize("result", [Result.failed(Failure("nan", "diverged")), Result(outcome="pruned")])
def test_what_is_the_cell_s_doing_brings_no_slot_into_quarantine(result: Result) -> None:
    quarantine = Quarantine(1)
    quarantine.note(result)
    assert not quarantine.needed
    never = Quarantine(None)
    for _ in range(99):
        never.note(Result.failed(Failure("code", "")))
    assert not never.needed


def test_a_process_that_dies_is_told_with_the_end_of_what_it_printed(live: LiveServer, folder: Path) -> None:
    live.study(budget={"max_trials": 1}, lease={"max_attempts": 1})
    with WorkerProcess(live.url, "python:lab_evaluators:prints_and_dies", folder) as worker:
        assert worker.ends() == 0
    [trial] = trials(live)
    assert trial["error"]["kind"] == "oom"
    assert "Tried to allocate 2.00 GiB" in trial["error"]["message"]
    assert "CUDA out of memory" in trial["error"]["traceback_tail"]
    assert "CUDA out of memory" in worker.said


def test_limits_count_what_is_taken_and_how_long_nothing_was() -> None:
    limits = Limits(max_trials=2, idle_s=0.05)
    assert [limits.take(), limits.take(), limits.take()] == [True, True, False]
    limits.put_back()
    assert limits.take()
    limits.begin()
    time.sleep(0.1)
    assert not limits.idle()
    limits.end()
    eventually(limits.idle, "nothing was done for so long")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"gpus": "0", "slots": 2}, "not both"),
        ({"evaluator": None}, "say how to measure: --evaluator"),
    ],
)
def test_a_worker_that_cannot_be_as_asked_ends_with_2(
    options: dict[str, Any], says: str, live: LiveServer, folder: Path
) -> None:
    live.study()
    given = {"evaluator": "python:lab_evaluators:quick"} | options
    with WorkerProcess(live.url, folder=folder, **given) as worker:
        assert worker.ends() == 2
    assert says in worker.said
    assert "Traceback" not in worker.said


def test_the_study_s_protocol_may_name_the_data_to_train_on(live: LiveServer) -> None:
    live.study(protocol={"name": "digits", "data": "npz:mine.npz"})
    with Client(live.url) as client:
        daemon = Daemon(client, "s", None, "w", Options())
        assert daemon.evaluator == "train:npz:mine.npz"
        assert Daemon(client, "s", "python:a:b", "w", Options()).evaluator == "python:a:b"
