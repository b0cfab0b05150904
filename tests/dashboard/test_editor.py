"""Cells put together by hand, in the form that each way of writing them down has."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from bonanza.spaces import space_from_spec
from tests.dashboard.conftest import PATIENCE_MS
from tests.live import LiveServer

pytestmark = pytest.mark.chromium

Visit = Callable[..., Any]
POSITIONS = [{"name": "depth", "choices": [2, 3, 4]}, {"name": "block", "choices": ["plain", "fused"]}]


def opened(page: Any, site: LiveServer, name: str, space: dict[str, Any]) -> tuple[Any, Callable[[], Any]]:
    """The dialog of a study without a cell, which draws one at random; and what is written in it."""
    site.study(name, space=space)
    page.goto(f"{site.url}/ui/studies/{name}/setup")
    page.get_by_role("button", name="Queue a cell").click()
    dialog = page.get_by_role("dialog")
    dialog.locator(".preview svg").wait_for()
    return dialog, lambda: json.loads(dialog.get_by_role("textbox", name="Architecture", exact=True).input_value())


def test_a_graph_is_drawn_vertex_by_vertex_and_edge_by_edge(site: LiveServer, visit: Visit) -> None:
    from playwright.sync_api import expect

    space = {"kind": "node_cell", "max_nodes": 5, "max_edges": 7, "ops": ["conv", "pool"]}
    dialog, written = opened(visit(site, "/ui/new"), site, "by-hand", space)
    text = dialog.get_by_role("textbox", name="Architecture", exact=True)
    text.fill(json.dumps({"adjacency": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", "conv", "output"]}))
    dialog.get_by_text("3 of at most 5 vertices, 2 of at most 7 edges").wait_for()
    dialog.get_by_role("button", name="Vertex", exact=True).click()
    dialog.get_by_label("Op of vertex 2").select_option("pool")
    dialog.get_by_role("button", name="Edge from 1 to 2").click()
    dialog.get_by_role("button", name="Edge from 2 to 3").click()
    dialog.get_by_role("button", name="Edge from 1 to 3").click()
    assert written() == {"adjacency": [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], "ops": ["input", "conv", "pool", "output"]}  # fmt: skip
    expect(dialog.locator(".preview svg")).to_contain_text("pool", timeout=PATIENCE_MS)
    text.fill(json.dumps(written() | {"ops": ["input", "conv", "lamp", "output"]}))
    dialog.get_by_role("alert").get_by_text("lamp").wait_for()
    expect(dialog.get_by_role("button", name="Queue it")).to_be_disabled()
    dialog.get_by_label("Op of vertex 2").select_option("pool")
    dialog.get_by_role("alert").wait_for(state="detached")
    dialog.get_by_role("button", name="Queue it").click()
    dialog.get_by_text("Queued as").wait_for()
    (queued,) = site.get("/v1/studies/by-hand/trials?origin=queue")["trials"]
    assert queued["architecture"]["ops"] == ["input", "conv", "pool", "output"]
    visit.wrong.clear()  # type: ignore[attr-defined] # the browser tells of the refusal


FORMS: list[tuple[dict[str, Any], str, str, tuple[Any, ...]]] = [
    ({"kind": "edge_cell", "nodes": 3, "ops": ["none", "conv", "pool"]}, "0 → 2", "pool", ("edges", 1)),
    ({"kind": "nasbench101"}, "Op of vertex 1", "maxpool3x3", ("ops", 1)),
    ({"kind": "darts"}, "reduce, node 1, op 2", "sep_conv_5x5", ("reduce", 3, 0)),
    ({"kind": "nasnet"}, "cell, node 2, input 1", "1", ("cell", 4, 1)),
    ({"kind": "recurrent", "nodes": 4}, "Input of node 2", "0", ("sources", 1)),
    ({"kind": "sequence", "positions": POSITIONS}, "depth", "4", ("choices", 0)),
    ({"kind": "layer_graph", "flavour": "cnn"}, "Op of layer 1", "conv7", ("layers", 1, "op")),
    ({"kind": "resnet_stages", "stages": [2, 2], "blocks": [4, 8]}, "Stage 1, block 1 doubles the width", "", ("stages", 0)),
]  # fmt: skip
"""A space, a field of its form, what is chosen there, and where in the architecture that stands."""


def test_every_way_to_write_a_cell_has_a_form(site: LiveServer, visit: Visit) -> None:
    page = visit(site, "/ui/new")
    for space, field, choice, at in FORMS:
        dialog, written = opened(page, site, f"form-{space['kind']}", space)
        # A cell drawn at random may be too small to have the field: one recurrent cell in 150.
        cell = space_from_spec(space).sample(random.Random(0)).json
        dialog.get_by_role("textbox", name="Architecture", exact=True).fill(json.dumps(cell))
        before = written()
        if choice:
            dialog.get_by_label(field, exact=True).select_option(choice)
        else:
            dialog.get_by_role("button", name=field).click()
        now, was = (place(cell, at) for cell in (written(), before))
        assert now == choice if choice else now != was, space
        assert space_from_spec(space).sample(random.Random(0)).json.keys() == written().keys()


def place(cell: Any, at: tuple[Any, ...]) -> str:
    """What stands there."""
    for name in at:
        cell = cell[name]
    return str(cell)
