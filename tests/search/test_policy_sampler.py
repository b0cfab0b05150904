"""The policy of BONAS' reinforcement learning sampler: it learns what it is rewarded for, in every kind of space."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from bonanza.spaces import space_from_spec
from bonanza_server.search.acqopt import unseen_samples
from bonanza_server.search.controller import Controller, Episodes, reinforce
from bonanza_server.search.history import History, Observation
from bonanza_server.search.policy_sampler import reinforced

WRITTEN: dict[str, Any] = {"kind": "edge_cell", "nodes": 5, "ops": ["none", "skip_connect", "a", "b"]}
SPACES: list[dict[str, Any]] = [
    WRITTEN,
    {"kind": "nasbench101"},
    {"kind": "darts"},
    {"kind": "recurrent", "nodes": 5},
    {"kind": "resnet_stages", "stages": [3, 4], "blocks": [4, 12], "doublings": [0, 3]},
    {"kind": "layer_graph", "flavour": "mlp"},
    {"kind": "nasbench201", "constraints": [{"count": "nor_conv_3x3", "most": 1}]},
    {
        "kind": "pool",
        "of": {"kind": "nasbench201"},
        "architectures": [{"edges": [op, *["none"] * 4, op]} for op in ("none", "nor_conv_3x3")],
    },
]


def history(spec: dict[str, Any], n: int = 12) -> History:
    space = space_from_spec(spec)
    cells = unseen_samples(space, frozenset(), n, random.Random(0))
    observed = tuple(Observation(cell, (float(k),), k) for k, cell in enumerate(cells))
    return History(space, True, observed, (), frozenset(cell.arch_id for cell in cells))


def embed(cells: Any) -> np.ndarray:
    """Two features: how many nodes, and how many of them are labelled b."""
    graphs = [cell.space.graph(cell) for cell in cells]
    return np.array([[len(graph.labels), graph.labels.count("b")] for graph in graphs], dtype=float)


def score(phi: np.ndarray) -> np.ndarray:
    return phi[:, 1] - 0.01 * phi[:, 0]


@pytest.mark.parametrize("spec", SPACES, ids=lambda spec: str(spec["kind"]) + "*" * ("constraints" in spec))
def test_it_offers_valid_unseen_cells_of_every_kind_of_space(spec: dict[str, Any]) -> None:
    given = history(spec)
    offered = reinforced(given, 40, random.Random(5), embed, score)
    ids = [cell.arch_id for cell in offered]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & given.seen
    assert len(ids) == 40 or given.space.kind == "pool"
    assert all(given.space.validate(cell.json) == cell for cell in offered)
    if spec in SPACES[:2]:
        assert reinforced(given, 40, random.Random(5), embed, score) == offered


def test_cells_come_better_than_by_chance() -> None:
    given = history(WRITTEN)
    offered = score(embed(reinforced(given, 1000, random.Random(0), embed, score)[:100]))
    chance = score(embed(unseen_samples(given.space, given.seen, 1000, random.Random(1))))
    assert np.median(offered) > np.quantile(chance, 0.97)


def test_a_policy_learns_which_option_is_rewarded() -> None:
    generator = torch.Generator().manual_seed(0)
    controller = Controller(4, 1, generator)
    shares = []

    def play() -> tuple[Episodes, np.ndarray]:
        episodes = Episodes(controller, 50)
        first, second = (episodes.decide(controller.tokens.expand(50, -1, -1)) for _ in range(2))
        hits = np.array([a == 2 and b == 1 for a, b in zip(first, second, strict=True)], dtype=float)
        shares.append(hits.mean())
        return episodes, hits

    reinforce(controller, 60, play)
    assert np.mean(shares[:5]) < 0.2
    assert np.mean(shares[-5:]) > 0.5


def test_rewards_that_are_all_alike_teach_nothing_but_do_no_harm() -> None:
    controller = Controller(3, 1, torch.Generator().manual_seed(0))
    episodes = Episodes(controller, 8)
    episodes.decide(controller.tokens.expand(8, -1, -1))
    assert torch.isfinite(episodes.loss(np.full(8, -1e300)))
