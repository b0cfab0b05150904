"""Spaces and cells that nobody should send, over HTTP: a 422 that points at the field, soon, and a server that goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import LiveServer

SOON_S = 10.0
"""Far above what a refusal takes (milliseconds), far below what working through a hostile value would."""

NODES = ["input", "conv", "output"]
CNN = {"kind": "layer_graph", "flavour": "cnn"}
NODE_CELL = {"kind": "node_cell", "max_nodes": 5, "max_edges": 6, "ops": ["conv"]}
LAYERS = [{"op": "ip"}, {"op": "conv3", "units": 16}, {"op": "fc", "units": 16}, {"op": "softmax"}, {"op": "op"}]


def deep(levels: int) -> str:
    """JSON of lists within lists, which no encoder of Python's would write."""
    return "[" * levels + "]" * levels


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('hostile')}/studies.db", fit_slots=0) as live:
        live.study("node-cell", space=NODE_CELL)
        live.study("cnn", space=CNN)
        live.study("darts", space={"kind": "darts"})
        live.study("recurrent", space={"kind": "recurrent", "nodes": 8})
        live.study("resnet", space={"kind": "resnet_stages"})
        yield live


def pointers(site: LiveServer, method: str, path: str, body: str) -> list[str]:
    """What the refusal points at; it came soon, and with a sentence."""
    began = time.monotonic()
    answer = site.http.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert time.monotonic() - began < SOON_S
    assert answer.status_code == 422, answer.text[:500]
    problem = answer.json()
    assert all(len(error["message"]) > 10 for error in problem["errors"]), problem["errors"]
    return [error["pointer"] for error in problem["errors"]]


@pytest.mark.parametrize(
    ("spec", "at"),
    [
        (NODE_CELL | {"max_nodes": 10_000}, "/space/max_nodes"),
        (NODE_CELL | {"max_edges": -1}, "/space/max_edges"),
        (NODE_CELL | {"ops": []}, "/space/ops"),
        (CNN | {"units": [-8, 64]}, "/space/units/0"),
        (CNN | {"layers": [5, 10_000]}, "/space/layers/1"),
        (CNN | {"flavour": "rnn"}, "/space/flavour"),
        ({"kind": "recurrent", "nodes": 10**30}, "/space/nodes"),
        ({"kind": "resnet_stages", "blocks": [9, 4]}, "/space/blocks"),
        ({"kind": "darts", "none": 1}, "/space/none"),
        ({"kind": "pool", "of": {"kind": "darts"}, "architectures": ["Genotype("]}, "/space/architectures/0"),
        ({"kind": "pool", "of": {"kind": "pool"}, "architectures": []}, "/space/of/kind"),
        ({"kind": "nasbench201", "constraints": [{"count": "none", "most": -1}]}, "/space/constraints/0"),
        (
            {"kind": "nasbench201", "constraints": [{"measure": "parameters", "channels": 16, "most": 1000}]},
            "/space/constraints/0/most",
        ),
    ],
    ids=str,
)
def test_a_hostile_space_is_refused_at_the_field(site: LiveServer, spec: dict[str, Any], at: str) -> None:
    body = {"space": spec, "objective": {"name": "accuracy", "direction": "maximize"}, "strategy": {"name": "random"}}
    (found,) = pointers(site, "PUT", "/v1/studies/hostile", json.dumps(body))
    assert found.startswith(at)


CELLS = [
    ("node-cell", {"adjacency": [[0, 1, 0], [1, 0, 1], [0, 0, 0]], "ops": NODES}, "/adjacency"),  # a cycle
    ("node-cell", {"adjacency": [[0, 1, 0], [0, 0, 0], [0, 0, 0]], "ops": NODES}, ""),  # nothing reaches the output
    ("node-cell", {"adjacency": [[0, 1], [0, 0]], "ops": NODES}, "/ops"),
    ("node-cell", {"adjacency": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", "pool", "output"]}, "/ops/1"),
    ("node-cell", {"adjacency": [[0] * 5 for _ in range(5)], "ops": ["input", *["conv"] * 3, "output"]}, ""),
    (
        "node-cell",
        {"adjacency": [[int(a < b) for b in range(5)] for a in range(5)], "ops": ["input", *["conv"] * 3, "output"]},
        "",
    ),
    ("node-cell", {"adjacency": [[0] * 300] * 300, "ops": ["conv"] * 300}, "/adjacency"),
    ("cnn", {"layers": LAYERS, "edges": [[0, 1], [1, 2], [2, 3], [3, 4], [2, 1]]}, "/edges"),
    (
        "cnn",
        {"layers": [*LAYERS[:1], {"op": "conv3", "units": -16}, *LAYERS[2:]], "edges": [[k, k + 1] for k in range(4)]},
        "/layers/1/units",
    ),
    ("cnn", {"layers": [{"op": "ip"}] * 10_000, "edges": []}, "/layers"),
    ("darts", "Genotype(" + "[" * 5_000, ""),
    ("darts", {"normal": [["conv", 0]] * 8, "reduce": [["conv", 0]] * 8}, "/normal"),
    ("recurrent", {"activations": ["tanh"] * 100, "sources": [0] * 99}, "/activations"),
    ("resnet", "1" * 10_000, ""),
]


@pytest.mark.parametrize(("study", "cell", "at"), CELLS, ids=lambda value: str(value)[:40])
def test_a_hostile_cell_is_refused_at_the_field(site: LiveServer, study: str, cell: Any, at: str) -> None:
    (found,) = pointers(site, "POST", f"/v1/studies/{study}/queue", json.dumps({"architectures": [cell]}))
    assert found.startswith(f"/architectures/0{at}")


@pytest.mark.parametrize("levels", [50, 900, 20_000])
def test_nesting_is_no_bomb(site: LiveServer, levels: int) -> None:
    for study, member in (("cnn", "layers"), ("node-cell", "adjacency"), ("darts", "normal")):
        body = f'{{"architectures": [{{"{member}": {deep(levels)}}}]}}'
        began = time.monotonic()
        answer = site.http.post(
            f"/v1/studies/{study}/queue", content=body, headers={"Content-Type": "application/json"}
        )
        assert time.monotonic() - began < SOON_S
        assert answer.status_code in {400, 422}, answer.text[:500]
        assert answer.headers["content-type"] == "application/problem+json"
    assert site.get("/readyz")["status"] == "ready"
