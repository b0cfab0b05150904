"""Acquisition functions beside scipy, and batches beside a Gaussian process written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm

from bonanza_server.search.acquisition import (
    acquisition,
    independent_thompson,
    log_expected_improvement,
    log_probability_of_improvement,
    thompson,
    upper_confidence_bound,
)
from bonanza_server.search.batch import GREEDY, NOISE, Unknown, choose, similarity

MEMBERS = np.random.default_rng(0).normal(size=(5, 30))
NAMES = ["its", "ei", "pi", "ucb", "ts"]
CELLS = (np.random.default_rng(1).random((30, 40)) < 0.3).astype(np.float32)
NONE = np.zeros((0, 40), dtype=np.float32)


def log_ei_by_integration(mean: float, std: float, best: float) -> float:
    """log of the integral of t phi(t - z) over t > 0, the part that underflows taken out: phi(t - z) = phi(z) exp(zt - t²/2)."""
    z = (mean - best) / std
    integral, _ = quad(lambda t: t * np.exp(z * t - t * t / 2.0), 0.0, max(z, 0.0) + 40.0 / max(1.0, -z), limit=400)
    return float(norm.logpdf(z) + np.log(integral) + np.log(std))


@pytest.mark.parametrize("z", [-1000.0, -50.0, -10.0, -3.0, -1.01, -0.99, -0.5, 0.0, 0.7, 3.0, 8.0])
@pytest.mark.parametrize("std", [0.01, 1.0, 7.0])
def test_log_ei_is_the_logarithm_of_the_integral(z: float, std: float) -> None:
    found = log_expected_improvement(np.array([2.0 + z * std]), np.array([std]), 2.0)
    assert found[0] == pytest.approx(log_ei_by_integration(2.0 + z * std, std, 2.0), rel=1e-6, abs=1e-6)


def test_ei_is_its_textbook_form_where_that_does_not_underflow() -> None:
    mean, std, best = np.linspace(-2.0, 2.0, 9), np.full(9, 0.8), 0.5
    z = (mean - best) / std
    textbook = std * (z * norm.cdf(z) + norm.pdf(z))
    assert np.exp(log_expected_improvement(mean, std, best)) == pytest.approx(textbook, rel=1e-9)


@given(z=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=10))
def test_ei_and_pi_rank_candidates_however_far_below_the_best(z: list[float]) -> None:
    mean = np.sort(np.array(z))
    for function in (log_expected_improvement, log_probability_of_improvement):
        scores = function(mean, np.ones_like(mean), 0.0)
        assert np.all(np.isfinite(scores))
        assert np.all(np.diff(scores) >= -1e-9 * np.abs(scores[1:]))
    apart = np.array([-3000.0, -2000.0, -100.0])
    assert np.all(np.diff(log_expected_improvement(apart, np.ones(3), 0.0)) > 0.0)


def test_pi_is_the_normal_tail() -> None:
    mean, std = np.linspace(-30.0, 3.0, 12), np.full(12, 1.5)
    assert log_probability_of_improvement(mean, std, 1.0) == pytest.approx(norm.logcdf((mean - 1.0) / std), rel=1e-9)


def test_a_std_of_zero_is_survived() -> None:
    flat = np.ones((5, 3))
    for name in NAMES:
        score = acquisition(name, flat, best=1.0, beta=0.5, rng=np.random.default_rng(0))
        assert np.all(np.isfinite(score(np.ones(3))))


def test_its_draws_each_candidate_from_its_own_normal() -> None:
    mean, std = np.full(20_000, 3.0), np.full(20_000, 2.0)
    draws = independent_thompson(mean, std, np.random.default_rng(0).standard_normal(20_000))
    assert draws.mean() == pytest.approx(3.0, abs=0.05)
    assert draws.std() == pytest.approx(2.0, abs=0.05)
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.03


def test_ucb_adds_beta_deviations_and_ts_is_one_member() -> None:
    assert upper_confidence_bound(np.array([1.0]), np.array([2.0]), 0.5).tolist() == [2.0]
    assert thompson(MEMBERS, 3).tolist() == MEMBERS[3].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_better_prediction_of_every_member_is_never_ranked_lower(name: str) -> None:
    better = MEMBERS.copy()
    better[:, 4] += 10.0
    scores = [
        acquisition(name, members, best=1.0, beta=0.5, rng=np.random.default_rng(2))(np.ones(30))
        for members in (MEMBERS, better)
    ]
    assert scores[1][4] > scores[0][4]


def test_similarity_is_shared_paths_over_paths_of_either() -> None:
    a = np.array([[1, 1, 0, 0], [0, 0, 0, 0]], dtype=np.float32)
    b = np.array([[1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float32)
    assert similarity(a, b).tolist() == [[1 / 3, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]


@given(seed=st.integers(0, 1000), measured=st.lists(st.integers(0, 11), max_size=6))
def test_what_is_left_unknown_is_the_posterior_of_a_gaussian_process(seed: int, measured: list[int]) -> None:
    cells = (np.random.default_rng(seed).random((12, 9)) < 0.4).astype(np.float32)
    unknown = Unknown(cells, len(measured))
    for index in measured:
        unknown.measure(index)
    k = similarity(cells, cells)
    between, among = k[:, measured], k[np.ix_(measured, measured)] + NOISE * np.eye(len(measured))
    posterior = 1.0 - np.einsum("ij,ji->i", between, np.linalg.solve(among, between.T)) if measured else np.ones(12)
    assert unknown.factor == pytest.approx(np.sqrt(np.clip(posterior, 0.0, 1.0)), abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 7, 30, 100])
def test_a_batch_is_of_distinct_candidates_the_best_first(name: str, n: int) -> None:
    score = acquisition(name, MEMBERS, best=1.0, beta=0.5, rng=np.random.default_rng(3))
    chosen = choose(score, CELLS, NONE, n)
    rows = [row for row, _ in chosen]
    assert len(rows) == len(set(rows)) == min(n, 30)
    if name != "ts":  # draws a member at each place
        first = acquisition(name, MEMBERS, best=1.0, beta=0.5, rng=np.random.default_rng(3))(np.ones(30))
        assert rows[0] == int(np.argmax(first))
        assert chosen[0][1] == pytest.approx(first.max())


def test_candidates_beyond_the_greedy_batch_are_ranked_by_score() -> None:
    many = GREEDY + 40
    members = np.random.default_rng(4).normal(size=(5, many))
    cells = np.eye(many, dtype=np.float32)
    score = acquisition("ucb", members, best=0.0, beta=0.0, rng=np.random.default_rng(0))
    chosen = choose(score, cells, np.zeros((0, many), dtype=np.float32), many)
    assert [row for row, _ in chosen] == np.argsort(-members.mean(axis=0), kind="stable").tolist()


def twins() -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Two families of like cells with like predictions; the first family a little better."""
    cells = np.zeros((20, 20), dtype=np.float32)
    cells[:10, :10] = cells[10:, 10:] = 1.0
    cells[np.arange(20), np.arange(20)] = 0.0
    spread = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])[:, None]
    return spread + np.where(np.arange(20) < 10, 0.1, 0.0), cells


def test_a_batch_does_not_spend_all_its_places_on_one_kind_of_cell() -> None:
    members, cells = twins()
    score = acquisition("ucb", members, best=0.0, beta=1.0, rng=np.random.default_rng(0))
    rows = [row for row, _ in choose(score, cells, np.zeros((0, 20), dtype=np.float32), 2)]
    assert (rows[0] < 10) != (rows[1] < 10)


@pytest.mark.parametrize("name", ["ei", "pi", "ucb"])
def test_candidates_like_a_pending_cell_are_avoided(name: str) -> None:
    members, cells = twins()
    score = acquisition(name, members, best=2.0, beta=1.0, rng=np.random.default_rng(0))
    ((free, _),) = choose(score, cells, np.zeros((0, 20), dtype=np.float32), 1)
    ((beside, _),) = choose(score, cells, cells[:1], 1)
    assert free < 10
    assert beside >= 10


def test_thompson_sampling_tries_a_pending_cells_like_less_often() -> None:
    members, cells = twins()
    free = beside = 0
    for seed in range(200):
        score = acquisition("its", members, best=2.0, beta=1.0, rng=np.random.default_rng(seed))
        free += choose(score, cells, np.zeros((0, 20), dtype=np.float32), 1)[0][0] < 10
        beside += choose(score, cells, cells[:1], 1)[0][0] < 10
    assert free > 80
    assert beside < free / 2
