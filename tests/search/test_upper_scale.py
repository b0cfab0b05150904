"""The scale of the default: what it keeps, what it damps, and that it can be undone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonanza_server.search.upper_scale import UpperScale

VALUES = st.lists(
    st.one_of(st.floats(-100.0, 100.0), st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=30
)


@given(values=VALUES, maximize=st.booleans())
def test_targets_are_finite_and_in_the_order_of_the_values(values: list[float], maximize: bool) -> None:
    targets = UpperScale.of(values, maximize=maximize).targets(values)
    assert np.isfinite(targets).all()
    order = np.argsort(values if maximize else [-value for value in values], kind="stable")
    assert (np.diff(targets[order]) >= 0.0).all()


@given(values=VALUES, mean=st.floats(-50.0, 50.0), std=st.floats(0.0, 50.0))
def test_predictions_come_back_finite(values: list[float], mean: float, std: float) -> None:
    back, spread = UpperScale.of(values, maximize=True).values(mean, std)
    assert np.isfinite(back)
    assert np.isfinite(spread)
    assert spread >= 0.0


@given(values=st.lists(st.floats(-100.0, 100.0), min_size=2, max_size=30), maximize=st.booleans())
def test_a_target_without_doubt_is_its_value(values: list[float], maximize: bool) -> None:
    scale = UpperScale.of(values, maximize=maximize)
    back, spread = scale.values(scale.targets(values), np.zeros(len(values)))
    assert back == pytest.approx(np.array(values), rel=1e-6, abs=1e-6)
    assert not spread.any()


@given(values=VALUES)
def test_minimising_is_maximising_the_negative(values: list[float]) -> None:
    up = UpperScale.of(values, maximize=True).targets(values)
    down = UpperScale.of([-value for value in values], maximize=False).targets([-value for value in values])
    assert np.array_equal(up, down)


def test_the_upper_half_decides_the_spread() -> None:
    values = [10.0, 10.0, 40.0, 50.0, 90.0, 91.0, 92.0, 93.0, 94.0]
    scale = UpperScale.of(values, maximize=True)
    assert scale.median == 90.0
    assert 1.0 < scale.spread < 4.0
    targets = scale.targets(values)
    assert targets[-1] - targets[-2] == pytest.approx(1.0 / scale.spread)
    assert -5.0 < targets[0] < -2.0  # forty spreads below, and still told from the next


def test_the_slope_is_one_on_both_sides_of_the_median() -> None:
    scale = UpperScale.of([0.0, 1.0, 2.0, 3.0, 4.0], maximize=True)
    _, spread = scale.values([-1e-9, 0.0, 1e-9], [1.0, 1.0, 1.0])
    assert spread == pytest.approx(scale.spread)


def test_constant_values_have_a_spread_of_one_and_ties_that_of_the_others() -> None:
    assert UpperScale.of([7.0, 7.0, 7.0], maximize=True).spread == 1.0
    assert UpperScale.of([7.0, 7.0, 7.0, 7.0, 9.0], maximize=True).spread == pytest.approx(2.0, rel=0.6)
    assert UpperScale.of([5.0, 7.0, 7.0, 7.0, 7.0], maximize=True).spread == pytest.approx(2.0, rel=0.6)


def test_one_outlier_changes_the_spread_little() -> None:
    values = list(range(20))
    clean = UpperScale.of(values, maximize=True).spread
    assert UpperScale.of([*values, 1e9], maximize=True).spread < 2.0 * clean
    assert UpperScale.of([*values, -1e9], maximize=True).spread < 2.0 * clean
