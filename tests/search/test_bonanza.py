"""The default on every kind of space there is, and what it does that the contract of all strategies does not ask."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza.spaces.registry import space_kinds
from bonanza_server.search.history import History, Observation
from bonanza_server.search.strategy import strategy_from_spec

SMALL = {"name": "bonanza", "candidates": 40}


def history_of(space: SearchSpace, n: int, seed: int = 0) -> History:
    """Up to ``n`` cells, larger graphs better."""
    rng = random.Random(seed)
    cells: dict[str, Architecture] = {}
    for _ in range(5 * n):
        cell = space.sample(rng)
        if len(cells) < n:
            cells.setdefault(cell.arch_id, cell)
    observed = tuple(
        Observation(cell, (len(space.canonical(cell).labels) + rng.random(),), number)
        for number, cell in enumerate(cells.values())
    )
    return History(space, True, observed, (), frozenset(cells))


@pytest.mark.parametrize("spec", [kind.example for kind in space_kinds()], ids=lambda spec: spec["kind"])
def test_it_proposes_unseen_valid_cells_on_every_kind_of_space(spec: dict[str, Any]) -> None:
    space = space_from_spec(spec)
    history = history_of(space, 12)
    model = strategy_from_spec(SMALL).fit(history, np.random.default_rng(0))
    proposals = model.propose(8, np.random.default_rng(0))
    ids = {one.architecture.arch_id for one in proposals}
    assert len(ids) == len(proposals)
    assert not ids & history.seen
    assert len(proposals) == 8 or (space.size is not None and space.size < 20)
    assert all(space.validate(one.architecture.json) == one.architecture for one in proposals)
    assert all(np.isfinite([one.mean, one.std, one.acquisition]).all() for one in proposals)


def test_a_cell_measured_in_another_spelling_is_known() -> None:
    space = space_from_spec({"kind": "nasbench201"})
    history = history_of(space, 30)
    model = strategy_from_spec(SMALL).fit(history, np.random.default_rng(0))
    twins = [
        space.validate("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"),
        space.validate("|avg_pool_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|"),
    ]
    means, stds = model.predict(twins)
    assert means[0] == pytest.approx(means[1], rel=1e-12)  # torch rounds the last columns of a matrix in another way
    assert stds[0] == pytest.approx(stds[1], rel=1e-9)


def test_repeats_make_a_prediction_surer() -> None:
    space = space_from_spec({"kind": "edge_cell", "nodes": 8, "ops": ["a", "b", "c"]})
    history = history_of(space, 25)
    cell = history.observations[3].architecture

    def std(values: tuple[float, ...]) -> float:
        again = tuple(
            Observation(one.architecture, values if k == 3 else one.values, k)
            for k, one in enumerate(history.observations)
        )
        model = strategy_from_spec(SMALL).fit(History(space, True, again, (), history.seen), np.random.default_rng(0))
        return float(model.predict([cell])[1][0])

    value = history.observations[3].values[0]
    assert std((value,) * 20) < std((value,))


def test_pending_cells_are_kept_away_from() -> None:
    history = history_of(space_from_spec({"kind": "nasbench201"}), 30)
    strategy = strategy_from_spec(SMALL)
    first = strategy.propose(history, 3, np.random.default_rng(0))
    pending = tuple(one.architecture for one in first)
    seen = history.seen | {cell.arch_id for cell in pending}
    later = strategy.propose(
        History(history.space, True, history.observations, pending, seen), 3, np.random.default_rng(0)
    )
    known = [
        one.acquisition
        for one in strategy.propose(
            History(history.space, True, history.observations, (), seen), 1, np.random.default_rng(0)
        )
    ]
    assert not {one.architecture.arch_id for one in later} & {one.architecture.arch_id for one in first}
    assert later[0].acquisition < known[0]


def test_of_two_thousand_results_one_member_is_left_and_its_neighbourhood_is_still_sharp() -> None:
    space = space_from_spec(
        {"kind": "sequence", "positions": [{"name": f"p{i}", "choices": list(range(7))} for i in range(6)]}
    )
    rng = random.Random(0)
    cells = {cell.arch_id: cell for cell in (space.sample(rng) for _ in range(2100))}
    observed = tuple(
        Observation(cell, (float(sum(cell.json["choices"])),), k) for k, cell in enumerate(list(cells.values())[:2000])
    )
    history = History(space, True, observed, (), frozenset(cells))
    model = strategy_from_spec(SMALL).fit(history, np.random.default_rng(0))
    assert model.diagnostics["members"] == 1
    assert model.diagnostics["left_out_rank_correlation"] > 0.95
    proposals = model.propose(4, np.random.default_rng(0))
    assert max(sum(one.architecture.json["choices"]) for one in proposals) >= max(one.value for one in observed) - 1
