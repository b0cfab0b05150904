"""A trial that is trained by a protocol of its own: by one that follows it, or not at all."""

from __future__ import annotations

import pytest

from bonanza.worker.evaluator import BrokenEvaluator
from bonanza.worker.messages import Job
from bonanza.worker.runner import check_protocol


def test_an_evaluator_that_knows_no_protocol_does_not_pass_its_value_off_as_one() -> None:
    own = Job(0, {}, 0, protocol={"epochs": 1})
    with pytest.raises(BrokenEvaluator, match="follows no training protocol"):
        check_protocol("tabular:nasbench201/cifar10", own)
    check_protocol("train:digits", own)
    check_protocol("tabular:nasbench201/cifar10", Job(0, {}, 0))
