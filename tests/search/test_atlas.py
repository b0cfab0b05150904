"""The atlas of a study: where its cells lie, and what its choices go with."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from bonanza.schemas import Atlas
from bonanza.spaces import space_from_spec
from bonanza_server.search.atlas import FEWEST, Measured, atlas, effects, leaves, principal

SPACES = [
    {"kind": "nasbench201"},
    {"kind": "nasbench101"},
    {"kind": "darts"},
    {"kind": "recurrent", "nodes": 6},
    {"kind": "sequence", "positions": [{"name": "depth", "choices": [1, 2, 3]}, {"name": "op", "choices": ["a", "b"]}]},
    {"kind": "layer_graph", "flavour": "cnn"},
]


def measured(spec: dict[str, Any], n: int, value: Any) -> list[Measured]:
    space, rng = space_from_spec(spec), random.Random(3)
    cells = [space.sample(rng).json for _ in range(n)]
    return [Measured(number, cell, value(cell)) for number, cell in enumerate(cells)]


@pytest.mark.parametrize("spec", SPACES, ids=lambda spec: spec["kind"])
def test_every_kind_of_space_has_an_atlas_that_the_wire_takes_and_that_is_the_same_again(spec: dict[str, Any]) -> None:
    trials = measured(spec, 24, lambda cell: float(len(str(cell)) % 17))
    trials[5] = trials[5]._replace(value=None)
    mapped = [trial.number for trial in trials if trial.number != 3]
    made = atlas(spec, trials, mapped, maximize=True)
    Atlas.model_validate({"results": 23, **made})
    assert made["number"] == mapped
    assert len(made["x"]) == len(made["y"]) == 23
    assert made == atlas(spec, trials, mapped, maximize=True)


def test_an_atlas_of_nothing_and_of_one_cell_is_made_too() -> None:
    assert atlas(SPACES[0], [], [], maximize=True)["number"] == []
    one = atlas(SPACES[0], measured(SPACES[0], 1, lambda _: 90.0), [0], maximize=True)
    assert (len(one["x"]), one["places"], one["r_squared"]) == (1, [], None)


def test_equal_cells_lie_on_one_spot_and_better_ones_rather_to_the_right() -> None:
    trials = measured(SPACES[0], 60, lambda cell: float(cell["edges"].count("nor_conv_3x3")))
    trials.append(Measured(60, trials[0].architecture, trials[0].value))
    made = atlas(SPACES[0], trials, list(range(61)), maximize=True)
    assert (made["x"][0], made["y"][0]) == (made["x"][60], made["y"][60])
    assert np.corrcoef(made["x"], [trial.value for trial in trials])[0, 1] > 0.2
    turned = atlas(SPACES[0], trials, list(range(61)), maximize=False)
    assert turned["x"] == [pytest.approx(-x) for x in made["x"]]


def test_principal_components_are_those_of_the_singular_value_decomposition() -> None:
    matrix = np.random.default_rng(0).standard_normal((50, 20)) * np.linspace(4.0, 0.1, 20)
    matrix -= matrix.mean(axis=0)
    scores, explained = principal(matrix)
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    for k in (0, 1):
        assert np.abs(scores[:, k]) == pytest.approx(np.abs(left[:, k] * singular[k]), abs=1e-6)
    assert explained == pytest.approx((singular**2 / np.square(singular).sum())[:2].tolist())


def test_effects_find_what_was_put_in_with_its_sign_and_say_how_sure_they_are() -> None:
    """Two places matter, one of them three times as much; the rest is noise."""
    rng = random.Random(5)

    def value(cell: dict[str, Any]) -> float:
        edges = cell["edges"]
        return 90.0 + 3.0 * (edges[2] == "skip_connect") + 1.0 * (edges[4] == "none") + rng.gauss(0.0, 0.2)

    places, r_squared = effects(measured(SPACES[0], 300, value), maximize=True)
    assert [place["pointer"] for place in places[:2]] == ["/edges/2", "/edges/4"]
    assert r_squared is not None
    assert r_squared > 0.9
    of = {effect["choice"]: effect for effect in places[0]["effects"]}
    against_the_rest = of["skip_connect"]["effect"] - of["none"]["effect"]
    assert against_the_rest == pytest.approx(3.0, abs=0.3)
    assert 0 < of["skip_connect"]["error"] < 0.2
    assert sum(effect["count"] * effect["effect"] for effect in of.values()) == pytest.approx(0.0, abs=0.1)
    noise = next(place for place in places if place["pointer"] == "/edges/0")
    assert all(abs(effect["effect"]) < 4 * effect["error"] + 0.05 for effect in noise["effects"])


def test_a_few_cells_that_do_not_train_do_not_drown_the_rest() -> None:
    def value(cell: dict[str, Any]) -> float:
        return 90.0 + 2.0 * (cell["edges"][2] == "skip_connect")

    trials = measured(SPACES[0], 200, value)
    broken = [trial._replace(value=10.0) if trial.number in {7, 77} else trial for trial in trials]
    places, _ = effects(broken, maximize=True)
    assert places[0]["pointer"] == "/edges/2"


def test_too_few_results_and_results_that_are_all_alike_say_nothing() -> None:
    assert effects(measured(SPACES[0], FEWEST - 1, lambda _: random.random()), maximize=True) == ([], None)
    assert effects(measured(SPACES[0], 50, lambda _: 90.0), maximize=True) == ([], None)


def test_places_are_json_pointers() -> None:
    assert list(leaves({"a/b": [1, {"c~": True}], "d": "x"})) == [
        ("/a~1b/0", "1"),
        ("/a~1b/1/c~0", "true"),
        ("/d", "x"),
    ]
