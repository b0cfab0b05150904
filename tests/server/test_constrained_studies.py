"""Studies of a constrained space: nothing outside is proposed, nor let in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import NB201, LiveServer

SPACE = {
    **NB201,
    "constraints": [
        {"count": "nor_conv_3x3", "in": "raw", "most": 1},
        {"measure": "parameters", "channels": 16, "most": 350_000},
        {"measure": "depth", "least": 2},
    ],
}
OUTSIDE = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_1x1~2|"
INSIDE = "|nor_conv_1x1~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
INITIAL, TRIALS = 6, 14


@pytest.fixture(scope="module")
def fitting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with fits of its own."""
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('constrained')}/studies.db") as server:
        yield server


def is_inside(edges: list[str]) -> bool:
    """By the published formula; the depth by the three routes of more than one edge."""
    ones, threes = edges.count("nor_conv_1x1"), edges.count("nor_conv_3x3")
    routes = [(0, 4), (1, 5), (0, 2, 5)]
    ops = [[edges[edge] for edge in route] for route in routes]
    depth = max((sum(op != "skip_connect" for op in route) for route in ops if "none" not in route), default=0)
    return threes <= 1 and 73_306 + 28_000 * ones + 243_040 * threes <= 350_000 and depth >= 2


QUICK = {"name": "bananas", "n_initial": INITIAL, "epochs": 2, "ensemble": 2, "candidates": 40}


@pytest.mark.parametrize("strategy", [{"name": "random"}, QUICK], ids=lambda strategy: str(strategy["name"]))
def test_a_strategy_proposes_only_cells_within_the_constraints(fitting: LiveServer, strategy: dict[str, Any]) -> None:
    name = strategy["name"]
    study = fitting.study(name, space=SPACE, strategy=strategy)
    assert study["space"]["kind"] == "nasbench201"
    assert len(study["space"]["constraints"]) == 3
    asked = []
    for k in range(TRIALS):
        trial = fitting.one(name, wait_s=50)
        asked.append(trial)
        fitting.tell(trial, float(k % 5), name)
    assert all(is_inside(trial["architecture"]["edges"]) for trial in asked)
    assert len({trial["arch_id"] for trial in asked}) == TRIALS
    assert [trial["origin"] for trial in asked].count("acquisition") == (0 if name == "random" else TRIALS - INITIAL)


def test_a_cell_outside_the_constraints_is_neither_queued_nor_observed(server: LiveServer, tmp_path: Path) -> None:
    server.study(space=SPACE)
    queued = {"architectures": [INSIDE, OUTSIDE]}
    observed = {"observations": [{"architecture": cell, "value": 1.0} for cell in (INSIDE, OUTSIDE)]}
    for path, body, pointer in (
        ("queue", queued, "/architectures/1"),
        ("observations", observed, "/observations/1/architecture"),
    ):
        problem = server.post(f"/v1/studies/s/{path}", body, status=422)
        assert problem["type"] == "urn:bonanza:problem:invalid-architecture"
        assert problem["errors"][0]["pointer"] == pointer
        assert 'number of "nor_conv_3x3" in the raw graph is 2 and must be at most 1' in problem["detail"]
        assert '{"count": "nor_conv_3x3", "in": "raw", "most": 1}' in problem["detail"]
    assert server.get("/v1/studies/s/trials")["trials"] == []
    server.post("/v1/studies/s/queue", {"architectures": [INSIDE]})
    assert server.one()["origin"] == "queue"


def test_constraints_that_leave_nothing_are_no_study(server: LiveServer) -> None:
    space = {**NB201, "constraints": [{"measure": "depth", "least": 1}, {"measure": "parameters", "most": 1000}]}
    body = {"space": space, "objective": {"name": "accuracy", "direction": "maximize"}}
    answer = server.http.put("/v1/studies/s", json=body)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "urn:bonanza:problem:invalid-space")
    assert problem["errors"][0]["pointer"] == "/space/constraints/1/most"
    assert "the number of parameters is 73,306" in problem["detail"]
