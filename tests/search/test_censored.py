"""What pruned trainings count as: an estimate for the models, never a result."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonanza.spaces import space_from_spec
from bonanza_server.search.censored import at, estimates
from bonanza_server.search.fit import Snapshot, fit, predict
from bonanza_server.search.spec import strategy_names

GOOD = ["nor_conv_3x3"] * 6
SPACE = {"kind": "nasbench201"}


def cell(*edges: str) -> dict[str, list[str]]:
    return {"edges": [*edges, *["nor_conv_3x3"] * (6 - len(edges))]}


def line(*values: float) -> list[list[float]]:
    return [[float(step), value] for step, value in enumerate(values, 1)]


def test_without_a_complete_curve_nothing_is_said() -> None:
    assert estimates([line(40.0)], [], maximize=True) == [None]
    assert estimates([line(40.0, 50.0)], [(line(60.0), 90.0)], maximize=True) == [None]


def test_one_complete_curve_shifts_the_others_by_what_it_gained() -> None:
    assert estimates([line(40.0), line(40.0, 50.0)], [(line(60.0, 75.0), 90.0)], maximize=True) == [70.0, 65.0]


def test_curves_that_draw_together_draw_the_estimate_together() -> None:
    complete = [(line(early, result), result) for early, result in ((50.0, 90.0), (60.0, 91.0), (70.0, 92.0))]
    assert estimates([line(30.0), line(60.0)], complete, maximize=True) == pytest.approx([88.0, 91.0])


@pytest.mark.parametrize(("maximize", "complete", "bound"), [(True, 90.0, 90.0), (False, 0.3, 0.3)])
def test_an_estimate_is_never_better_than_the_best_result(maximize: bool, complete: float, bound: float) -> None:
    early = 999.0 if maximize else -999.0
    assert estimates([line(early)], [(line(1.0), complete)], maximize=maximize) == [bound]


@given(
    values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=8),
    results=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=6),
    maximize=st.booleans(),
)
def test_estimates_keep_the_order_of_the_values_they_are_made_from(
    values: list[float], results: list[float], maximize: bool
) -> None:
    complete = [(line(result / 2, result), result) for result in results]
    found = estimates([line(value) for value in values], complete, maximize=maximize)
    ranked = [guess for _, guess in sorted(zip(values, found, strict=True))]
    assert all(a is not None and b is not None and a <= b + 1e-3 for a, b in pairwise(ranked))


HUGE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    pruned=st.lists(HUGE, min_size=1, max_size=3),
    complete=st.lists(st.tuples(st.lists(HUGE, min_size=1, max_size=3), HUGE), min_size=1, max_size=5),
    maximize=st.booleans(),
)
def test_a_training_that_went_astray_leaves_finite_estimates(
    pruned: list[float], complete: list[tuple[list[float], float]], maximize: bool
) -> None:
    [guess] = estimates([line(*pruned)], [(line(*curve), result) for curve, result in complete], maximize=maximize)
    assert guess is None or abs(guess) < float("inf")


@pytest.mark.parametrize("strategy", ["bonanza", "random"])
def test_a_perplexity_that_exploded_stops_no_fit(strategy: str) -> None:
    given = snapshot(strategy, pruned=True)
    given.curves[0] = (line(3e155, 1.7e308), 60.0)
    assert fit(given).diagnostics["censored"] == 4


def test_a_curve_is_read_between_its_points() -> None:
    curve = [[2.0, 10.0], [4.0, 20.0], [8.0, 40.0]]
    assert [at(curve, step) for step in (1, 2, 3, 4, 6, 8)] == [10.0, 10.0, 15.0, 20.0, 30.0, 40.0]


def snapshot(strategy: str, *, pruned: bool, value: float = 20.0) -> Snapshot:
    """A history in which every op on the first edge but one was measured, and cells with the last one were pruned."""
    options = {"epochs": 30} if strategy in {"bananas", "bonas"} else {}
    measured = [
        (number, cell(op, other), [90.0 - 2 * number])
        for number, (op, other) in enumerate(
            (op, other)
            for op in ("nor_conv_3x3", "nor_conv_1x1")
            for other in ("nor_conv_3x3", "skip_connect", "nor_conv_1x1")
        )
    ]
    cut = [
        (number, cell("avg_pool_3x3", other), line(value))
        for number, other in enumerate(("nor_conv_3x3", "skip_connect", "nor_conv_1x1", "avg_pool_3x3"), len(measured))
    ]
    return Snapshot(
        space=SPACE,
        strategy={"name": strategy, **options},
        seed=1,
        seq=10,
        maximize=True,
        observations=measured,
        excluded=[space_from_spec(SPACE).validate(one).arch_id for _, one, _ in cut],
        pool_size=8,
        pruned=cut if pruned else [],
        curves=[(line(values[0] - 30, values[0]), values[0]) for _, _, values in measured] if pruned else [],
    )


@pytest.mark.parametrize("strategy", strategy_names())
def test_pruned_cells_are_seen_by_every_strategy_and_proposed_by_none(strategy: str) -> None:
    made = fit(snapshot(strategy, pruned=True))
    assert made.diagnostics["censored"] == 4
    seen = set(snapshot(strategy, pruned=True).excluded)
    assert len(made.proposals) == 8
    assert not seen & {proposal["arch_id"] for proposal in made.proposals}


@pytest.mark.parametrize("strategy", ["bananas", "bonas", "nasbot", "bonanza"])
def test_every_model_expects_less_of_cells_like_those_that_were_pruned(strategy: str) -> None:
    like = [cell("avg_pool_3x3", "nor_conv_3x3", "nor_conv_1x1"), cell("avg_pool_3x3", "skip_connect", "nor_conv_1x1")]
    with_them, without = (
        np.mean([mean for mean, _ in predict(snapshot(strategy, pruned=pruned), like) if mean is not None])
        for pruned in (True, False)
    )
    assert with_them < without


def test_a_pruned_cell_weighs_less_than_a_measured_one() -> None:
    low = snapshot("bonanza", pruned=True)
    cells = [architecture for _, architecture, _ in low.pruned]
    guess = np.mean([mean for mean, _ in predict(low, cells)])
    plain = snapshot("bonanza", pruned=False)
    measured = Snapshot(
        **vars(plain) | {"observations": [*plain.observations, *((n, one, [50.0]) for n, one, _ in low.pruned)]}
    )
    told = np.mean([mean for mean, _ in predict(measured, cells)])
    assert abs(told - 50.0) < abs(guess - 50.0)
    assert np.mean([std for _, std in predict(low, cells)]) > np.mean([std for _, std in predict(measured, cells)])


def test_a_pruned_cell_is_no_parent_and_no_incumbent() -> None:
    better = snapshot("evolution", pruned=True, value=999.0)
    assert fit(better).proposals == fit(snapshot("evolution", pruned=True)).proposals
