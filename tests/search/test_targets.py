"""The scale that values are learned on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonanza_server.search.targets import CLIP, TargetScale

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LISTS = st.lists(FINITE | st.sampled_from([0.0, 10.0, 90.0]), min_size=1, max_size=50)


@given(values=LISTS, maximize=st.booleans())
def test_targets_of_any_finite_values_are_finite_and_keep_their_order(values: list[float], maximize: bool) -> None:
    t = TargetScale.of(values, maximize=maximize).targets(values)
    assert np.all(np.isfinite(t))
    assert np.all(t >= -CLIP)
    order = np.argsort(values, kind="stable")
    steps = np.diff(t[order])
    assert np.all(steps >= 0.0) if maximize else np.all(steps <= 0.0)


@given(values=LISTS, t=st.floats(-50.0, 1000.0), std=st.floats(0.0, 100.0), maximize=st.booleans())
def test_predictions_in_the_objectives_unit_are_finite(
    values: list[float], t: float, std: float, maximize: bool
) -> None:
    mean, spread = TargetScale.of(values, maximize=maximize).values([t], [std])
    assert np.all(np.isfinite(mean))
    assert np.all(np.isfinite(spread))
    assert spread[0] >= 0.0


@given(
    values=st.lists(st.integers(-(10**6), 10**6).map(lambda k: k / 1000.0), min_size=2, max_size=30),
    maximize=st.booleans(),
)
def test_a_value_that_is_not_clipped_comes_back(values: list[float], maximize: bool) -> None:
    scale = TargetScale.of(values, maximize=maximize)
    t = scale.targets(values)
    kept = t > -CLIP
    back, _ = scale.values(t, np.zeros_like(t))
    assert back[kept] == pytest.approx(np.array(values)[kept], rel=1e-9, abs=1e-9)


@given(values=LISTS, maximize=st.booleans(), t=st.floats(-CLIP, 100.0), step=st.floats(0.0, 10.0))
def test_the_way_back_is_monotone(values: list[float], maximize: bool, t: float, step: float) -> None:
    scale = TargetScale.of(values, maximize=maximize)
    (low, high), _ = scale.values([t, t + step], [0.0, 0.0])
    assert low <= high if maximize else low >= high


def test_a_prediction_above_all_that_was_seen_is_extrapolated_as_a_line() -> None:
    values = [*np.linspace(0.0, 1.0, 21), 6.0]  # the best is far enough above the rest for the logarithm
    scale = TargetScale.of(values, maximize=True)
    assert scale.top > CLIP
    (at, one, two), _ = scale.values([scale.top, scale.top + 1.0, scale.top + 2.0], [0.0] * 3)
    assert at == pytest.approx(6.0)
    assert two - one == pytest.approx(one - at)


@given(values=LISTS)
def test_minimising_mirrors_maximising_to_the_bit(values: list[float]) -> None:
    up = TargetScale.of(values, maximize=True).targets(values)
    down = TargetScale.of([-value for value in values], maximize=False).targets([-value for value in values])
    assert up.tolist() == down.tolist()


@pytest.mark.parametrize("outlier", [1e9, -1e9, 1e308, -1e308])
@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("n", [4, 30])
def test_one_wild_value_leaves_the_targets_of_the_others_nearly_alone(outlier: float, maximize: bool, n: int) -> None:
    usual = np.random.default_rng(0).normal(90.0, 2.0, n)
    alone = TargetScale.of(usual, maximize=maximize).targets(usual)
    beside = TargetScale.of([*usual, outlier], maximize=maximize).targets(usual)
    assert np.corrcoef(alone, beside)[0, 1] > 0.98
    assert 0.3 < beside.std() / alone.std() < 3.0


def test_failed_trainings_do_not_press_the_good_ones_together() -> None:
    values = [10.0] * 8 + [88.0, 89.0, 90.0, 91.0, 92.0, 93.0, 93.5, 94.0, 94.2]
    t = TargetScale.of(values, maximize=True).targets(values)
    assert t[8:].max() - t[8:].min() > 0.05
    assert np.all(np.diff(t[8:]) > 0.0)


def test_the_few_good_cells_of_a_space_of_bad_ones_are_told_apart() -> None:
    values = [10.0 + 0.01 * k for k in range(40)] + [40.0, 60.0, 80.0, 90.0]
    t = TargetScale.of(values, maximize=True).targets(values)
    assert np.all(np.diff(t[-4:]) > 0.05)


@pytest.mark.parametrize("values", [[90.0], [90.0] * 7, [0.0] * 3, [1e308] * 2])
def test_constant_values_have_target_zero_and_unit_spread(values: list[float]) -> None:
    scale = TargetScale.of(values, maximize=True)
    assert scale.targets(values).tolist() == [0.0] * len(values)
    assert scale.spread == 1.0


def test_mostly_tied_values_are_spread_by_the_others() -> None:
    values = [50.0] * 10 + [40.0, 60.0, 80.0]
    t = TargetScale.of(values, maximize=True).targets(values)
    assert len(set(t.tolist())) == 4
    assert np.abs(t).max() <= CLIP
