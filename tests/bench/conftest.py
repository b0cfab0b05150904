"""A table file of a small space, and one torch thread, as in a fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bonanza.spaces import space_from_spec
from bonanza_server.bench.table import Table, load

SPEC = {"kind": "edge_cell", "nodes": 3, "ops": ["none", "skip_connect", "a", "b"]}


@pytest.fixture(autouse=True, scope="session")
def single_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Each network once, the more "b" the better and the longer; two measurements a point apart."""
    first = {}
    for cell in space_from_spec(SPEC).enumerate():
        first.setdefault(cell.arch_id, cell)
    lines = []
    for k, cell in enumerate(first.values()):
        value = 10.0 * cell.json["edges"].count("b") + 0.01 * k
        seconds = 100.0 * (1 + cell.json["edges"].count("b"))
        entry = {"architecture": cell.json, "values": [value - 0.5, value + 0.5], "cost": {"seconds": seconds}}
        lines.append(json.dumps(entry))
    path = tmp_path / "cells.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def table(file: Path) -> Table:
    return load(str(file), "", json.dumps(SPEC), True)
