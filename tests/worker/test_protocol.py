"""Protocols are values: named, versioned, hashed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonanza.worker.protocol import InvalidProtocol, LanguageProtocol, Protocol
from bonanza.worker.protocols import (
    BASE,
    DARTS_FULL,
    DIGITS,
    LANGUAGE,
    PROTOCOLS,
    PROXY,
    TRICKS,
    from_json,
    from_text,
    named,
    pinned,
    protocol_hash,
    to_json,
)

changes = st.fixed_dictionaries(
    {},
    optional={
        "epochs": st.integers(1, 1000),
        "learning_rate": st.floats(1e-6, 10),
        "channels": st.none() | st.integers(1, 64),
        "objective": st.sampled_from(["last", "best"]),
        "flip": st.booleans(),
        "cutout": st.integers(0, 16),
    },
)


def test_what_a_name_means_does_not_change() -> None:
    """A change makes every result under a name another number: count its version up, and then pin the new hashes here."""
    assert {name: protocol.hash for name, protocol in PROTOCOLS.items()} == {
        "digits": "5d57e31318392196",
        "proxy": "94c8ab5e93b4f21f",
        "proxy-darts": "7dc514add33d165c",
        "nasbench201": "ae2bd7f9dcd001b7",
        "nasbench101": "232965bbae7c5f1a",
        "darts-search": "dcb4381cf525167e",
        "base": "1401645c020ad5a7",
        "darts-full": "b7792a1ce146e211",
        "language": "d0cd3d8fd35bc279",
        "language-proxy": "642191af8e0d4c37",
    }


@given(changes=changes)
def test_equal_trainings_have_equal_hashes_and_others_do_not(changes: dict[str, Any]) -> None:
    protocol = PROXY.changed(changes)
    assert protocol.hash == PROXY.changed(dict(reversed(changes.items()))).hash
    assert (protocol.hash == PROXY.hash) == (protocol == PROXY)


@given(changes=changes)
def test_a_protocol_is_what_its_record_and_its_text_say(changes: dict[str, Any]) -> None:
    protocol = PROXY.changed(changes)
    assert from_json(to_json(protocol), DIGITS) == protocol
    words = {True: "true", False: "false", None: "null"}
    text = ",".join(
        f"{name}={words.get(value, value) if not isinstance(value, int | float) or isinstance(value, bool) else repr(value)}"
        for name, value in changes.items()
    )
    assert from_text(f"proxy:{text}") == protocol


def test_each_trick_changes_one_thing_of_base_and_their_order_nothing() -> None:
    for trick, by in TRICKS.items():
        found = named(f"base+{trick}")
        assert {
            field.name for field in dataclasses.fields(found) if getattr(found, field.name) != getattr(BASE, field.name)
        } == {"name", *by}
    assert named("base+C+A") == named("base+A+C")
    assert named("base+A+D+C").hash == DARTS_FULL.hash, "the same training under another name"
    assert (DARTS_FULL.epochs, DARTS_FULL.cutout, DARTS_FULL.drop_path, DARTS_FULL.auxiliary) == (600, 16, 0.2, 0.4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prxy", "did you mean 'proxy'"),
        ("base+E", "no trick 'E'.*A, D, C, AA, 50C, 1500E"),
        ("proxy:epochs", "changes no field"),
        ("proxy:epoch=3", "no 'epoch': did you mean epochs"),
        ("proxy:epochs=0", "epochs must be a whole number of at least 1"),
        ("proxy:epochs=1.5", "epochs must be a whole number"),
        ("proxy:batch=true", "batch must be a whole number"),
        ("proxy:flip=1", "flip must be true or false"),
        ("proxy:learning_rate=0", "learning_rate must be a number of at least"),
        ("proxy:learning_rate=NaN", "learning_rate must be a number"),
        ("proxy:learning_rate=fast", "learning_rate must be a number"),
        ("proxy:momentum=1", "momentum must be a number of at least 0 and less than 1"),
        ("proxy:weight_decay=-1", "weight_decay must be a number of at least 0"),
        ("proxy:objective=first", "objective must be one of last, best"),
        ("proxy:precision=fp8", "precision must be one of float32, bfloat16"),
        ("proxy:validation=1", "validation must be at most 0.9"),
        ("proxy:cells=0", "cells must be a whole number of at least 1"),
        ("proxy:warmup_epochs=12", "warmup_epochs must be less than epochs"),
        ("proxy:fit=train+validation", "only the test part to measure: say test = true"),
        ("proxy:version=2", "version 2.*this is version 1"),
        ("proxy:steps=35", "a protocol of images has no 'steps'"),
        ("language:cutout=3", "a protocol of text has no 'cutout'"),
    ],
)
def test_what_makes_no_training_is_refused_and_told_why(text: str, says: str) -> None:
    with pytest.raises(InvalidProtocol, match=says):
        from_text(text)


def test_a_rate_of_one_is_one_rate_however_it_is_written() -> None:
    assert PROXY.changed({"learning_rate": 1}).hash == PROXY.changed({"learning_rate": 1.0}).hash


def test_a_study_that_names_no_protocol_changes_the_default_of_the_data() -> None:
    assert from_json({"epochs": 3}, DIGITS) == dataclasses.replace(DIGITS, epochs=3)
    assert from_json(None, LANGUAGE) == LANGUAGE
    with pytest.raises(InvalidProtocol, match="a text, not 3"):
        from_json({"name": 3}, DIGITS)


def test_a_new_study_records_the_version_of_what_it_names_and_leaves_the_rest_alone() -> None:
    assert pinned({"name": "proxy"}) == {"name": "proxy", "version": 1}
    for spec in (
        None,
        {"name": "proxy", "version": 7},
        {"name": "mine"},
        {"epochs": 3},
        {"name": "proxy", "my_field": 3},
    ):
        assert pinned(spec) == spec


def test_the_hash_of_a_study_s_protocol_is_that_of_the_training_or_its_own() -> None:
    assert protocol_hash({"name": "proxy", "allow_others": True}) == PROXY.hash
    assert protocol_hash({"name": "proxy", "version": 1, "epochs": 12}) == PROXY.hash
    assert protocol_hash({"name": "proxy", "epochs": 13}) != PROXY.hash
    assert protocol_hash({"hash": "mine", "epochs": 13}) == "mine"
    assert protocol_hash({"a": 1, "b": 2}) == protocol_hash({"b": 2, "a": 1}) != protocol_hash({"a": 1})


def test_a_protocol_is_a_value() -> None:
    assert isinstance(hash(DIGITS), int)
    with pytest.raises(dataclasses.FrozenInstanceError):
        DIGITS.epochs = 3  # type: ignore[misc]
    assert isinstance(DIGITS, Protocol)
    assert isinstance(LANGUAGE, LanguageProtocol)
