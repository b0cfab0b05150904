"""Recipes of NAS-Bench-NLP as recurrent cells: those that fit, and what the others are told."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bonanza.spaces import InvalidArchitecture
from bonanza.spaces.nasbench_nlp import recurrent_cell
from bonanza.spaces.recurrent import recurrent

SPACE = recurrent(1, 8)
Recipe = dict[str, tuple[str, list[str]]]


def recipe_of(values: Recipe) -> dict[str, Any]:
    return {name: {"op": op, "input": inputs} for name, (op, inputs) in values.items()}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"f": ("linear", ["x", "h_prev_0"]), "h_new_0": ("activation_tanh", ["f"])}, "0"),
        ({"node_5": ("linear", ["h_prev_0", "x"]), "h_new_0": ("activation_sigm", ["node_5"])}, "3"),
        ({"h_new_0": ("linear", ["x", "h_prev_0"])}, "2"),
        (
            {
                "h_new_0": ("activation_sigm", ["c"]),
                "a": ("linear", ["x", "h_prev_0"]),
                "b": ("activation_tanh", ["a"]),
                "c": ("linear", ["b"]),
                "dead": ("elementwise_prod", ["a", "b"]),
            },
            "0 0 3",
        ),
        (
            {"a": ("linear", ["x", "h_prev_0"]), "b": ("linear", ["a"]), "h_new_0": ("linear", ["b"])},
            "2 0 2 1 2",
        ),
    ],
)
def test_a_chain_of_linear_ops_is_a_cell(values: Recipe, text: str) -> None:
    assert recurrent_cell(recipe_of(values), SPACE).text == text


ROOT = ("linear", ["x", "h_prev_0"])


@pytest.mark.parametrize(
    ("values", "pointer", "says"),
    [
        ({"a": ROOT}, "/h_new_0", "no such value"),
        ({"a": ROOT, "h_new_0": ("activation_leaky_relu", ["a"])}, "/h_new_0/op", "not"),
        (
            {"a": ROOT, "b": ("activation_tanh", ["a"]), "h_new_0": ("elementwise_sum", ["a", "b"])},
            "/h_new_0/op",
            "linear",
        ),
        (
            {"a": ROOT, "b": ("activation_tanh", ["a"]), "h_new_0": ("linear", ["x", "b"])},
            "/h_new_0/input",
            "one value",
        ),
        ({"a": ("linear", ["x", "x"]), "h_new_0": ("activation_tanh", ["a"])}, "/a/input", "both x and h_prev_0"),
        ({"a": ("activation_tanh", ["x"]), "h_new_0": ("activation_tanh", ["a"])}, "/a/op", "linear"),
        ({"h_new_0": ("linear", ["x"])}, "/x", "no such value"),
        ({"a": ROOT, "h_new_0": ("activation_tanh", ["a"]), "h_new_1": ROOT}, "/h_new_1", "one state"),
        ({"h_new_0": ("linear", ["a"]), "a": ("linear", ["h_new_0"])}, "/h_new_0", "more than 8 nodes"),
        ({"h_new_0": ("linear", [])}, "/h_new_0/input", "1 to 3 names"),
    ],
)
def test_another_recipe_is_told_why_it_is_none(values: Recipe, pointer: str, says: str) -> None:
    with pytest.raises(InvalidArchitecture) as refusal:
        recurrent_cell(recipe_of(values), SPACE)
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message


@pytest.mark.parametrize(
    ("recipe", "pointer"),
    [
        (None, ""),
        ([], ""),
        ({"h_new_0": 7}, "/h_new_0"),
        ({"h_new_0": {"op": ["linear"], "input": ["x"]}}, "/h_new_0/op"),
        ({"h_new_0": {"op": "linear", "input": [["x"], 1]}}, "/h_new_0/input/0"),
        ({7: 7, "h_new_0": {"op": "linear"}}, "/h_new_0/input"),
    ],
)
def test_what_is_no_recipe_is_pointed_at(recipe: Any, pointer: str) -> None:
    with pytest.raises(InvalidArchitecture) as refusal:
        recurrent_cell(recipe, SPACE)
    assert refusal.value.pointer == pointer


@pytest.mark.bench_data
def test_six_of_the_recipes_measured_on_wikitext_are_cells_of_one_node(bench_data: Path) -> None:
    runs = json.loads(gzip.decompress((bench_data / "nasbench_nlp_wikitext2.json.gz").read_bytes()))
    recipes = {json.dumps(run["recepie"], sort_keys=True): run["recepie"] for run in runs}
    texts = []
    for recipe in recipes.values():
        with suppress(InvalidArchitecture):
            texts.append(recurrent_cell(recipe, SPACE).text)
    assert len(recipes) == 291
    assert sorted(texts) == ["0", "0", "3", "3", "3", "3"]
