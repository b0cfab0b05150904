"""What is known of cells without training them, and what the default makes of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza_server.search.bonanza import BonanzaModel
from bonanza_server.search.features import MOST_OFFERED, Features, features_of, normal_scores
from bonanza_server.search.history import History, Observation
from bonanza_server.search.known_cells import decoded, encoded
from bonanza_server.search.strategy import strategy_from_spec

NB201: dict[str, Any] = {"kind": "nasbench201"}
DARTS: dict[str, Any] = {"kind": "darts"}


def sampled(space: SearchSpace, n: int, seed: int = 0) -> list[Architecture]:
    """Distinct cells, by id."""
    rng = random.Random(seed)
    cells: dict[str, Architecture] = {}
    while len(cells) < n:
        cell = space.sample(rng)
        cells.setdefault(cell.arch_id, cell)
    return [cells[arch_id] for arch_id in sorted(cells)]


def width(cell: Architecture) -> float:
    """Something that graph features tell: how many live ops are convolutions, and a little of the edges."""
    graph = cell.space.canonical(cell)
    return sum("conv" in label for label in graph.labels) + 0.1 * len(graph.edges)


def known(cells: list[Architecture], **features: Callable[[Architecture], float | None]) -> Features:
    told = [
        (cell.arch_id, cell.json, {name: v for name, of in features.items() if (v := of(cell)) is not None})
        for cell in cells
    ]
    found = features_of(cells[0].space, encoded(told))
    assert found is not None
    return found


def test_normal_scores_keep_the_order_share_ties_and_leave_out_what_is_not_known() -> None:
    scores = normal_scores(np.array([3e9, np.nan, -2.0, 5.0, 5.0]))
    assert np.isnan(scores[1])
    assert scores[2] < scores[3] == scores[4] < scores[0]
    assert scores[0] == pytest.approx(1.1503, abs=1e-4)  # the quantile of 3.5 / 4
    assert scores[2] == pytest.approx(-1.1503, abs=1e-4)


@pytest.mark.parametrize("spec", [NB201, DARTS], ids=lambda spec: spec["kind"])
def test_scales_of_a_feature_do_not_matter_only_its_order(spec: dict[str, Any]) -> None:
    cells = sampled(space_from_spec(spec), 30)
    plain = known(cells, score=width).rows(cells)
    assert np.array_equal(known(cells, score=lambda cell: 10.0 ** (3 * width(cell))).rows(cells), plain)


@pytest.mark.parametrize("spec", [NB201, DARTS], ids=lambda spec: spec["kind"])
def test_a_cell_without_a_value_has_the_one_that_cells_with_one_make_of_it(spec: dict[str, Any]) -> None:
    cells = sampled(space_from_spec(spec), 260)
    some = set(random.Random(1).sample([cell.arch_id for cell in cells], 160))
    features = known(cells, score=lambda cell: width(cell) if cell.arch_id in some else None)
    lacking = [cell for cell in cells if cell.arch_id not in some]
    expected = features.rows(lacking)[:, 0]
    assert np.isfinite(expected).all()
    assert np.corrcoef(expected, [width(cell) for cell in lacking])[0, 1] > 0.9


def test_a_feature_of_one_value_is_none_and_without_any_there_are_no_features() -> None:
    space = space_from_spec(NB201)
    cells = sampled(space, 20)
    assert known(cells, score=width, constant=lambda _: 4.0).names == ("score",)
    assert features_of(space, encoded((cell.arch_id, cell.json, {"constant": 4.0}) for cell in cells)) is None
    assert features_of(space, encoded([])) is None


def test_what_is_known_travels_as_lines_in_the_order_of_the_ids() -> None:
    cells = [
        (cell.arch_id, cell.json, {"a\n\u2028é": 1e308, "b": -0.0, "c": 5e-324})
        for cell in sampled(space_from_spec(DARTS), 9)
    ]
    assert decoded(encoded(reversed(cells))) == cells
    assert encoded(reversed(cells)) == encoded(cells)
    assert decoded(b"") == []


def test_a_cell_is_known_in_every_spelling() -> None:
    space = space_from_spec(NB201)
    twins = [
        space.validate("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"),
        space.validate("|avg_pool_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|none~2|"),
    ]
    cells = sorted({cell.arch_id: cell for cell in [twins[0], *sampled(space, 20)]}.values(), key=lambda c: c.arch_id)
    features = known(cells, score=width, chance=lambda cell: random.Random(cell.arch_id).random())
    first, second = features.rows(twins)
    assert np.array_equal(first, second)


def history(cells: list[Architecture], features: Features | None, worth: Callable[[Architecture], float]) -> History:
    observed = tuple(Observation(cell, (worth(cell),), number) for number, cell in enumerate(cells))
    return History(cells[0].space, True, observed, (), frozenset(c.arch_id for c in cells), features=features)


def chance(cell: Architecture) -> float:
    """What no view of a cell tells."""
    return random.Random(cell.arch_id).random()


@pytest.mark.parametrize("spec", [NB201, DARTS], ids=lambda spec: spec["kind"])
def test_the_default_finds_good_cells_by_a_feature_where_no_view_of_the_cells_tells_them(spec: dict[str, Any]) -> None:
    cells = sampled(space_from_spec(spec), 300)
    features = known(cells, told=lambda cell: 7.0 - chance(cell), useless=lambda cell: chance(cell) * 1e3 % 1.0)
    measured = random.Random(5).sample(cells, 25)
    strategy = strategy_from_spec({"name": "bonanza", "candidates": 40})
    best = sorted((chance(cell) for cell in cells if cell not in measured), reverse=True)[:10]
    rng = np.random.default_rng(0)
    model = strategy.fit(history(measured, features, chance), rng)
    proposed = model.propose(10, rng)
    ids = {cell.arch_id for cell in cells}
    told = [chance(one.architecture) for one in proposed if one.architecture.arch_id in ids]
    assert len(set(told) & set(best)) >= 5, "half of the proposals are among the ten best of 275"
    assert model.diagnostics["weights"]["features"] > 0.3


def test_a_fit_depends_on_what_is_known_and_not_on_what_the_process_did_before() -> None:
    cells = sampled(space_from_spec(NB201), 120)
    some = random.Random(2).sample(cells, 15)
    strategy = strategy_from_spec({"name": "bonanza"})

    def proposed(features: Features | None) -> list[tuple[str, float]]:
        rng = np.random.default_rng(3)
        made = strategy.fit(history(some, features, width), rng).propose(5, rng)
        return [(one.architecture.arch_id, one.mean) for one in made]

    told = [(cell.arch_id, cell.json, {"score": chance(cell)}) for cell in cells]
    remembered = features_of(cells[0].space, encoded(told))
    first = proposed(remembered)
    assert features_of(cells[0].space, encoded(told)) is remembered
    assert proposed(known(cells, score=chance)) == first
    assert proposed(None) != first


def test_features_of_measured_cells_alone_change_nothing() -> None:
    cells = sampled(space_from_spec(NB201), 120)
    some = random.Random(2).sample(cells, 15)
    strategy = strategy_from_spec({"name": "bonanza"})

    def fitted(*told: Architecture) -> BonanzaModel:
        features = known(sorted(told, key=lambda cell: cell.arch_id), score=chance) if told else None
        model = strategy.fit(history(some, features, width), np.random.default_rng(3))
        assert isinstance(model, BonanzaModel)
        return model

    (means, stds), (without, stds_without) = (fitted(*told).predict(cells) for told in (some, []))
    assert np.array_equal(means, without)
    assert np.array_equal(stds, stds_without)
    assert "features" not in fitted(*some).diagnostics["weights"]
    other = next(cell for cell in cells if cell not in some)
    assert "features" in fitted(*some, other).diagnostics["weights"]


def test_of_many_cells_with_features_those_are_candidates_that_the_features_speak_for() -> None:
    space = space_from_spec(DARTS)
    cells = sampled(space, MOST_OFFERED + 400)
    features = known(cells, told=chance)
    measured = random.Random(5).sample(cells, 40)
    targets = np.array([chance(cell) for cell in measured])
    seen = frozenset(cell.arch_id for cell in measured)
    offered = features.promising(seen, measured, targets)
    assert len(offered) == MOST_OFFERED
    unseen = sorted((cell for cell in cells if cell.arch_id not in seen), key=chance, reverse=True)
    assert {cell.arch_id for cell in offered} == {cell.arch_id for cell in unseen[:MOST_OFFERED]}
    assert not seen & {cell.arch_id for cell in offered}
