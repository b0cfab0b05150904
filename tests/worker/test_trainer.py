"""Real trainings, small ones."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from bonanza.schemas.trial import Directive
from bonanza.spaces import SearchSpace, space_from_spec
from bonanza.worker.evaluator import BrokenEvaluator, Stopped, TrialContext
from bonanza.worker.failures import failure_of
from bonanza.worker.result import Result
from bonanza.worker.trainer import Curve, TrainEvaluator
from tests.contracts.evaluator import EvaluatorContract

CONVOLUTIONS = {"edges": ["nor_conv_3x3"] * 6}
POOLED = {"edges": ["avg_pool_3x3", "none", "avg_pool_3x3", "none", "none", "avg_pool_3x3"]}
SHORT = {"epochs": 1}


class Recorder:
    """A link that keeps reports and directs after the first."""

    def __init__(self, directive: Directive = "continue") -> None:
        self.reports: list[tuple[int, Mapping[str, float]]] = []
        self._directive = directive

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        self.reports.append((step, metrics))

    def directive(self) -> Directive:
        return self._directive if self.reports else "continue"


@pytest.fixture(scope="module")
def short() -> TrainEvaluator:
    return TrainEvaluator("digits", protocol=SHORT)


def run(evaluator: TrainEvaluator, architecture: Any, **context: Any) -> Result:
    space = space_from_spec({"kind": "nasbench201"})
    return evaluator.evaluate(space.validate(architecture), TrialContext(**context))


class TestTrainEvaluator(EvaluatorContract):
    cells = 2

    @pytest.fixture
    def evaluator(self, short: TrainEvaluator) -> TrainEvaluator:
        return short


def test_a_training_learns_and_tells_what_the_protocol_says() -> None:
    evaluator = TrainEvaluator("digits")
    link = Recorder()
    result = run(evaluator, CONVOLUTIONS, seed=1, link=link)
    assert result.value is not None
    assert 90 < result.value <= 100
    assert result.value == result.metrics["accuracy_last"] <= result.metrics["accuracy_best"]
    assert result.metrics["epochs"] == evaluator.protocol.epochs == len(link.reports)
    assert [step for step, _ in link.reports] == list(range(evaluator.protocol.epochs))
    losses = [metrics["loss"] for _, metrics in link.reports]
    assert losses[-1] < losses[0] / 2
    assert result.cost["seconds"] > 0
    # Cells differ, or a search on the digits would rank noise: the standard deviation between seeds is about 1.
    other = run(evaluator, POOLED, seed=1)
    assert other.value is not None
    assert 85 < other.value < result.value - 2


def test_a_cell_that_lets_nothing_through_learns_nothing(short: TrainEvaluator) -> None:
    result = run(short, {"edges": ["none"] * 6})
    assert result.value is not None
    assert result.value < 20


def test_the_seed_decides_everything_but_the_time(short: TrainEvaluator) -> None:
    first, again, other = (run(short, CONVOLUTIONS, seed=seed) for seed in (3, 3, 4))
    assert first.metrics == again.metrics
    assert first.metrics["train_loss"] != other.metrics["train_loss"]


def test_a_study_s_protocol_may_choose_the_best_epoch() -> None:
    curve = Curve([50.0, 70.0, 60.0])
    last, best = (TrainEvaluator("digits", protocol={"objective": o}).protocol for o in ("last", "best"))
    assert curve.value(last) == 60.0
    assert curve.value(best) == 70.0


def test_a_protocol_of_the_study_is_obeyed_or_refused() -> None:
    assert TrainEvaluator("digits", protocol={"name": "digits", "epochs": 9}).protocol.epochs == 9
    with pytest.raises(BrokenEvaluator, match=r"cannot follow the study's protocol.*'cifar10'"):
        TrainEvaluator("digits", protocol={"name": "cifar10"})


def test_a_pruned_training_tells_the_value_so_far() -> None:
    result = run(TrainEvaluator("digits", protocol={"epochs": 3}), CONVOLUTIONS, link=Recorder("prune"))
    assert result.outcome == "pruned"
    assert result.value is not None
    assert result.metrics["epochs"] == 1


@pytest.mark.parametrize("directive", ["cancel", "yield", "superseded"])
def test_a_training_ends_when_the_server_says_so(directive: Directive, short: TrainEvaluator) -> None:
    with pytest.raises(Stopped) as caught:
        run(short, CONVOLUTIONS, link=Recorder(directive))
    assert caught.value.directive == directive


def test_a_training_that_diverges_is_told_as_such() -> None:
    evaluator = TrainEvaluator("digits", protocol={"learning_rate": 1e15, "epochs": 1})
    with pytest.raises(FloatingPointError, match="learning_rate") as caught:
        run(evaluator, {"edges": ["skip_connect"] * 6})
    assert failure_of(caught.value).kind == "nan"


def test_a_network_that_does_not_fit_is_told_as_such(nasbench201: SearchSpace) -> None:
    evaluator = TrainEvaluator("digits", protocol={"channels": 2**40, "epochs": 1})
    with pytest.raises(RuntimeError) as caught:
        run(evaluator, CONVOLUTIONS)
    assert failure_of(caught.value).kind == "oom"


def test_a_space_without_a_network_is_refused_before_the_first_trial(short: TrainEvaluator) -> None:
    for spec in (
        {"kind": "sequence", "positions": [{"name": "depth", "choices": [1, 2]}]},
        {"kind": "edge_cell", "nodes": 4, "ops": ["none", "my_conv"]},
    ):
        with pytest.raises(BrokenEvaluator, match="MODULE:FUNCTION"):
            short.check(space_from_spec(spec))


def test_any_edge_cell_of_known_operations_is_trained(short: TrainEvaluator) -> None:
    space = space_from_spec({"kind": "edge_cell", "nodes": 3, "ops": ["skip_connect", "nor_conv_1x1"]})
    short.check(space)
    assert short.evaluate(space.sample(random.Random(0)), TrialContext()).outcome == "complete"


def test_small_networks_train_on_one_thread(short: TrainEvaluator) -> None:
    assert short.device.type == "cuda" or torch.get_num_threads() == 1
