"""Results of other studies in the same space: of use where they fit, without effect where they do not, and exactly what the mathematics says."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from bonanza.spaces import Architecture, space_from_spec
from bonanza_server.evaluation.transfer_effect import transfer_effect
from bonanza_server.search.acqopt import unseen_samples
from bonanza_server.search.bonanza import BonanzaModel
from bonanza_server.search.correlation import spearman
from bonanza_server.search.fit import Snapshot, fit
from bonanza_server.search.history import History, Observation, Source
from bonanza_server.search.spec import sources_of, strategy_spec
from bonanza_server.search.strategy import strategy_from_spec
from bonanza_server.search.surrogates import warm_start
from bonanza_server.search.surrogates.gaussian_process import SMALLEST, kernel, profiles, scaled
from bonanza_server.search.surrogates.hyperparameters import Prior, population
from bonanza_server.search.surrogates.warm_start import Lent, Results

NB201 = space_from_spec({"kind": "nasbench201"})
WARM = {"name": "bonanza", "warm_start_from": ["other"]}


def value(cell: Architecture) -> float:
    """Convolutions are good, on the short way most, dead edges bad."""
    ops = cell.space.graph(cell).labels[1:-1]
    worth = {"nor_conv_3x3": 5.0, "nor_conv_1x1": 3.0, "none": -4.0, "avg_pool_3x3": -1.0}
    return 60.0 + sum(worth.get(op, 0.0) * (2.0 if k == 3 else 1.0) for k, op in enumerate(ops))


def observed(cells: list[Architecture], seed: int | None = None) -> tuple[Observation, ...]:
    """The cells with their values; with a seed, with values that say nothing."""
    rng = random.Random(seed)
    return tuple(
        Observation(cell, (value(cell) if seed is None else rng.gauss(60, 5),), k) for k, cell in enumerate(cells)
    )


def history(n: int, *sources: Source) -> History:
    cells = unseen_samples(NB201, frozenset(), n, random.Random(3))
    return History(NB201, True, observed(cells), (), frozenset(cell.arch_id for cell in cells), sources)


def fitted(given: History) -> BonanzaModel:
    spec = {"name": "bonanza", "warm_start_from": [source.study for source in given.sources]}
    model = strategy_from_spec(spec).fit(given, np.random.default_rng(0))
    assert isinstance(model, BonanzaModel)
    return model


CELLS = unseen_samples(NB201, frozenset(), 40, random.Random(8))
FITTING = Source("other", NB201, True, observed(CELLS))
NOISE = Source("noise", NB201, True, observed(CELLS, seed=1))
IN_ANOTHER_UNIT = replace(
    FITTING,
    maximize=False,
    observations=tuple(replace(one, values=(-0.001 * one.value,)) for one in FITTING.observations),
)
UNSEEN = unseen_samples(NB201, frozenset(), 300, random.Random(9))


def correlation(model: BonanzaModel) -> float:
    found = spearman(model.predict(UNSEEN)[0], [value(cell) for cell in UNSEEN])
    assert found is not None
    return found


@pytest.mark.parametrize("n", [1, 3, 6])
@pytest.mark.parametrize("source", [FITTING, IN_ANOTHER_UNIT], ids=["same", "in another unit"])
def test_a_source_that_fits_predicts_better_than_scratch_from_the_first_result_on(source: Source, n: int) -> None:
    with_source, without = fitted(history(n, source)), fitted(history(n))
    assert with_source.diagnostics["correlations"]["other"] > 0.0
    assert with_source.diagnostics["sources"] == {"other": 40}
    found, alone = correlation(with_source), spearman(without.predict(UNSEEN)[0], [value(cell) for cell in UNSEEN])
    assert found > 0.8
    assert alone is None or found > alone + 0.03


@pytest.mark.parametrize("n", [10, 25])
def test_a_source_that_says_nothing_changes_nothing(n: int) -> None:
    harmed, without = fitted(history(n, NOISE)), fitted(history(n))
    assert harmed.diagnostics["correlations"] == {"noise": 0.0}
    for one, other in zip(harmed.predict(UNSEEN), without.predict(UNSEEN), strict=True):
        assert np.array_equal(one, other)
    cells = [[p.architecture for p in model.propose(5, np.random.default_rng(1))] for model in (harmed, without)]
    assert cells[0] == cells[1]


def test_a_source_that_misleads_does_not_discredit_another() -> None:
    both, one = fitted(history(12, NOISE, FITTING)), fitted(history(12, FITTING))
    assert both.diagnostics["correlations"] == {"noise": 0.0, **one.diagnostics["correlations"]}
    assert correlation(both) == pytest.approx(correlation(one), abs=0.02)
    twice = fitted(history(5, FITTING, replace(FITTING, study="again")))
    assert min(twice.diagnostics["correlations"].values()) > 0.0
    assert correlation(twice) > 0.8


def test_sources_without_results_or_in_another_space_are_not_read() -> None:
    smaller = space_from_spec({"kind": "edge_cell", "nodes": 3, "ops": ["none", "skip_connect", "nor_conv_3x3"]})
    cells = list(smaller.enumerate())[:20]
    moved = Source("moved", smaller, True, tuple(Observation(cell, (1.0 * k,), k) for k, cell in enumerate(cells)))
    model, without = fitted(history(12, moved, replace(FITTING, observations=()))), fitted(history(12))
    assert model.diagnostics["sources"] == {}
    assert np.array_equal(model.predict(UNSEEN)[0], without.predict(UNSEEN)[0])


def test_many_results_of_many_sources_are_read_in_part() -> None:
    cells = unseen_samples(NB201, frozenset(), 300, random.Random(4))
    sources = [Source(name, NB201, True, observed(cells[k::3])) for k, name in enumerate("abc")]
    model = fitted(history(20, *sources))
    assert len(model.cells) - 20 == 3 * (warm_start.MOST_LENT // 3)
    assert correlation(model) > 0.9


def test_the_initial_design_is_short_beside_another_study_unless_it_is_set() -> None:
    spec = strategy_spec(WARM)
    assert (spec["n_initial"], strategy_spec(spec)) == (3, spec)
    assert strategy_spec(WARM | {"n_initial": 8})["n_initial"] == 8
    assert strategy_spec({"name": "bonanza", "warm_start_from": []})["n_initial"] == 10
    assert sources_of(spec) == {"/warm_start_from/0": "other"}


def test_a_snapshot_gives_the_same_fit_and_its_diagnostics_tell_the_effect() -> None:
    snapshot = Snapshot(
        space=NB201.spec(),
        strategy=WARM,
        seed=1,
        seq=12,
        maximize=True,
        observations=[(one.number, one.architecture.json, [one.value]) for one in history(12).observations],
        sources=[
            {
                "study": "other",
                "seq": 9,
                "space": NB201.spec(),
                "maximize": True,
                "observations": [(one.number, one.architecture.json, [one.value]) for one in FITTING.observations],
            }
        ],
        pool_size=5,
    )
    done = fit(snapshot)
    assert fit(snapshot).proposals == done.proposals
    json.dumps(done.diagnostics, allow_nan=False)
    effect = transfer_effect([{"diagnostics": {}}, {"diagnostics": done.diagnostics}])
    assert effect is not None
    assert effect.used
    assert [(one.study, one.cells) for one in effect.sources] == [("other", 40)]
    assert effect.rank_correlation is not None
    assert effect.rank_correlation_without is not None
    assert effect.rank_correlation > effect.rank_correlation_without


@pytest.mark.parametrize("point", [0, 17])
def test_likelihood_and_posterior_are_those_of_the_joint_normal_distribution(point: int) -> None:
    rng = np.random.default_rng(0)
    s, n, m, scales, prior = 9, 6, 4, [1.5, 4.0], Prior((1.0, 2.0), (1.0, 0.8))
    rows = [rng.normal(size=(s + n + m, d)).astype(np.float32) for d in (2, 4)]
    lent = Results([view[:s] for view in rows], rng.normal(size=s) + 3.0, rng.integers(1, 4, s).astype(float))
    own = Results([view[s : s + n] for view in rows], 5.0 + rng.normal(size=n), np.ones(n))
    points, rho = population(prior), 0.8
    given = replace(Lent.of(lent, scales, points), correlation=np.full(s, rho))
    likelihood = warm_start.conditional(own, given, scales, points)
    distances = scaled(own.rows, own.rows, scales)
    alone = profiles(distances, own.targets, own.measurements, points)[2]
    unrelated = warm_start.conditional(own, replace(given, correlation=np.zeros(s)), scales, points)
    assert torch.allclose(unrelated, alone, atol=1e-4)

    hyper = points[point]
    k = kernel(scaled(rows, rows, scales), hyper).numpy()
    noise = float(hyper.noise) / np.concatenate((lent.measurements, own.measurements)) + SMALLEST
    related = np.ones_like(k)
    related[:s, s:] = related[s:, :s] = rho
    joint = related * k
    measured = joint[: s + n, : s + n] + np.diag(noise)
    z, t, ones = given.standard[point].numpy(), own.targets, np.ones(n)
    gain = np.linalg.solve(measured[:s, :s], measured[:s, s:]).T
    left = measured[s:, s:] - gain @ measured[:s, s:]
    inverse = np.linalg.inv(left)

    def profiled(sigma: float) -> tuple[float, float]:
        """The log likelihood of t at σ, its mean m integrated out up to the constant, and that mean."""
        residual = t - sigma * gain @ z
        mean = float(ones @ inverse @ residual) / float(ones @ inverse @ ones)
        residual = residual - mean
        square = float(residual @ inverse @ residual) + 1.0
        determinant = np.linalg.slogdet(left)[1] + np.log(float(ones @ inverse @ ones))
        return -n * np.log(sigma) - 0.5 * determinant - 0.5 * square / sigma**2 + 0.5 * n, mean

    sigmas = np.linspace(0.05, 8.0, 8000)
    best = float(sigmas[np.argmax([profiled(sigma)[0] for sigma in sigmas])])
    assert float(likelihood[point]) == pytest.approx(profiled(best)[0], abs=1e-5)

    member = warm_start._member(warm_start._distances(own, given, scales), own, given, points, point)
    sigma = float(np.sqrt(member.signal))
    assert sigma == pytest.approx(best, abs=2e-3)
    mean = profiled(sigma)[1]
    known = np.concatenate((sigma * z, t - mean))
    across = joint[s + n :, : s + n]
    solved = np.linalg.solve(measured, across.T)
    away = scaled(
        [np.concatenate((a, b)) for a, b in zip(lent.rows, own.rows, strict=True)],
        [v[s + n :] for v in rows],
        scales,
    )
    whitened = member.whiten(away)
    assert member.means(whitened).numpy() == pytest.approx(mean + known @ solved, abs=1e-5)
    indicator = np.concatenate((np.zeros(s), ones))
    drift = 1.0 - indicator @ solved
    variance = 1.0 - np.sum(across.T * solved, axis=0) + drift**2 / (indicator @ np.linalg.solve(measured, indicator))
    assert member.variances(whitened).numpy() == pytest.approx(variance, abs=1e-5)
