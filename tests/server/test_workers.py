"""What the daemons say of themselves: kept by name, the last word only, forgotten after a week."""

from __future__ import annotations

import pytest

from tests.server.expect import problem
from tests.server.lab import Json, Lab

REPORT: Json = {
    "study": "cifar",
    "evaluator": "train:digits",
    "host": "gpu7",
    "versions": {"python": "3.11"},
    "slots": [{"name": "gpu0", "state": "evaluating", "trial": 3, "measured": 2}],
    "gpus": [{"id": "0", "name": "H100", "utilisation": 97.5, "memory_used_mb": 100, "memory_total_mb": 80_000}],
}


@pytest.fixture(autouse=True)
def study(lab: Lab) -> None:
    """What the lab looks at when a test is over."""
    lab.study()


def put(lab: Lab, worker: str, **fields: object) -> Json:
    answer = lab.server.http.put(f"/v1/workers/{worker}", json=REPORT | fields)
    assert answer.status_code == 200, answer.text
    said: Json = answer.json()
    return said


def listed(lab: Lab, query: str = "") -> list[str]:
    return [worker["id"] for worker in lab.server.get(f"/v1/workers{query}")["workers"]]


def test_a_worker_registers_and_each_report_replaces_the_last(lab: Lab) -> None:
    first = put(lab, "gpu7:1")
    assert {name: first[name] for name in ("id", "state", "host", "silent_s")} == {
        "id": "gpu7:1",
        "state": "running",
        "host": "gpu7",
        "silent_s": 0.0,
    }
    lab.pass_time(20)
    put(lab, "gpu7:1", state="draining", slots=[])
    lab.pass_time(7)
    now = lab.server.get("/v1/workers/gpu7:1")
    assert (now["state"], now["slots"], now["silent_s"]) == ("draining", [], 7.0)
    assert now["registered_at"] == first["registered_at"]
    assert now["gpus"] == REPORT["gpus"]


def test_workers_are_listed_by_name_and_study(lab: Lab) -> None:
    for worker, study in (("b", "one"), ("a", "two"), ("c", "one")):
        put(lab, f"{lab.name[:50]}-{worker}", study=study)
    mine = [worker[-1] for worker in listed(lab) if worker.startswith(lab.name[:50])]
    assert mine == ["a", "b", "c"]
    assert [worker[-1] for worker in listed(lab, "?study=one")] == ["b", "c"]


def test_a_worker_that_was_silent_for_a_week_is_forgotten(lab: Lab) -> None:
    put(lab, "old")
    lab.pass_time(8 * 86_400)
    assert "old" not in listed(lab)
    put(lab, "new")
    answer = lab.server.http.get("/v1/workers/old")
    assert "GET /v1/workers" in problem(answer, "not-found")["detail"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"state": "broken"}, "/state"),
        ({"slots": [{"name": "gpu0", "state": "idle", "measured": -1}]}, "/slots/0/measured"),
        ({"gpus": [{"id": "0", "name": "H100", "utilisation": 101}]}, "/gpus/0/utilisation"),
        ({"slot": []}, "/slot"),
    ],
)
def test_a_report_that_does_not_fit_is_refused(fields: Json, pointer: str, lab: Lab) -> None:
    answer = lab.server.http.put("/v1/workers/w", json=REPORT | fields)
    problem(answer, "invalid", at=pointer)
    assert lab.server.http.get("/v1/workers/w").status_code == 404
