from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonanza.worker.protocol import DIGITS, PROTOCOLS, InvalidProtocol, Protocol


def test_the_digits_protocol_is_the_one_results_were_measured_under() -> None:
    """Changing it makes every result under its name another number: give a changed protocol another name."""
    assert PROTOCOLS == {"digits": DIGITS}
    assert DIGITS.hash == "9ee0cecb574e062d"


@given(
    epochs=st.integers(1, 1000),
    learning_rate=st.floats(1e-6, 10),
    objective=st.sampled_from(["last", "best"]),
)
def test_equal_protocols_have_equal_hashes_and_others_do_not(epochs: int, learning_rate: float, objective: str) -> None:
    changes = {"epochs": epochs, "learning_rate": learning_rate, "objective": objective}
    protocol = DIGITS.changed(changes)
    assert protocol.hash == DIGITS.changed(dict(reversed(changes.items()))).hash
    assert (protocol.hash == DIGITS.hash) == (protocol == DIGITS)


def test_a_study_may_spell_the_protocol_out() -> None:
    assert DIGITS.changed(dataclasses.asdict(DIGITS)) == DIGITS
    assert DIGITS.changed({}) == DIGITS


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"epoch": 3}, "has no 'epoch'; it has epochs"),
        ({"name": "cifar10"}, "the study wants 'cifar10'"),
        ({"dataset": "mnist"}, "the study wants 'mnist'"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"batch": True}, "batch must be a whole number"),
        ({"learning_rate": 0}, "learning_rate must be a number of at least"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number"),
        ({"learning_rate": "0.1"}, "learning_rate must be a number"),
        ({"momentum": 1.0}, "momentum must be less than 1"),
        ({"weight_decay": -1}, "weight_decay must be a number of at least 0"),
        ({"objective": "first"}, "objective must be one of last, best"),
        ({"precision": "bf16"}, "precision must be float32"),
        ({"split_seed": -1}, "split_seed must be a whole number of at least 0"),
    ],
)
def test_what_makes_no_training_is_refused_by_field(changes: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidProtocol, match=says):
        DIGITS.changed(changes)


def test_a_protocol_is_a_value() -> None:
    assert isinstance(hash(DIGITS), int)
    with pytest.raises(dataclasses.FrozenInstanceError):
        DIGITS.epochs = 3  # type: ignore[misc]
    assert isinstance(DIGITS, Protocol)
