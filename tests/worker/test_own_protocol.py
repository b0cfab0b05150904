"""A trial that is trained by a protocol of its own: by one that follows it, or not at all."""

from __future__ import annotations

import pytest

from bonanza.worker.evaluator import BrokenEvaluator
from bonanza.worker.messages import Setup
from bonanza.worker.runner import by_protocol

NB201 = {"kind": "nasbench201"}


def test_a_training_follows_the_trials_own_protocol() -> None:
    from bonanza.worker.trainer import TrainEvaluator

    setup = Setup("train:digits", NB201, "s", {"name": "digits", "epochs": 5})
    made = by_protocol(setup, {"name": "digits", "epochs": 1})
    assert isinstance(made, TrainEvaluator)
    assert made.protocol.epochs == 1


def test_an_evaluator_that_knows_no_protocol_does_not_pass_its_value_off_as_one() -> None:
    with pytest.raises(BrokenEvaluator, match="follows no training protocol"):
        by_protocol(Setup("tabular:nasbench201/cifar10", NB201, "s"), {"epochs": 1})
