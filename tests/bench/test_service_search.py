"""A search through a real server finds what it finds in process."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.conftest import SPEC
from tests.bench.test_command import bench


def test_through_a_server_a_search_asks_for_the_same_cells_as_in_process(file: Path, tmp_path: Path) -> None:
    given = [str(file), "--space", json.dumps(SPEC), "--trials", "9", "--cap", "9", "--seeds", "1", "--jobs", "1"]
    given += ["--strategies", "bonanza:n_initial=3,random", "--out", str(tmp_path / "out")]
    for more in ([], ["--through-server"]):
        ran = bench(*given, *more)
        assert ran.returncode == 0, ran.stderr
    runs = [json.loads(line) for line in (tmp_path / "out" / "runs.jsonl").read_text().splitlines()]
    inside, through = ([run for run in runs if run.get("through_server", False) is one] for one in (False, True))
    assert len(inside) == len(through) == 2
    for one, other in zip(inside, through, strict=True):
        assert one["contestant"] == other["contestant"]
        for name in ("regrets", "hours", "found", "rank_correlation"):
            assert one["outcome"][name] == other["outcome"][name]


def test_what_is_known_beforehand_changes_a_search_and_does_so_through_a_server_too(file: Path, tmp_path: Path) -> None:
    features = tmp_path / "known.jsonl"
    cells = [json.loads(line)["architecture"] for line in file.read_text().splitlines()]
    lines = [{"architecture": cell, "features": {"told": k * 7919 % 101}} for k, cell in enumerate(cells)]
    elsewhere = {"architecture": {"edges": ["conv"] * 6}, "features": {"told": 1.0}}
    features.write_text("\n".join(map(json.dumps, [*lines, elsewhere])))
    given = [str(file), "--space", json.dumps(SPEC), "--trials", "12", "--noise", "seed", "--seeds", "1", "--jobs", "1"]
    given += ["--strategies", "bonanza:n_initial=3", "--out", str(tmp_path / "out")]
    for more in ([], ["--features", str(features)], ["--features", str(features), "--through-server"]):
        ran = bench(*given, *more)
        assert ran.returncode == 0, ran.stderr
    assert f"told the features in known.jsonl ({len(cells)} architectures" in ran.stdout
    without, inside, through = [
        json.loads(line)["outcome"] for line in (tmp_path / "out" / "runs.jsonl").read_text().splitlines()
    ]
    assert inside["regrets"] == through["regrets"]
    assert inside["hours"] == through["hours"]
    assert (without["regrets"], without["hours"]) != (inside["regrets"], inside["hours"])


def test_through_a_server_the_same_cells_are_confirmed_and_the_same_one_recommended(file: Path, tmp_path: Path) -> None:
    given = [str(file), "--space", json.dumps(SPEC), "--trials", "12", "--seeds", "1", "--jobs", "1", "--noise", "seed"]
    given += ["--confirm", "2x2", "--strategies", "bonanza:n_initial=3", "--out", str(tmp_path)]
    for more in ([], ["--through-server"]):
        ran = bench(*given, *more)
        assert ran.returncode == 0, ran.stderr
    inside, through = [json.loads(line)["outcome"] for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert inside["recommended"]["12"] == through["recommended"]["12"]
    assert inside["hours"] == through["hours"]
    assert inside["regrets"] == through["regrets"]


def test_eight_workers_hold_trials_of_the_server_at_once(file: Path, tmp_path: Path) -> None:
    given = [str(file), "--space", json.dumps(SPEC), "--trials", "16", "--seeds", "1", "--jobs", "1", "--workers", "8"]
    ran = bench(*given, "--noise", "seed", "--strategies", "evolution", "--through-server", "--out", str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    (run,) = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert len(run["outcome"]["regrets"]) == 16
    assert "regret after simulated GPU hours" in ran.stdout
