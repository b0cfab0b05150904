"""``bonanza worker status``: what a person sees of the workers of a server."""

from __future__ import annotations

import json
import re

import pytest

from bonanza.cli.worker import ago
from tests.client.test_cli import Run, one_red_line, run  # noqa: F401 - the fixture
from tests.live import LiveServer

REPORT = {
    "study": "cifar",
    "slots": [
        {"name": "gpu0", "state": "evaluating", "trial": 12, "measured": 41, "failed": 1},
        {
            "name": "gpu1.0",
            "state": "quarantined",
            "measured": 38,
            "failed": 6,
            "failures_in_a_row": 6,
            "error": "infra: CUDA [error]",
        },
    ],
    "gpus": [
        {"id": "0", "name": "H100", "utilisation": 97, "memory_used_mb": 31_232, "memory_total_mb": 81_920},
        {"id": "1", "name": "H100"},
    ],
}


def rows(out: str) -> list[list[str]]:
    return [re.split(r" {2,}", line.strip()) for line in out.splitlines()]


def test_each_slot_has_a_line_with_its_gpu_and_what_failed(live: LiveServer, run: Run) -> None:  # noqa: F811
    live.http.put("/v1/workers/gpu7", json=REPORT)
    live.http.put("/v1/workers/other", json={"state": "stopped", "slots": [{"name": "all", "state": "ended"}]})
    live.http.put("/v1/workers/slotless", json={})
    code, out, err = run("worker", "status", "--server", live.url)
    assert (code, err) == (0, "")
    head, first, second, stopped, slotless = rows(out)
    assert head[:6] == ["worker", "study", "seen", "slot", "state", "trial"]
    assert re.fullmatch(r"\d+ s ago", first.pop(2))
    assert first == ["gpu7", "cifar", "gpu0", "evaluating", "12", "41", "1", "97 %", "30.5 of 80 GiB"]
    assert second == ["gpu1.0", "quarantined", "–", "38", "6", "–", "–", "infra: CUDA [error]"]
    assert stopped[3:5] == ["all", "stopped"]
    assert slotless[3:5] == ["–", "running"]
    _, out, _ = run("worker", "status", "--server", live.url, "--study", "cifar", "--json")
    assert [worker["id"] for worker in json.loads(out)["workers"]] == ["gpu7"]


def test_a_server_without_workers_says_how_to_start_one(live: LiveServer, run: Run) -> None:  # noqa: F811
    code, out, _ = run("worker", "status", "--server", live.url, "--study", "s")
    assert code == 0
    assert f"bonanza worker --server {live.url} --study s --gpus all" in out


def test_a_worker_without_a_study_is_told_what_to_say(run: Run) -> None:  # noqa: F811
    code, _, err = run("worker", "--evaluator", "train:digits")
    assert code == 1
    assert "--study NAME" in one_red_line(err)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s ago"), (119, "119 s ago"), (120, "2 min ago"), (7_300, "2 h ago"), (200_000, "2 d ago")],
)
def test_ages_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert ago(seconds) == said
