from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonanza.schemas import TellRequest, TrialError
from bonanza.worker.result import Failure, Result

NUMBERS = st.floats() | st.integers(-(10**9), 10**9) | st.floats(width=32).map(np.float32)
TEXTS = st.text(st.characters(), max_size=5) | st.just("\0" + 11_000 * "x")
OUTCOMES = st.sampled_from(["complete", "pruned", "failed", "infeasible", "cancelled"])


@given(
    value=st.none() | NUMBERS,
    metrics=st.dictionaries(st.text(max_size=120), NUMBERS, max_size=4),
    outcome=OUTCOMES,
    error=st.none() | st.builds(Failure, st.sampled_from(["oom", "nan", "code"]), TEXTS, TEXTS),
    checkpoint=st.none() | st.text(max_size=5) | st.just("x" * 3_000),
)
def test_whatever_an_evaluator_returns_can_be_told(
    value: Any, metrics: Any, outcome: Any, error: Failure | None, checkpoint: str | None
) -> None:
    result = Result(
        value, metrics=metrics, cost=metrics, outcome=outcome, error=error, checkpoint=checkpoint
    ).tellable()
    told = TellRequest(
        lease_token="t",
        outcome=result.outcome,
        value=result.value,
        metrics=dict(result.metrics),
        cost=dict(result.cost),
        error=None if result.error is None else TrialError(**asdict(result.error)),
        checkpoint=result.checkpoint,
    )
    assert told.model_dump_json()
    assert told.outcome in {outcome, "failed"}
    assert (told.value is not None) == (
        outcome in {"complete", "pruned"} and value is not None and math.isfinite(value)
    )


def test_a_value_is_not_lost_to_the_name_or_the_number_of_its_metrics() -> None:
    metrics = {f"{'m' * 200}{i}": 1.0 for i in range(3)} | {f"metric {i}": float(i) for i in range(300)}
    result = Result(90.0, metrics=metrics).tellable()
    assert result.value == 90.0
    assert len(result.metrics) == 200
    assert max(map(len, result.metrics)) == 100


@pytest.mark.parametrize(("value", "kind"), [(math.nan, "nan"), (math.inf, "nan"), (-math.inf, "nan"), (None, "code")])
def test_a_completed_measurement_without_a_number_is_a_failure(value: float | None, kind: str) -> None:
    result = Result(value, metrics={"loss": math.nan, "epochs": 3}).tellable()
    assert result.outcome == "failed"
    assert result.error is not None
    assert result.error.kind == kind
    assert result.metrics == {"epochs": 3.0}


def test_a_number_is_a_result() -> None:
    assert Result.of(93.5).value == 93.5
    assert Result.of(np.float32(0.5)).value == 0.5


def test_a_mapping_is_a_result_by_its_fields() -> None:
    found = Result.of({"value": 90, "metrics": {"params": np.int64(7)}, "cost": {"seconds": 1}, "seed": 3})
    assert found == Result(90.0, metrics={"params": 7.0}, cost={"seconds": 1.0}, seed=3)


def test_a_result_is_itself() -> None:
    result = Result(1.0)
    assert Result.of(result) is result


def test_a_mapping_with_an_error_is_a_failure() -> None:
    assert Result.of({"error": {"kind": "oom", "message": "too wide"}}) == Result.failed(Failure("oom", "too wide"))
    assert Result.of({"error": "it broke"}) == Result.failed(Failure("code", "it broke"))
    assert Result.of({"outcome": "infeasible"}).outcome == "infeasible"


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("93.1", "must be a number"),
        (True, "must be a number"),
        ([93.1], "must be a number"),
        ({"valu": 93.1}, "has no 'valu'"),
        ({"value": 1, "metrics": [1]}, "metrics must be an object"),
        ({"value": 1, "metrics": {"a": "x"}}, r"metrics\['a'\] must be a number"),
        ({"value": 1, "seed": 1.5}, "seed must be a whole number"),
        ({"value": 1, "seed": -1}, "seed must be a whole number"),
        ({"value": 1, "outcome": "done"}, "an outcome is one of"),
        ({"error": {"kind": "sad"}}, "error must be like"),
        ({"error": 3}, "error must be like"),
    ],
)
def test_anything_else_says_what_to_return(returned: object, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        Result.of(returned)
