"""Spaces as categorical parameters, and the peers that search them."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bonanza.spaces import space_from_spec
from bonanza_server.bench.contestant import parse
from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.parameters import Parameters
from bonanza_server.bench.race import Terms, race
from bonanza_server.bench.table import Table, load

NODES = {"kind": "node_cell", "max_nodes": 5, "max_edges": 6, "ops": ["conv", "pool"]}
TERMS = Terms(trials=16, cap=16, workers=1, mean=True)


@pytest.fixture
def pool(tmp_path: Path) -> Table:
    """A hundred cells with ops on vertices, of all sizes."""
    space, rng = space_from_spec(NODES), random.Random(0)
    cells = {cell.arch_id: cell for cell in (space.sample(rng) for _ in range(400))}
    lines = [
        json.dumps({"architecture": cell.json, "values": [float(k)]})
        for k, cell in enumerate(list(cells.values())[:100])
    ]
    path = tmp_path / "cells.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return load(str(path), "", json.dumps(NODES), True)


@pytest.mark.parametrize("spec", [NODES, {"kind": "nasbench101"}, {"kind": "nasbench201"}, {"kind": "darts"}])
def test_an_architecture_is_found_again_from_its_values(spec: dict[str, object]) -> None:
    space, rng = space_from_spec(spec), random.Random(1)
    parameters = Parameters(space, peer="optuna")
    for _ in range(100):
        cell = space.sample(rng)
        values = parameters.of(cell)
        assert all(0 <= value < count for value, count in zip(values, parameters.counts, strict=True))
        found = parameters.architecture(values, ())
        assert found is not None
        assert found.arch_id == cell.arch_id


def test_values_that_are_no_cell_give_none() -> None:
    parameters = Parameters(space_from_spec(NODES), peer="optuna")
    assert parameters.architecture([0] * len(parameters.counts), ()) is None


def test_the_nearest_member_of_a_pool_that_is_not_taken_is_found(pool: Table) -> None:
    parameters = Parameters(pool.space, peer="optuna")
    taken: set[str] = set()
    for member in list(pool.space.enumerate())[:20]:
        found = parameters.architecture(parameters.of(member), taken)
        assert found == member
        taken.add(member.arch_id)
        other = parameters.architecture(parameters.of(member), taken)
        assert other is not None
        assert other.arch_id not in taken
    everyone = {member.arch_id for member in pool.space.enumerate()}
    assert parameters.architecture([0] * len(parameters.counts), everyone) is None


def test_optuna_searches_a_pool_of_cells_with_ops_on_vertices(pool: Table) -> None:
    outcome = race(pool, parse("optuna", peer=True), 0, replace(TERMS, mean=False, workers=3))
    assert len(outcome.regrets) == 16


def test_without_smac_its_peer_says_what_it_needs(pool: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ConfigSpace", None)
    with pytest.raises(CannotBench, match=r"needs ConfigSpace, which is not installed .*pip install smac"):
        parse("smac", peer=True).start(pool, 0)


@pytest.mark.smac
def test_smac_searches_without_measuring_a_network_twice(pool: Table) -> None:
    pytest.importorskip("smac", reason="the peer smac brings twenty packages, and is installed by hand")
    outcome = race(pool, parse("smac:challengers=50", peer=True), 0, TERMS)
    assert outcome.found == len(outcome.regrets) or len(outcome.regrets) == 16
    with pytest.raises(CannotBench, match="may be given facade=hpo"):
        parse("smac:facade=zero", peer=True).start(pool, 0)
