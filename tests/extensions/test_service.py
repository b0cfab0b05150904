"""A study of somebody else's strategy in somebody else's space, measured by somebody else's evaluator: in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bonanza.spaces import space_from_spec
from tests.bench.conftest import SPEC
from tests.live import LiveServer


def bonanza(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bonanza.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=cwd)


def test_an_installed_distribution_serves_a_whole_search(installed: Path, tmp_path: Path) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=1) as server:
        strategy = {"name": "nearest", "k": 1, "n_initial": 10}
        made = server.study(space={"kind": "rings"}, strategy=strategy, budget={"max_trials": 12})
        assert made["strategy"] == strategy
        assert made["space"] == {"kind": "rings"}
        worked = bonanza(
            "worker", "--server", server.url, "--study", "s", "--evaluator", "counting:2", "--wait", "50", cwd=tmp_path
        )
        assert worked.returncode == 0, worked.stderr
        trials = server.get("/v1/studies/s/trials")["trials"]
        assert [trial["origin"] for trial in trials][10:] == ["acquisition"] * (len(trials) - 10)
        assert all(trial["value"] == 2.0 * trial["architecture"]["edges"].count("conv") for trial in trials)
        assert len(trials) == 12
        assert server.get("/v1/studies/s/model")["observations"] >= 10  # nothing is fitted after the last ask


def test_a_study_cannot_make_a_server_import_what_its_settings_do_not_list(beside: Path, tmp_path: Path) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=0) as server:
        body = {"space": {"kind": "nasbench201"}, "objective": {"name": "accuracy", "direction": "maximize"}}
        for field, value in (("strategy", {"name": "nearest:Nearest"}), ("space", {"kind": "rings_space:BESIDE"})):
            answer = server.http.put("/v1/studies/s", json={**body, field: value})
            assert answer.status_code == 422
            assert "BONANZA_MODULES" in answer.text
        sampled = server.http.post("/v1/spaces/sample", json={"space": {"kind": "rings_space:BESIDE"}})
        assert sampled.status_code == 422
    assert not {"nearest", "rings_space"} & set(sys.modules)


def test_a_benchmark_runs_a_class_that_its_command_line_names(beside: Path, tmp_path: Path) -> None:
    cells = {cell.arch_id: cell for cell in space_from_spec(SPEC).enumerate()}
    lines = [json.dumps({"architecture": cell.json, "values": [float(k)]}) for k, cell in enumerate(cells.values())]
    (tmp_path / "cells.jsonl").write_text("\n".join(lines) + "\n")
    arguments = [
        "cells.jsonl",
        "--space",
        json.dumps(SPEC),
        "--trials",
        "12",
        "--cap",
        "12",
        "--seeds",
        "1",
        "--jobs",
        "1",
    ]
    ran = bonanza(
        "bench", *arguments, "--strategies", "nearest:Nearest:k=1,surrogate:surrogate=flat:Flat:beta=1", cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    assert "| nearest:Nearest:k=1 |" in ran.stdout
    runs = [json.loads(line) for line in (tmp_path / "bench" / "runs.jsonl").read_text().splitlines()]
    assert {json.dumps(run["spec"]) for run in runs if run["contestant"].startswith("nearest")} == {
        '{"k": 1, "n_initial": 10, "name": "nearest:Nearest"}'
    }
