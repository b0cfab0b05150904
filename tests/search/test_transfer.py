"""Pretraining on other studies: of use where they fit, without effect where they do not."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonanza.spaces import Architecture, space_from_spec
from bonanza_server.search.acqopt import unseen_samples
from bonanza_server.search.bonas import BonasModel
from bonanza_server.search.correlation import spearman
from bonanza_server.search.fit import Snapshot, fit
from bonanza_server.search.history import History, Observation, Source
from bonanza_server.search.strategy import strategy_from_spec
from bonanza_server.search.transfer import LEAST, SPLITS, splits

NB201 = space_from_spec({"kind": "nasbench201"})
SMALLER = space_from_spec(
    {
        "kind": "edge_cell",
        "nodes": 3,
        "ops": ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"],
    }
)


def value(cell: Architecture) -> float:
    """What a graph network can learn, of a cell of either space: convolutions are good, dead edges bad."""
    ops = cell.space.graph(cell).labels
    worth = {"nor_conv_3x3": 5.0, "nor_conv_1x1": 3.0, "none": -4.0, "avg_pool_3x3": -1.0}
    return 60.0 + sum(worth.get(op, 0.0) for op in ops) / (len(ops) - 2)


def observed(cells: list[Architecture], seed: int | None = None) -> tuple[Observation, ...]:
    """The cells with their values; with a seed, with values that say nothing."""
    rng = random.Random(seed)
    return tuple(
        Observation(cell, (value(cell) if seed is None else rng.gauss(60, 5),), k) for k, cell in enumerate(cells)
    )


def history(n: int, *sources: Source) -> History:
    cells = unseen_samples(NB201, frozenset(), n, random.Random(3))
    return History(NB201, True, observed(cells), (), frozenset(cell.arch_id for cell in cells), sources)


def fitted(given: History) -> BonasModel:
    strategy = strategy_from_spec({"name": "bonas", "pretrain_from": ["other"]})
    model = strategy.fit(given, np.random.default_rng(0))
    assert isinstance(model, BonasModel)
    return model


FITTING = Source("other", NB201, True, observed(unseen_samples(NB201, frozenset(), 150, random.Random(8))))
UPSIDE_DOWN = replace(
    FITTING,
    maximize=False,
    observations=tuple(Observation(one.architecture, (-one.value,), one.number) for one in FITTING.observations),
)


def noise(seed: int) -> Source:
    """The cells of the source that fits, with values that say nothing."""
    return replace(FITTING, observations=observed([one.architecture for one in FITTING.observations], seed=seed))


UNSEEN = unseen_samples(NB201, frozenset(), 200, random.Random(9))
CELLS = list(SMALLER.enumerate())
random.Random(0).shuffle(CELLS)


def correlation(model: BonasModel) -> float:
    means, _ = model.predict(UNSEEN)
    found = spearman(means, [value(cell) for cell in UNSEEN])
    assert found is not None
    return found


@pytest.mark.parametrize(
    "source",
    [FITTING, UPSIDE_DOWN, Source("other", SMALLER, True, observed(CELLS[:100]))],
    ids=["same", "minimised", "smaller"],
)
def test_a_source_that_fits_is_used_and_predicts_better_than_scratch(source: Source) -> None:
    with_source, without = fitted(history(20, source)), fitted(history(20))
    assert with_source.diagnostics["pretrained"]
    assert with_source.diagnostics["sources"] == {"other": len(source.observations)}
    assert correlation(with_source) > correlation(without) + 0.02


@pytest.mark.parametrize("seed", range(4))
def test_a_source_that_does_not_fit_changes_nothing(seed: int) -> None:
    harmed, without = fitted(history(20, noise(seed))), fitted(history(20))
    assert not harmed.diagnostics["pretrained"]
    judged = harmed.transfer.judged
    assert judged is not None
    assert not judged["pretrained"].beats(judged["scratch"])
    json.dumps(harmed.diagnostics, allow_nan=False)
    for one, other in zip(harmed.predict(UNSEEN), without.predict(UNSEEN), strict=True):
        assert np.array_equal(one, other)
    cells = [[p.architecture for p in model.propose(5, np.random.default_rng(1))] for model in (harmed, without)]
    assert cells[0] == cells[1]


def test_a_source_without_results_is_none() -> None:
    empty = fitted(history(12, replace(FITTING, observations=())))
    assert empty.diagnostics["sources"] == {"other": 0}
    assert not empty.diagnostics["pretrained"]
    assert np.array_equal(empty.predict(UNSEEN)[0], fitted(history(12)).predict(UNSEEN)[0])


@settings(deadline=None)
@given(n=st.integers(0, 300), every=st.integers(1, 40))
def test_models_are_judged_by_results_that_come_after_what_they_were_trained_on(n: int, every: int) -> None:
    found = splits(n, every)
    assert len(found) <= SPLITS
    assert all(0 < done < until <= n for done, until in found)
    assert all(a[1] == b[0] for a, b in pairwise(found))
    assert all(done % every == 0 for done, _ in found[1:])
    assert not found or found[-1][1] == n
    assert found or n < LEAST + every


def test_a_snapshot_carries_its_sources() -> None:
    source = {
        "study": "other",
        "seq": 9,
        "space": SMALLER.spec(),
        "maximize": True,
        "observations": [(one.number, one.architecture.json, [one.value]) for one in observed(CELLS[:30])],
    }
    snapshot = Snapshot(
        space=NB201.spec(),
        strategy={"name": "bonas", "pretrain_from": ["other"], "epochs": 5},
        seed=1,
        seq=5,
        maximize=True,
        observations=[(one.number, one.architecture.json, [one.value]) for one in history(12).observations],
        sources=[source],
        pool_size=5,
    )
    done = fit(snapshot)
    assert done.diagnostics["sources"] == {"other": 30}
    assert fit(snapshot).proposals == done.proposals
