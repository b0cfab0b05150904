"""What every evaluator must hold. Subclass ``EvaluatorContract`` with an ``evaluator`` and a ``space`` it measures."""

from __future__ import annotations

import math
import random

import pytest

from bonanza.spaces import SearchSpace, space_from_spec
from bonanza.worker.evaluator import Evaluator, TrialContext


class EvaluatorContract:
    """A measurement is a function of architecture and seed, and can be told."""

    cells = 3

    @pytest.fixture
    def evaluator(self) -> Evaluator:
        raise NotImplementedError("a subclass makes the evaluator")

    @pytest.fixture
    def space(self) -> SearchSpace:
        return space_from_spec({"kind": "nasbench201"})

    def test_a_space_it_measures_passes_the_check(self, evaluator: Evaluator, space: SearchSpace) -> None:
        evaluator.check(space)

    def test_every_cell_of_the_space_gets_a_finite_value(self, evaluator: Evaluator, space: SearchSpace) -> None:
        evaluator.check(space)
        rng = random.Random(3)
        for number in range(self.cells):
            result = evaluator.evaluate(space.sample(rng), TrialContext(number, seed=number))
            assert result.outcome == "complete", result.error
            assert result.value is not None
            assert math.isfinite(result.value)
            assert result.tellable() == result.tellable().tellable()

    def test_equal_seeds_give_equal_values(self, evaluator: Evaluator, space: SearchSpace) -> None:
        evaluator.check(space)
        architecture = space.sample(random.Random(5))
        first, again = (evaluator.evaluate(architecture, TrialContext(n, seed=11)).value for n in (0, 1))
        assert first == again

    def test_it_says_how_long_it_takes_to_leave_a_checkpoint(self, evaluator: Evaluator) -> None:
        assert 0 <= evaluator.grace_s < 60
