"""NASBOT against closed forms: the process against a multivariate normal, the optimiser and the batch against what they promise."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza_server.search.acqopt import unseen_samples
from bonanza_server.search.acquisition_evolution import evolve, offspring, selection
from bonanza_server.search.history import History, Observation
from bonanza_server.search.nasbot import (
    Nasbot,
    NasbotModel,
    UnknownNetworks,
    representatives,
)
from bonanza_server.search.options import NasbotOptions
from bonanza_server.search.otmann import Otmann, _memory
from bonanza_server.search.surrogates.transport_process import (
    AMPLITUDE,
    DECAY,
    FLOOR,
    NOISE,
    NORMALISED_DECAY,
    Hyperparameters,
    Projected,
    TransportProcess,
    kernel,
)
from bonanza_server.search.transport_budget import ARCS_A_PAIR, affordable, evaluations, transport_arcs

CNNS = space_from_spec({"kind": "layer_graph", "flavour": "cnn"})
NB201 = space_from_spec({"kind": "nasbench201"})


def history_of(
    space: SearchSpace, n: int, pending: int = 0, seed: int = 0, values: np.ndarray | None = None
) -> History:
    cells = unseen_samples(space, frozenset(), n + pending, random.Random(seed))
    if values is None:
        values = np.random.default_rng(seed).normal(size=n)
    observed = tuple(
        Observation(cell, (float(value),), k) for k, (cell, value) in enumerate(zip(cells, values, strict=False))
    )
    return History(space, True, observed, tuple(cells[n:]), frozenset(cell.arch_id for cell in cells))


def line(x: np.ndarray, z: np.ndarray) -> Otmann:
    """Distances of numbers, for which the kernel is positive definite: a Laplace and a Gaussian one."""
    apart = np.abs(x[:, None] - z[None, :])[:, :, None]
    return Otmann(np.repeat(apart, 2, axis=2), np.repeat(apart, 2, axis=2))


def plane(n: int, seed: int) -> Otmann:
    """Symmetric numbers that are no distances of anything: the kernel's matrix is indefinite."""
    rng = np.random.default_rng(seed)
    d = rng.uniform(0.0, 3.0, (n, n, 2))
    d = d + d.transpose(1, 0, 2)
    d[np.arange(n), np.arange(n)] = 0.0
    return Otmann(d, d / 3.0)


def fitted(distances: Otmann, targets: np.ndarray, draws: int = 16, tuning: str = "best") -> TransportProcess:
    return TransportProcess.fit(distances, targets, np.random.default_rng(0), draws=draws, tuning=tuning)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 25), seed=st.integers(0, 1000), noise=st.floats(0.01, 2.0))
def test_the_likelihood_is_that_of_a_multivariate_normal_with_the_nearest_covariance(
    n: int, seed: int, noise: float
) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, n))
    matrix = (matrix + matrix.T) / 2.0
    e, vectors = np.linalg.eigh(matrix)
    nearest = (vectors * np.maximum(e, 0.0)) @ vectors.T
    residual = rng.normal(size=n)
    density = multivariate_normal(np.zeros(n), nearest + noise * np.eye(n)).logpdf(residual)
    assert Projected.of(matrix).log_likelihood(residual, noise) == pytest.approx(density, rel=1e-6, abs=1e-6)


def test_the_posterior_is_the_conditional_distribution_of_a_multivariate_normal() -> None:
    rng = np.random.default_rng(1)
    x, new, t = rng.uniform(0, 5, 12), rng.uniform(0, 5, 4), rng.normal(size=12)
    process = fitted(line(x, x), t)
    hyper = process.hyper
    joint = kernel(line(np.append(x, new), np.append(x, new)), process.scale, hyper)
    inverse = np.linalg.inv(joint[:12, :12] + hyper.noise * np.eye(12))
    wanted = np.median(t) + joint[12:, :12] @ inverse @ (t - np.median(t))
    variance = np.diag(joint[12:, 12:] - joint[12:, :12] @ inverse @ joint[:12, 12:])
    mean, std = process.predict(process.whiten(process.kernel(line(x, new))))
    assert mean == pytest.approx(wanted)
    assert std**2 == pytest.approx(np.maximum(variance, FLOOR * hyper.noise))


def test_the_kernel_is_the_originals_sum() -> None:
    hyper = Hyperparameters(np.array([2.0, 3.0]), np.array([0.1, 0.4]), np.array([0.5, 0.7]), 0.1)
    pair = Otmann(np.array([10.0, 20.0]), np.array([0.3, 0.6]))
    by_hand = 2.0 * np.exp(-0.1 * 10.0 / 5.0 - 0.4 * 20.0 / 4.0) + 3.0 * np.exp(-0.5 * 0.09 - 0.7 * 0.36)
    assert kernel(pair, np.array([5.0, 4.0]), hyper) == pytest.approx(by_hand)
    assert hyper.prior == 5.0


def test_hyperparameters_are_drawn_from_their_ranges_in_units_of_the_targets_variance() -> None:
    draws = [Hyperparameters.draw(4, 9.0, np.random.default_rng(seed)) for seed in range(300)]
    for values, (low, high), unit in (
        ([one.a for one in draws], AMPLITUDE, 9.0),
        ([one.b for one in draws], DECAY, 1.0),
        ([one.bbar for one in draws], NORMALISED_DECAY, 1.0),
        ([one.noise for one in draws], NOISE, 9.0),
    ):
        share = (np.log(np.array(values) / unit) - np.log(low)) / np.log(high / low)
        assert share.min() >= 0.0
        assert share.max() <= 1.0
        assert share.mean() == pytest.approx(0.5, abs=0.06)


def test_the_best_draw_is_the_likeliest_and_a_sampled_one_is_likely() -> None:
    x = np.linspace(0.0, 6.0, 30)
    t = np.sin(x)
    best = fitted(line(x, x), t, draws=64)
    sampled = [
        TransportProcess.fit(line(x, x), t, np.random.default_rng(seed), draws=64).log_likelihood for seed in range(20)
    ]
    worst = TransportProcess.fit(line(x, x), t, np.random.default_rng(5), draws=1).log_likelihood
    assert max(sampled) > worst
    again = TransportProcess.fit(line(x, x), t, np.random.default_rng(0), draws=64)  # the same 64 draws
    assert best.log_likelihood >= again.log_likelihood > best.log_likelihood - 12.0


@pytest.mark.parametrize("n", [1, 2, 30])
def test_constant_targets_and_indefinite_kernels_do_no_harm(n: int) -> None:
    for targets in (np.zeros(n), np.random.default_rng(n).normal(size=n)):
        process = fitted(plane(n, n), targets)
        mean, std = process.predict(process.whiten(process.kernel(plane(n, n))))
        assert np.isfinite(mean).all()
        assert (std >= np.sqrt(FLOOR * process.hyper.noise)).all()


def test_fewer_observations_are_the_process_of_these_alone() -> None:
    x, t = np.linspace(0.0, 5.0, 20), np.cos(np.linspace(0.0, 5.0, 20))
    process, rows = fitted(line(x, x), t), np.array([3, 11, 4])
    fewer = process.among(rows)
    alone = TransportProcess(line(x[rows], x[rows]), t[rows], process.scale, process.hyper, process.mean, 0.0)
    new = line(x[rows], np.array([0.3, 2.2]))
    for one, other in zip(
        fewer.predict(fewer.whiten(fewer.kernel(new))), alone.predict(alone.whiten(alone.kernel(new))), strict=True
    ):
        assert one == pytest.approx(other)


def model_of(history: History, **options: object) -> NasbotModel:
    model = Nasbot(NasbotOptions(**options)).fit(history, np.random.default_rng(0))  # type: ignore[arg-type]
    assert isinstance(model, NasbotModel)
    return model


def test_a_network_that_counts_as_measured_leaves_less_unknown_of_those_like_it() -> None:
    history = history_of(CNNS, 12)
    model = model_of(history, draws=8)
    rng = random.Random(1)
    base = CNNS.sample(rng)
    rows = [base, CNNS.mutate(base, rng), *unseen_samples(CNNS, history.seen, 6, rng)]
    unknown = UnknownNetworks(model, rows, model._whiten(rows), 3)
    assert unknown.factor == pytest.approx(np.ones(8))
    unknown.measure(0)
    left = unknown.factor
    assert left[0] == left.min() < 0.9
    assert left[1] < np.median(left[2:])
    unknown.measure(3)
    assert (unknown.factor <= left + 1e-12).all()


def test_pending_networks_keep_others_like_them_from_being_proposed() -> None:
    """Where the next best cell is being measured already, the batch goes elsewhere: no proposal's score is above its own."""
    history = history_of(NB201, 25)
    strategy = Nasbot(NasbotOptions(draws=8, tuning="best"))
    first = strategy.propose(history, 8, np.random.default_rng(0))
    waiting = History(
        NB201,
        True,
        history.observations,
        (first[0].architecture,),
        history.seen | {first[0].architecture.arch_id},
    )
    second = strategy.propose(waiting, 8, np.random.default_rng(0))
    assert first[0].architecture.arch_id not in {one.architecture.arch_id for one in second}
    assert second[0].acquisition <= first[0].acquisition
    assert [one.acquisition for one in first[:8]] == sorted((one.acquisition for one in first[:8]), reverse=True)


def test_parents_are_drawn_by_the_exponential_of_their_standardised_acquisition() -> None:
    acquisition = np.array([0.1, 0.5, 0.9, 0.2])
    wanted = np.exp((acquisition - acquisition.mean()) / (2.0 * acquisition.std()))
    chances = selection(np.log(acquisition))
    assert chances / chances.sum() == pytest.approx(wanted / wanted.sum())
    assert selection(np.log(acquisition) - 5_000.0) == pytest.approx(chances)
    assert selection(np.full(3, -1e6)) == pytest.approx(np.ones(3))
    assert [offspring(n) for n in (1, 25, 100, 5_000)] == [5, 15, 30, 100]


def test_evolution_climbs_and_offers_exactly_as_many_unseen_networks_as_it_tries() -> None:
    wanted = NB201.validate(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )

    def score(cells: list[Architecture]) -> np.ndarray:
        return np.array(
            [sum(x == y for x, y in zip(cell.genes, wanted.genes, strict=True)) for cell in cells], dtype=float
        )

    history = history_of(NB201, 10)
    parents = [observed.architecture for observed in history.observations]
    found = evolve(history, parents, score(parents), score, 120, random.Random(0), rate=1.0)
    assert len({cell.arch_id for cell in found}) == len(found) == 120
    assert not {cell.arch_id for cell in found} & history.seen
    drawn = unseen_samples(NB201, history.seen, 120, random.Random(0))
    assert score(found[60:]).mean() > score(drawn).mean() + 0.4


def test_of_many_observations_the_best_the_newest_and_a_lasting_sample_are_kept() -> None:
    values = np.arange(200.0)
    np.random.default_rng(0).shuffle(values)
    history = history_of(NB201, 200, values=values)
    kept = representatives(history, 40)
    assert len(kept) == 40
    assert [one.number for one in kept] == sorted({one.number for one in kept})
    assert {one.number for one in history.best_first[:20]} <= {one.number for one in kept}
    assert set(range(191, 200)) <= {one.number for one in kept}
    earlier = History(NB201, True, history.observations[:199], (), history.seen)
    assert len({one.number for one in kept} & {one.number for one in representatives(earlier, 40)}) >= 36
    assert representatives(history, 200) == list(history.observations)
    assert [len(representatives(history, most)) for most in (1, 2, 3, 7)] == [1, 2, 3, 7]


def test_more_proposals_than_can_be_chosen_one_by_one_are_as_many_as_asked_for() -> None:
    history = history_of(NB201, 15, pending=2)
    proposals = Nasbot(NasbotOptions(draws=4)).propose(history, 200, np.random.default_rng(0))
    assert len({one.architecture.arch_id for one in proposals}) == 200
    assert not {one.architecture.arch_id for one in proposals} & history.seen
    assert all(np.isfinite((one.mean, one.std, one.acquisition)).all() for one in proposals)


@pytest.mark.parametrize(
    ("observations", "layers", "n", "tried"),
    [(10, 20, 1, 79), (50, 20, 1, 55), (200, 20, 1, 24), (200, 20, 64, 128), (200, 20, 320, 128), (100, 5, 1, 90)],
)
def test_how_many_networks_are_tried_is_bounded_by_what_their_distances_cost(
    observations: int, layers: int, n: int, tried: int
) -> None:
    each = observations * (ARCS_A_PAIR + layers * layers)
    assert evaluations(observations, each, n, 500) == tried


def test_fewer_networks_are_fitted_to_where_they_are_large() -> None:
    assert [affordable(layers) for layers in (5, 21, 28, 68, 100, 10_000)] == [453, 200, 143, 37, 19, 16]


def test_the_cost_of_a_networks_distances_grows_with_the_layers_on_both_sides() -> None:
    cells = unseen_samples(CNNS, frozenset(), 6, random.Random(0))
    sizes = [len(CNNS.graph(cell).labels) for cell in cells]
    assert transport_arcs(cells) == pytest.approx(6 * ARCS_A_PAIR + sum(sizes) * np.mean(sizes), abs=1.0)


def test_two_thousand_observations_are_a_matter_of_those_that_are_kept() -> None:
    history = history_of(NB201, 2_000)
    proposals = Nasbot(NasbotOptions(fitted=40, draws=4)).propose(history, 10, np.random.default_rng(0))
    assert len({one.architecture.arch_id for one in proposals} - history.seen) == 10


@pytest.mark.parametrize("space", [CNNS, space_from_spec({"kind": "layer_graph", "flavour": "mlp"})])
def test_it_learns_how_large_a_network_of_layers_is(space: SearchSpace) -> None:
    """A smooth function of the network that it is not told: the logarithm of its total mass."""
    cells = unseen_samples(space, frozenset(), 60, random.Random(0))
    size = np.array([np.log(sum(space.graph(cell).mass or ())) for cell in cells])
    observed = tuple(
        Observation(cell, (float(value),), k) for k, (cell, value) in enumerate(zip(cells, size, strict=True))
    )
    history = History(space, True, observed[:40], (), frozenset(cell.arch_id for cell in cells[:40]))
    means, stds = model_of(history, tuning="best").predict(cells[40:])
    assert np.corrcoef(means, size[40:])[0, 1] > 0.8
    assert (stds > 0.0).all()


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "layer_graph", "flavour": "cnn"},
        {"kind": "layer_graph", "flavour": "mlp", "layers": [5, 12]},
        {"kind": "darts"},
        {"kind": "recurrent", "nodes": 5},
        {"kind": "nasbench201", "constraints": [{"count": "nor_conv_3x3", "most": 2}]},
        {"kind": "sequence", "positions": [{"name": "depth", "choices": list(range(30))}]},
    ],
    ids=lambda spec: spec["kind"],
)
def test_every_kind_of_space_is_searched_alike_with_distances_remembered_or_not(spec: dict[str, Any]) -> None:
    history = history_of(space_from_spec(spec), 8, pending=2)
    strategy = Nasbot(NasbotOptions(draws=4, evaluations=10))
    first = strategy.propose(history, 6, np.random.default_rng(0))
    assert len({one.architecture.arch_id for one in first} - history.seen) == 6
    assert repr(strategy.propose(history, 6, np.random.default_rng(0))) == repr(first)
    _memory.cache_clear()
    assert repr(strategy.propose(history, 6, np.random.default_rng(0))) == repr(first)
