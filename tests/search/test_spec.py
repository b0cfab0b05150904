"""Strategy specs: what is accepted, what is filled in, what is refused and how."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bonanza_server.search.rules import MOST_SOURCES
from bonanza_server.search.spec import (
    InvalidStrategy,
    n_initial,
    sources_of,
    strategy_names,
    strategy_options,
    strategy_spec,
)
from bonanza_server.search.strategy import strategy_from_spec

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
DEFAULTS: dict[str, Any] = {
    "name": "bananas",
    "n_initial": 10,
    "encoding": "both",
    "prune_zero_paths": True,
    "truncate": None,
    "ensemble": 5,
    "layers": 10,
    "width": 20,
    "epochs": 150,
    "batch_size": 32,
    "learning_rate": 0.01,
    "loss": "mape",
    "acquisition": "its",
    "beta": 0.5,
    "optimiser": "mutation",
    "candidates": 100,
    "parents": 5,
    "mutation_rate": 1.0,
}


def test_the_defaults_of_bananas_are_the_papers_but_for_the_encoding() -> None:
    assert strategy_spec({"name": "bananas"}) == DEFAULTS


def test_random_has_no_options_and_needs_no_model() -> None:
    assert strategy_spec({"name": "random"}) == {"name": "random"}
    assert n_initial({"name": "random"}) is None


def test_n_initial_is_what_the_spec_says() -> None:
    assert n_initial({"name": "bananas"}) == 10
    assert n_initial({"name": "bananas", "n_initial": 3}) == 3


def test_equal_numbers_are_stored_alike() -> None:
    spec = strategy_spec({"name": "bananas", "learning_rate": 1})
    assert json.dumps(spec) == json.dumps(strategy_spec({"name": "bananas", "learning_rate": 1.0}))


@pytest.mark.parametrize(
    ("spec", "pointer", "says"),
    [
        (None, "", '{"name": "bananas"}'),
        (["bananas"], "", "object"),
        (
            {},
            "/name",
            "is missing; the strategies are random, evolution, local_search, bananas, bonas, nasbot, bonanza",
        ),
        ({"name": "banana"}, "/name", "'banana' is unknown"),
        ({"name": ["bananas"]}, "/name", "unknown"),
        ({"name": "bananas", "epoch": 3}, "/epoch", "no such option; it may set n_initial, encoding"),
        ({"name": "random", "n_initial": 3}, "/n_initial", "may set nothing"),
        ({"name": "bananas", "a/b~c": 3}, "/a~1b~0c", "no such option"),
        ({"name": "bananas", "epochs": 0}, "/epochs", "an integer from 1 to 10000"),
        ({"name": "bananas", "epochs": True}, "/epochs", "an integer"),
        ({"name": "bananas", "epochs": 2.0}, "/epochs", "an integer"),
        ({"name": "bananas", "learning_rate": float("nan")}, "/learning_rate", "a number from 1e-06 to 1"),
        ({"name": "bananas", "learning_rate": float("inf")}, "/learning_rate", "a number"),
        ({"name": "bananas", "learning_rate": 10**400}, "/learning_rate", "a number"),
        ({"name": "bananas", "learning_rate": "0.1"}, "/learning_rate", "a number"),
        ({"name": "bananas", "loss": "mse"}, "/loss", "one of mae, mape"),
        ({"name": "bananas", "acquisition": None}, "/acquisition", "one of its, ei, pi, ucb, ts"),
        ({"name": "bananas", "prune_zero_paths": 1}, "/prune_zero_paths", "true or false"),
        ({"name": "bananas", "truncate": 0}, "/truncate", "an integer from 1 to 64, or null"),
    ],
)
def test_a_bad_spec_is_refused_with_a_pointer_and_what_is_accepted(spec: object, pointer: str, says: str) -> None:
    with pytest.raises(InvalidStrategy) as refused:
        strategy_spec(spec)
    assert refused.value.pointer == pointer
    assert says in refused.value.message


@given(
    spec=st.builds(
        lambda name, rest: {**rest, "name": name},
        st.sampled_from(strategy_names()),
        st.dictionaries(st.sampled_from(sorted(DEFAULTS)) | st.text(max_size=5), JSON, max_size=4),
    )
    | JSON
)
def test_any_json_is_refused_or_completed_once_and_for_all(spec: object) -> None:
    try:
        complete = strategy_spec(spec)
    except InvalidStrategy:
        return
    assert strategy_spec(complete) == complete
    assert strategy_spec(json.loads(json.dumps(complete))) == complete
    assert strategy_options(complete) == strategy_options(spec)
    assert strategy_from_spec(complete).n_initial == n_initial(complete)


def test_every_name_makes_a_strategy_of_that_name() -> None:
    assert [strategy_from_spec({"name": name}).name for name in strategy_names()] == list(strategy_names())


def test_validating_and_reading_histories_loads_neither_numpy_nor_torch() -> None:
    code = (
        "import sys, bonanza_server.search.spec as spec, bonanza_server.search.history, bonanza_server.search.strategy\n"
        "spec.strategy_spec({'name': 'bananas'})\n"
        "print({'numpy', 'torch', 'sqlalchemy', 'fastapi'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_studies_that_a_strategy_reads_are_named_with_where_they_stand() -> None:
    spec = strategy_spec({"name": "bonas", "pretrain_from": ["six", "seven"]})
    assert spec["pretrain_from"] == ["six", "seven"]
    assert strategy_spec(spec) == spec
    assert sources_of(spec) == {"/pretrain_from/0": "six", "/pretrain_from/1": "seven"}
    assert sources_of({"name": "random"}) == sources_of({"name": "bonas"}) == {}
    hash(strategy_options(spec))


@pytest.mark.parametrize("named", ["six", ["six", "six"], [""], [6], None, [str(k) for k in range(MOST_SOURCES + 1)]])
def test_studies_are_refused_unless_they_are_a_list_of_names_each_once(named: Any) -> None:
    with pytest.raises(InvalidStrategy) as refusal:
        strategy_spec({"name": "bonas", "pretrain_from": named})
    assert refusal.value.pointer == "/pretrain_from"
