"""What every strategy must hold, on every kind of space, for every history a study can have.

Subclass ``StrategyContract`` with a fixture ``strategy``. A fixture of a strategy that trains something should train it briefly: the
contract is about what may be proposed, not about how good it is.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza_server.search.history import History, Observation, Proposal
from bonanza_server.search.strategy import Strategy

SPACES: tuple[dict[str, Any], ...] = (
    {"kind": "nasbench201"},
    {"kind": "edge_cell", "nodes": 3, "ops": ["none", "skip_connect", "conv"]},
    {"kind": "edge_cell", "nodes": 6, "ops": ["a", "b"]},
    {
        "kind": "sequence",
        "positions": [
            {"name": "depth", "choices": [1, 2, 3]},
            {"name": "op", "choices": ["a", "b"]},
            {"name": "one", "choices": [True]},
        ],
    },
    {"kind": "sequence", "positions": [{"name": f"p{i}", "choices": list(range(7))} for i in range(9)]},
)
USUAL = st.floats(1.0, 100.0)
VALUES = st.one_of(
    USUAL,
    st.sampled_from([10.0, 90.0]),  # ties
    st.sampled_from([1e9, -1e9, 1e308, -1e308, 5e-324, 0.0, -0.0]),
)


@dataclass(frozen=True)
class Drawn:
    """What Hypothesis chooses of a history; small numbers, because the cells follow from a seed."""

    spec: dict[str, Any]
    seed: int
    measured: tuple[tuple[float, ...], ...]
    pending: int
    failed: int
    maximize: bool

    def history(self, *, sign: float = 1.0) -> History:
        """The history; with ``sign`` -1 the same one told upside down."""
        space = space_from_spec(self.spec)
        rng = random.Random(self.seed)
        cells: dict[str, Architecture] = {}
        for _ in range(30 * (len(self.measured) + self.pending + self.failed)):
            cell = space.sample(rng)
            if len(cells) < len(self.measured) + self.pending + self.failed:
                cells.setdefault(cell.arch_id, cell)
        known = list(cells.values())
        observed = tuple(
            Observation(cell, tuple(sign * value for value in values), number)
            for number, (cell, values) in enumerate(zip(known, self.measured, strict=False))
        )
        rest = known[len(observed) :]
        return History(space, self.maximize == (sign > 0), observed, tuple(rest[: self.pending]), frozenset(cells))


def drawn(
    spaces: tuple[dict[str, Any], ...] = SPACES, values: st.SearchStrategy[float] = VALUES
) -> st.SearchStrategy[Drawn]:
    """Histories of up to 40 measured cells, some measured twice."""
    return st.builds(
        Drawn,
        spec=st.sampled_from(spaces),
        seed=st.integers(0, 2**32),
        measured=st.lists(st.lists(values, min_size=1, max_size=2).map(tuple), max_size=40).map(tuple),
        pending=st.integers(0, 6),
        failed=st.integers(0, 6),
        maximize=st.booleans(),
    )


def ids_of(space: SearchSpace) -> set[str]:
    """Every id of a small space."""
    return {cell.arch_id for cell in space.enumerate()}


def cells_of(proposals: list[Proposal]) -> list[Any]:
    """The genes, in order."""
    return [proposal.architecture.genes for proposal in proposals]


few = settings(
    max_examples=15,
    deadline=None,
    database=None,  # a failure of one strategy must not be replayed as another's
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


class StrategyContract:
    """A function from a history and a generator to what to measure next."""

    def test_its_name_can_stand_in_a_spec(self, strategy: Strategy) -> None:
        assert isinstance(strategy.name, str)
        assert strategy.name == strategy.name.strip() != ""

    def test_the_initial_design_is_none_or_at_least_one_trial(self, strategy: Strategy) -> None:
        assert strategy.n_initial is None or strategy.n_initial >= 1

    @few
    @given(drawn=drawn(), n=st.integers(1, 80), seed=st.integers(0, 2**63 - 1))
    def test_proposals_are_exactly_n_valid_unseen_distinct_cells_unless_the_space_is_used_up(
        self, strategy: Strategy, drawn: Drawn, n: int, seed: int
    ) -> None:
        history = drawn.history()
        proposals = strategy.propose(history, n, np.random.default_rng(seed))
        ids = [proposal.architecture.arch_id for proposal in proposals]
        assert len(set(ids)) == len(ids)
        assert not set(ids) & history.seen
        for proposal in proposals:
            assert history.space.validate(proposal.architecture.json) == proposal.architecture
        if len(proposals) != n:
            assert len(proposals) < n
            assert set(ids) | history.seen == ids_of(history.space)

    @few
    @given(drawn=drawn(), seed=st.integers(0, 2**63 - 1))
    def test_predictions_are_finite_numbers_wherever_something_was_measured(
        self, strategy: Strategy, drawn: Drawn, seed: int
    ) -> None:
        history = drawn.history()
        for proposal in strategy.propose(history, 5, np.random.default_rng(seed)):
            if history.observations:
                assert math.isfinite(proposal.mean)
                assert math.isfinite(proposal.std)
                assert proposal.std >= 0.0
            assert math.isfinite(proposal.acquisition)

    @few
    @given(drawn=drawn(), seed=st.integers(0, 2**63 - 1))
    def test_the_same_history_and_generator_give_the_same_proposals(
        self, strategy: Strategy, drawn: Drawn, seed: int
    ) -> None:
        first = strategy.propose(drawn.history(), 10, np.random.default_rng(seed))
        backwards = drawn.history()
        again = History(
            backwards.space,
            backwards.maximize,
            backwards.observations,
            backwards.pending,
            frozenset(sorted(backwards.seen, reverse=True)),
        )
        second = strategy.propose(again, 10, np.random.default_rng(seed))
        assert repr(first) == repr(second)  # to the bit, and nan equals nan

    @few
    @given(drawn=drawn(), seed=st.integers(0, 2**63 - 1))
    def test_minimising_the_negative_is_maximising(self, strategy: Strategy, drawn: Drawn, seed: int) -> None:
        up = strategy.propose(drawn.history(), 10, np.random.default_rng(seed))
        down = strategy.propose(drawn.history(sign=-1.0), 10, np.random.default_rng(seed))
        assert cells_of(up) == cells_of(down)
        for one, other in zip(up, down, strict=True):
            assert one.mean == -other.mean or (math.isnan(one.mean) and math.isnan(other.mean))

    @few
    @given(drawn=drawn(values=USUAL), seed=st.integers(0, 2**63 - 1), power=st.integers(-20, 20))
    def test_the_unit_of_the_objective_does_not_matter(
        self, strategy: Strategy, drawn: Drawn, seed: int, power: int
    ) -> None:
        history = drawn.history()
        assume(len({one.value for one in history.observations}) != 1)  # a constant has no spread to be a unit
        scaled = tuple(
            Observation(one.architecture, tuple(value * 2.0**power for value in one.values), one.number)
            for one in history.observations
        )
        other = History(history.space, history.maximize, scaled, history.pending, history.seen)
        first = strategy.propose(history, 10, np.random.default_rng(seed))
        second = strategy.propose(other, 10, np.random.default_rng(seed))
        assert cells_of(first) == cells_of(second)
        for one, two in zip(first, second, strict=True):
            assert (two.mean, two.std) == pytest.approx((one.mean * 2.0**power, one.std * 2.0**power), nan_ok=True)

    def test_a_space_is_used_up_to_the_last_cell(self, strategy: Strategy) -> None:
        space = space_from_spec(SPACES[1])
        cells = {cell.arch_id: cell for cell in space.enumerate()}
        for left in (0, 1, 3):
            known = list(cells.values())[left:]
            observed = tuple(Observation(cell, (float(k),), k) for k, cell in enumerate(known))
            history = History(space, True, observed, (), frozenset(cell.arch_id for cell in known))
            proposals = strategy.propose(history, 10, np.random.default_rng(0))
            assert {proposal.architecture.arch_id for proposal in proposals} == set(list(cells)[:left])

    def test_a_model_predicts_in_the_objectives_unit_and_diagnoses_in_json(self, strategy: Strategy) -> None:
        space = space_from_spec(SPACES[0])
        rng = random.Random(0)
        cells = [space.sample(rng) for _ in range(30)]
        history = History(
            space,
            True,
            tuple(Observation(cell, (1e6 + k,), k) for k, cell in enumerate(cells)),
            (),
            frozenset(cell.arch_id for cell in cells),
        )
        model = strategy.fit(history, np.random.default_rng(0))
        means, stds = model.predict(cells)
        assert means.shape == stds.shape == (30,)
        assert np.all(np.abs(means - 1e6) < 200.0)
        json.dumps(dict(model.diagnostics), allow_nan=False)
