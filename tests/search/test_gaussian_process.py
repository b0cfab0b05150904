"""The Gaussian process against closed forms, scikit-learn, and itself fitted again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from bonanza_server.search.acquisition import log_expected_improvement
from bonanza_server.search.believer import Believed, choose
from bonanza_server.search.surrogates import gaussian_process
from bonanza_server.search.surrogates.gaussian_process import (
    SMALLEST,
    Rows,
    Vector,
    cholesky,
    kernel,
    log_likelihoods,
    member_of,
    scaled,
    subset,
)
from bonanza_server.search.surrogates.hyperparameters import Hyperparameters, Prior, population

PRIOR = Prior(weights=(1.0, 1.0), lengths=(1.0, 1.0))
SCALES = (2.0, 4.0)
HYPER = Hyperparameters(
    torch.tensor([[0.75, 0.25]]).double(), torch.tensor([[0.5, 2.0]]).double(), torch.tensor([0.05]).double()
)


def drawn(n: int, seed: int) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, d)).astype(np.float32) for d in (3, 5)]


def targets_of(n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(n)


def direct(
    x: list[NDArray[np.float32]], z: list[NDArray[np.float32]], t: NDArray[np.float64], m: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Posterior mean and variance at ``z``, and the log likelihood, by inverses of dense matrices in double precision."""

    def k(a: list[NDArray[np.float32]], b: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        total = np.zeros((len(a[0]), len(b[0])))
        for left, right, s, w, length in zip(a, b, SCALES, (0.75, 0.25), (0.5, 2.0), strict=True):
            d = ((left[:, None].astype(float) - right[None].astype(float)) ** 2).sum(-1) / s
            total += w * np.exp(-d / (2.0 * length**2))
        return total

    n = len(t)
    covariance = k(x, x) + np.diag(0.05 / m + SMALLEST)
    inverse, ones = np.linalg.inv(covariance), np.ones(n)
    precision = ones @ inverse @ ones
    mean = ones @ inverse @ t / precision
    signal = ((t - mean) @ inverse @ (t - mean) + 1.0) / n
    cross = k(x, z)
    rest = 1.0 - ones @ inverse @ cross
    variance = signal * (1.0 - np.einsum("ij,ik,kj->j", cross, inverse, cross) + rest**2 / precision)
    likelihood = -0.5 * n * np.log(signal) - 0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * np.log(precision)
    return mean + cross.T @ inverse @ (t - mean), variance, float(likelihood)


def test_the_posterior_and_the_likelihood_are_those_of_the_dense_formulas() -> None:
    x, z, t, m = drawn(20, 0), drawn(7, 1), targets_of(20, 2), np.where(np.arange(20) % 3, 1.0, 4.0)
    member = member_of(scaled(x, x, SCALES), t, m, HYPER[0])
    whitened = member.whiten(scaled(x, z, SCALES))
    mean, variance, likelihood = direct(x, z, t, m)
    assert member.means(whitened).numpy() == pytest.approx(mean, abs=1e-4)
    assert (member.signal * member.variances(whitened)).numpy() == pytest.approx(variance, abs=1e-4)
    assert float(log_likelihoods(scaled(x, x, SCALES), t, m, HYPER)[0]) == pytest.approx(likelihood, abs=1e-3)


def test_the_kernel_is_scikit_learns_squared_exponential() -> None:
    x, z, t = drawn(15, 0)[:1], drawn(6, 1)[:1], targets_of(15, 2)
    one = Hyperparameters(torch.ones(1).double(), torch.tensor([0.8]).double(), torch.tensor(0.1).double())
    theirs = GaussianProcessRegressor(RBF(0.8), alpha=0.1 + SMALLEST, optimizer=None)
    theirs.fit(x[0], t - 0.0)
    ours = kernel(scaled(x, z, (1.0,)), one).numpy()
    assert ours == pytest.approx(theirs.kernel_(x[0], z[0]), abs=1e-5)
    member = member_of(scaled(x, x, (1.0,)), t, np.ones(15), one)
    centred = theirs.fit(x[0], t - member.mean).predict(z[0])
    assert member.means(member.whiten(scaled(x, z, (1.0,)))).numpy() == pytest.approx(centred + member.mean, abs=1e-4)


def test_what_is_left_out_is_predicted_as_by_a_process_without_it() -> None:
    x, t = drawn(12, 0), targets_of(12, 1)
    member = member_of(scaled(x, x, SCALES), t, np.ones(12), HYPER[0])
    process = gaussian_process.GaussianProcess((member,), t, np.ones(12))
    for row in (0, 5, 11):
        rest = [np.delete(view, row, axis=0) for view in x]
        other = member_of(scaled(rest, rest, SCALES), np.delete(t, row), np.ones(11), HYPER[0])
        # The mean is estimated anew without the row, which the closed form for a known mean does not do: near, not equal.
        alone = other.means(other.whiten(scaled(rest, [view[row : row + 1] for view in x], SCALES)))
        assert process.left_out()[row] == pytest.approx(float(alone[0]), abs=0.15)


def test_the_mean_at_observed_cells_needs_no_kernel() -> None:
    x, t = drawn(12, 0), targets_of(12, 1)
    process = gaussian_process.fit(x, t, np.ones(12), SCALES, PRIOR)
    means, _ = process.predict(scaled(x, x, SCALES))
    assert process.fitted() == pytest.approx(means, abs=1e-3)


def test_believing_a_cell_leaves_the_variance_of_a_process_that_measured_it() -> None:
    x, z, t = drawn(10, 0), drawn(8, 1), targets_of(10, 2)
    member = member_of(scaled(x, x, SCALES), t, np.ones(10), HYPER[0])
    believed = Believed(member, scaled(x, z, SCALES), 2)
    expected = float(believed.mean[3])
    believed.measure(3, scaled([view[3:4] for view in z], z, SCALES))
    more = [np.concatenate((view, extra[3:4])) for view, extra in zip(x, z, strict=True)]
    again = member_of(scaled(more, more, SCALES), np.append(t, expected), np.ones(11), HYPER[0])
    whitened = again.whiten(scaled(more, z, SCALES))
    left = believed.variance / member.signal
    assert left.numpy() == pytest.approx(again.variances(whitened).numpy(), abs=1e-3)
    assert again.means(whitened).numpy() == pytest.approx(believed.mean.numpy(), abs=1e-3)


def chosen_of(
    process: gaussian_process.GaussianProcess,
    x: list[Rows],
    z: list[Rows],
    n: int,
    pending: int = 0,
    shift: Vector | None = None,
) -> list[int]:
    """The rows of a batch of ``n``."""
    found = choose(
        process,
        scaled(x, z, SCALES),
        z,
        SCALES,
        log_expected_improvement,
        shift=lambda means: np.zeros_like(means) if shift is None else shift,
        best=float(process.fitted().max()),
        n=n,
        pending=pending,
    )
    return [row for row, _ in found[2]]


def test_a_batch_does_not_choose_a_cell_and_its_twin_and_keeps_away_from_pending_ones() -> None:
    x, t = drawn(10, 0), targets_of(10, 2)
    z = [np.repeat(view, 2, axis=0) for view in drawn(6, 1)]
    process = gaussian_process.fit(x, t, np.ones(10), SCALES, PRIOR)
    chosen = chosen_of(process, x, z, 3)
    assert len({row // 2 for row in chosen}) == 3
    with_twin = [np.concatenate((view, view[chosen[0] : chosen[0] + 1])) for view in z]
    assert chosen_of(process, x, with_twin, 1, pending=1)[0] // 2 != chosen[0] // 2


def test_a_batch_begins_with_the_cell_that_a_shift_of_the_means_makes_best() -> None:
    x, z, t = drawn(10, 0), drawn(8, 1), targets_of(10, 2)
    process = gaussian_process.fit(x, t, np.ones(10), SCALES, PRIOR)
    for row in range(8):
        assert chosen_of(process, x, z, 1, shift=10.0 * (np.arange(8) == row)) == [row]


def test_more_measurements_pull_harder() -> None:
    x, t = drawn(10, 0), targets_of(10, 2)
    one, many = np.ones(10), np.where(np.arange(10) == 4, 50.0, 1.0)
    away = [
        abs(float(gaussian_process.GaussianProcess((member_of(scaled(x, x, SCALES), t, m, HYPER[0]),), t, 1.0 / m).fitted()[4]) - t[4])
        for m in (one, many)
    ]  # fmt: skip
    assert away[1] < 0.2 * away[0]


def test_the_population_is_the_same_in_every_process_and_around_its_prior() -> None:
    points = population(PRIOR)
    assert float(points.noise.log().median().exp()) == pytest.approx(PRIOR.noise, rel=0.3)
    assert points.weights.sum(dim=1).numpy() == pytest.approx(1.0)
    assert points[0].lengths.tolist() == [1.0, 1.0]
    assert points[0].noise == PRIOR.noise


def test_the_likeliest_hyperparameters_find_the_view_that_matters() -> None:
    x = drawn(60, 0)
    t = np.sin(x[0][:, 0].astype(float))
    process = gaussian_process.fit(x, t, np.ones(60), SCALES, PRIOR)
    assert float(process.members[0].hyper.weights[0]) > 0.7


def test_a_thousand_results_are_judged_by_the_best_and_an_even_selection_of_the_others() -> None:
    t = targets_of(1000, 0)
    rows = subset(t)
    assert len(rows) == len(set(rows.tolist())) == gaussian_process.MOST_FITTED
    assert set(np.argsort(-t)[:50].tolist()) <= set(rows.tolist())
    assert np.array_equal(subset(t[:50]), np.arange(50))


def test_a_covariance_that_rounding_made_indefinite_gets_as_little_noise_as_it_takes_and_no_other_is_touched() -> None:
    good = torch.tensor([[1.0, 0.5], [0.5, 1.0]]).double()
    bad = torch.tensor([[1.0, 1.0001], [1.0001, 1.0]]).double()
    both = torch.stack((good, bad))
    factors = cholesky(both.clone())
    assert torch.equal(factors[0], torch.linalg.cholesky(good))
    assert (factors[1] @ factors[1].T).numpy() == pytest.approx(bad.numpy() + 10 * SMALLEST * np.eye(2))
    with pytest.raises(torch.linalg.LinAlgError):
        cholesky(torch.full((2, 2), torch.nan).double())
