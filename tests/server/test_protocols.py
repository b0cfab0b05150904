"""A study fixes its protocol: values of different trainings are not compared."""

from __future__ import annotations

import pytest

from bonanza.worker.protocols import PROXY, named, protocol_hash
from tests.server.lab import TTL, Json, Lab

OTHER = "0123456789abcdef"


def test_a_value_of_the_study_s_protocol_is_taken_and_one_of_another_refused(lab: Lab) -> None:
    lab.study(protocol={"name": "proxy"})
    right, wrong = lab.one(worker_id="a"), lab.one(worker_id="b")
    assert lab.tell(right, 91.0, protocol=PROXY.hash)["state"] == "complete"
    before = lab.events()
    problem = lab.tell(wrong, 92.0, status=409, protocol=OTHER)
    assert problem["type"].endswith(":protocol-mismatch")
    assert (problem["expected"], problem["told"]) == (PROXY.hash, OTHER)
    assert "proxy" in problem["detail"]
    assert lab.events() == before
    assert lab.trial(wrong)["state"] == "running", "the attempt may still tell the right value"
    assert lab.tell(wrong, 93.0, protocol=PROXY.hash)["is_best"]


def test_the_same_result_told_again_with_its_protocol_changes_nothing(lab: Lab) -> None:
    lab.study(protocol={"name": "proxy"})
    trial = lab.one()
    lab.tell(trial, 91.0, protocol=PROXY.hash)
    before = lab.events()
    assert lab.tell(trial, 91.0, protocol=PROXY.hash)["duplicate"]
    assert lab.events() == before


def test_a_further_value_of_a_trial_must_be_of_the_protocol_too(lab: Lab) -> None:
    lab.study(protocol={"name": "proxy"})
    first = lab.one(worker_id="a")
    lab.pass_time(TTL)
    second = lab.one(worker_id="b")
    lab.tell(second, 91.0, protocol=PROXY.hash)
    lab.tell(first, 92.0, status=409, protocol=OTHER)
    lab.tell(first, 90.0, protocol=PROXY.hash)
    assert [measured["value"] for measured in lab.trial(first)["measurements"]] == [90.0]


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        ({"name": "proxy", "allow_others": True}, OTHER),
        ({"name": "proxy"}, None),
        (None, OTHER),
        ({"epochs": 200, "optimiser": "sgd", "hash": "mine"}, "mine"),
        ({"epochs": 200, "optimiser": "sgd"}, protocol_hash({"optimiser": "sgd", "epochs": 200})),
        ({"name": "base+C+A"}, named("base+A+C").hash),
    ],
    ids=[
        "others allowed",
        "does not say",
        "no protocol",
        "a hash of one's own",
        "no protocol of ours",
        "tricks in any order",
    ],
)
def test_what_is_taken(lab: Lab, protocol: Json | None, told: str | None) -> None:
    lab.study(protocol=protocol)
    fields = {} if told is None else {"protocol": told}
    assert lab.tell(lab.one(), 90.0, **fields)["state"] == "complete"


def test_a_failure_is_taken_whatever_it_was_trained_by(lab: Lab) -> None:
    lab.study(protocol={"name": "proxy"})
    assert lab.fail(lab.one(), "nan", protocol=OTHER)["state"] == "failed"


def test_a_named_protocol_is_recorded_with_its_version_and_another_as_it_was_given(lab: Lab) -> None:
    recorded = lab.study(protocol={"name": "proxy", "epochs": 3})["protocol"]
    assert recorded == {"name": "proxy", "epochs": 3, "version": 1}
    lab.study(protocol={"name": "proxy", "epochs": 3})  # the same body is the same study
    lab.study(protocol=recorded)  # and so is what it was recorded as
