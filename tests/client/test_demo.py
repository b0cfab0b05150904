"""The demo with its real processes: what it prints, and that nothing outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from bonanza.demo.progress import Lines, model_so_far
from bonanza.demo.report import Report
from bonanza.demo.search import Found
from bonanza.demo.setting import Setting
from bonanza.errors import InvalidRequest
from bonanza.schemas import Study
from bonanza.worker.tabular import load_nasbench201
from tests.client.wire import study


def setting(**given: object) -> Setting:
    return Setting.of(**({"train": None, "seed": 0, "trials": None, "workers": None, "dataset": "cifar10"} | given))  # type: ignore[arg-type]


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = os.environ | {"TMPDIR": str(folder)}
    command = [sys.executable, "-m", "bonanza.cli", "demo", *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def family() -> Iterator[list[psutil.Process]]:
    """Processes that must be gone at the end of a test."""
    processes: list[psutil.Process] = []
    yield processes
    _, alive = psutil.wait_procs(processes, timeout=10)
    for process in alive:
        process.kill()
    assert alive == []


def test_a_small_demo_end_to_end(tmp_path: Path):
    demo = start(tmp_path, "--json", "--trials", "12", "--workers", "2", "--seed", "3")
    out, err = demo.communicate(timeout=120)
    assert demo.returncode == 0, err
    (line,) = out.splitlines()
    found = json.loads(line)
    table = load_nasbench201("cifar10")
    assert found.keys() == {"study", "trials", "best", "optimum", "regret", "random_regret", "seconds"}
    assert (found["study"], found["trials"]) == ("bananas", 12)
    assert found["optimum"] == pytest.approx(table.optimum.mean, abs=1e-4)
    cell = table[found["best"]["architecture"]]
    assert found["best"]["value"] in [pytest.approx(value, abs=1e-4) for value in cell.values]
    assert found["regret"] == pytest.approx(table.optimum.mean - cell.mean, abs=1e-4)
    assert found["random_regret"] >= 0
    for said in ("bananas", "random", "12/12", "Best architecture", found["best"]["architecture"]):
        assert said in err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_every_process_and_says_where_the_logs_are(tmp_path: Path, family: list[psutil.Process]):
    demo = start(tmp_path, "--trials", "5000")
    until(lambda: list(tmp_path.glob("*/bananas-worker-3.log")))
    family += psutil.Process(demo.pid).children(recursive=True)
    assert len(family) >= 5
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 130
    (folder,) = tmp_path.iterdir()
    assert f"Stopped. The database and the logs are in {folder}" in out
    assert "Traceback" not in err


def test_a_demo_that_is_killed_leaves_no_process_behind(tmp_path: Path, family: list[psutil.Process]):
    demo = start(tmp_path, "--trials", "5000", "--workers", "2")
    until(lambda: list(tmp_path.glob("*/bananas-worker-1.log")))
    family += psutil.Process(demo.pid).children(recursive=True)
    demo.kill()
    demo.communicate(timeout=30)


@pytest.mark.parametrize("asked", [False, True], ids=["between two questions", "while it is asked something"])
def test_a_process_that_ends_early_ends_the_demo_with_its_log(
    asked: bool, tmp_path: Path, family: list[psutil.Process]
):
    demo = start(tmp_path, "--trials", "5000", "--workers", "2")
    until(lambda: list(tmp_path.glob("*/bananas-worker-1.log")))
    family += psutil.Process(demo.pid).children(recursive=True)
    until(lambda: "listens on" in next(iter(tmp_path.glob("*/server.log"))).read_text())
    (server,) = [child for child in psutil.Process(demo.pid).children() if "serve" in child.cmdline()]
    if asked:
        server.suspend()
        time.sleep(1)
    server.kill()
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert err.startswith("error: server was ended by SIGKILL, and the demo with it\n")
    assert "listens on" in err
    assert f"The database and the logs are in {next(iter(tmp_path.iterdir()))}" in err


def found(name: str, text: str, value: float) -> Found:
    return Found(study=name, trials=100, number=7, architecture=text, value=value, seconds=1.0)


def test_regret_is_of_the_mean_of_the_cell_whose_observed_value_was_best():
    table = load_nasbench201("cifar10")
    lucky = max(table.values(), key=lambda cell: max(cell.values) - cell.mean)
    report = Report(
        setting(), found("bananas", lucky.text, max(lucky.values)), found("random", table.optimum.text, 91.0), 12.34
    )
    said = report.json()
    assert said["regret"] == pytest.approx(table.optimum.mean - lucky.mean, abs=1e-4)
    assert said["random_regret"] == 0
    assert said["best"] == {"architecture": lucky.text, "value": pytest.approx(max(lucky.values), abs=1e-4)}
    assert said["seconds"] == 12.3


def test_a_real_training_has_no_optimum_to_compare_with():
    training = setting(train="digits")
    assert (training.evaluator, training.trials, training.workers) == ("train:digits", 20, 2)
    assert [strategy["name"] for strategy in training.strategies] == ["bananas"]
    assert training.strategies[0]["n_initial"] < training.trials
    said = Report(
        training, found("bananas", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 97.5), None, 60.0
    ).json()
    assert (said["optimum"], said["regret"], said["random_regret"]) == (None, None, None)


def test_both_searches_have_the_same_budget_workers_and_seed():
    compared = setting(seed=5, trials=40, workers=3, dataset="cifar100")
    assert [strategy["name"] for strategy in compared.strategies] == ["bananas", "random"]
    assert (compared.trials, compared.workers, compared.seed, compared.evaluator) == (
        40,
        3,
        5,
        "tabular:nasbench201/cifar100",
    )
    with pytest.raises(InvalidRequest, match="digits"):
        setting(train="imagenet")


def test_the_lag_of_the_model_is_shown():
    info = study("s")
    assert model_so_far(Study.model_validate(info)) == "model 3, 1 behind"
    assert model_so_far(Study.model_validate(info | {"model": {"version": 0}})) == "initial design"
    assert (
        model_so_far(Study.model_validate(info | {"model": {"version": 2, "degraded": True}}))
        == "model 2, up to date, degraded"
    )
    assert model_so_far(Study.model_validate(info | {"strategy": {"name": "random"}})) == ""


def test_without_a_terminal_progress_is_plain_lines(capsys: pytest.CaptureFixture[str]):
    with Lines(Console(force_terminal=False, width=200), "bananas", 100) as lines:
        lines.show(Study.model_validate(study("s")))
        lines.show(Study.model_validate(study("s")))
    out = capsys.readouterr().out
    assert out == "bananas  2/100, no result yet, model 3, 1 behind, 0 s\n"
