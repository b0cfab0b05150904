"""``bonanza bench`` as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.conftest import SPEC


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bonanza.cli", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_benchmark_is_run_once_goes_on_where_it_was_and_reports(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = [str(file), "--space", json.dumps(SPEC), "--trials", "12", "--cap", "12", "--out", str(out)]
    first = bench(*given, "--strategies", "random", "--seeds", "2", "--jobs", "2")
    assert first.returncode == 0, first.stderr
    lines = (out / "runs.jsonl").read_text()
    again = bench(*given, "--strategies", "random,bonanza", "--seeds", "2", "--jobs", "1")
    assert again.returncode == 0, again.stderr
    runs = (out / "runs.jsonl").read_text()
    assert runs.startswith(lines)
    assert sorted((run["contestant"], run["seed"]) for run in map(json.loads, runs.splitlines())) == [
        ("bonanza", 0), ("bonanza", 1), ("random", 0), ("random", 1)
    ]  # fmt: skip
    report = (out / "report.md").read_text()
    assert report in again.stdout
    for said in ("queries to the optimum", "| bonanza |", "| random |", "regret after", "networks by their id"):
        assert said in report


def test_what_cannot_be_run_is_one_line(tmp_path: Path) -> None:
    done = bench("nasbench201", "--strategies", "banana", "--out", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("error: banana: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--confirm", "8", "--noise", "seed"], "is not CELLSxTIMES"),
        (["--confirm", "8x3"], "add --noise seed"),
        (["--confirm", "8x3", "--noise", "seed", "--trials", "24"], "leaves none to search with"),
    ],
)
def test_a_confirmation_that_cannot_be_is_refused_with_what_to_write(
    given: list[str], said: str, tmp_path: Path
) -> None:
    done = bench("nasbench201", *given, "--out", str(tmp_path))
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
