"""What is known of a cell: measurements and the prediction before them, weighed by how far each can be trusted."""

from __future__ import annotations

import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonanza_server.lifecycle.posterior import Cell, noise_variance, posteriors


def test_the_noise_is_pooled_over_the_cells_that_were_measured_again() -> None:
    assert noise_variance([[1.0], [2.0]]) is None
    assert noise_variance([[1.0, 1.0], [2.0]]) is None
    assert noise_variance([[1.0, 3.0], [5.0, 6.0, 7.0], [9.0]]) == pytest.approx((2.0 + 2.0) / 3)


def test_without_noise_the_mean_of_the_measurements_is_all_there_is() -> None:
    [known] = posteriors([Cell(3, (1.0,), (9.0, 0.1))])
    assert (known.number, known.mean, known.std, known.interval, known.count) == (3, 1.0, None, None, 1)


def test_a_prediction_and_a_measurement_of_equal_trust_meet_in_the_middle() -> None:
    again = Cell(0, (1.0, 3.0))  # variance 2
    half = posteriors([again, Cell(1, (10.0,), (8.0, 2.0**0.5))])[1]
    assert half.mean == pytest.approx(9.0)
    assert half.std == pytest.approx(1.0)
    bold = [Cell(k, (10.0 * k,), (0.0, 0.01)) for k in range(1, 8)]
    shrunk = posteriors([again, *bold])[-1]
    assert shrunk.mean > 20.0  # predictions that were wrong before are trusted less


@given(st.integers(0, 100))
def test_the_best_posterior_is_better_than_the_luckiest_value(seed: int) -> None:
    rng = random.Random(seed)
    gained = []
    for _ in range(30):
        truths = [rng.gauss(0.0, 0.3) for _ in range(20)]
        cells = [Cell(k, (t + rng.gauss(0, 1.0),), (t + rng.gauss(0, 0.2), 0.2)) for k, t in enumerate(truths)]
        cells.append(Cell(99, tuple(-9.0 + rng.gauss(0, 1.0) for _ in range(12))))
        chosen = max(posteriors(cells), key=lambda one: one.mean).number
        luckiest = max(cells[:-1], key=lambda cell: cell.values[0]).number
        gained.append(truths[chosen] - truths[luckiest])
    assert fmean(gained) > 0
