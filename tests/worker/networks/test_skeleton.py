"""Skeletons: their JSON, what they refuse, and networks of the user's own."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bonanza.spaces import Architecture, space_from_spec
from bonanza.worker.networks import InvalidSkeleton, NoNetwork, Skeleton, build, export_code

SEQUENCE = space_from_spec({"kind": "sequence", "positions": [{"name": "depth", "choices": [1, 2]}]})
CHOSEN = SEQUENCE.validate({"choices": [2]})


@given(
    st.builds(
        Skeleton,
        channels=st.none() | st.integers(1, 10**6),
        cells=st.none() | st.integers(1, 100),
        auxiliary=st.booleans(),
        stem=st.sampled_from([None, "cifar", "imagenet"]),
        dead_ops=st.booleans(),
        builder=st.sampled_from([None, "mine:network"]),
    )
)
def test_the_json_makes_the_skeleton_again(skeleton: Skeleton) -> None:
    assert Skeleton.from_json(json.loads(json.dumps(skeleton.json()))) == skeleton
    assert Skeleton().json() == {}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"chanels": 16}, "did you mean 'channels'?"),
        ({"depth": 3}, "it has channels, cells, auxiliary, stem, dead_ops, builder"),
        ({"channels": 0}, "channels must be a whole number of 1 or more"),
        ({"channels": True}, "not True"),
        ({"cells": 2.0}, "not 2.0"),
        ({"auxiliary": 0.4}, "auxiliary must be true or false, not 0.4"),
        ({"stem": "mnist"}, "stem must be one of cifar, imagenet"),
        ({"stem": ["cifar"]}, "stem must be one of"),
        ({"builder": "mine"}, "builder must be MODULE:FUNCTION, not 'mine'"),
        ({"builder": ":f"}, "builder must be"),
        ({"builder": 3}, "builder must be"),
    ],
)
def test_what_is_no_skeleton_is_refused(value: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidSkeleton) as caught:
        Skeleton.from_json(value)
    assert says in str(caught.value)


def test_a_skeleton_is_read_without_torch() -> None:
    script = "import sys; from bonanza.worker.networks import Skeleton; Skeleton.from_json({}); print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def perceptron(architecture: Architecture, *, skeleton: Skeleton, classes: int, shape: tuple[int, int, int]) -> Any:
    """As many layers as were chosen."""
    (depth,) = architecture.json["choices"]
    width = skeleton.channels or 1
    sizes = [shape[0] * shape[1] * shape[2], *[width] * (depth - 1), classes]
    return torch.nn.Sequential(torch.nn.Flatten(), *[torch.nn.Linear(*pair) for pair in itertools.pairwise(sizes)])


def nothing(architecture: Architecture, **_: object) -> None:
    """No network."""


def test_a_space_that_only_its_user_knows_is_built_by_a_function_of_theirs() -> None:
    with pytest.raises(
        NoNetwork, match=r"only you know what an architecture of the space sequence means.*MODULE:FUNCTION"
    ):
        build(SEQUENCE, CHOSEN, skeleton=Skeleton(), classes=10, shape=(1, 8, 8))
    mine = Skeleton(channels=5, builder=f"{__name__}:perceptron")
    network = build(SEQUENCE, CHOSEN, skeleton=mine, classes=10, shape=(1, 8, 8))
    assert [tuple(weight.shape) for weight in network.parameters()] == [(5, 64), (5,), (10, 5), (10,)]
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 10)
    with pytest.raises(NoNetwork, match="which is its code already"):
        export_code(SEQUENCE, CHOSEN, skeleton=mine, classes=10, shape=(1, 8, 8))


def test_a_function_of_ones_own_may_build_any_space() -> None:
    space = space_from_spec({"kind": "edge_cell", "nodes": 2, "ops": ["my_op"]})
    mine = Skeleton(builder="own_networks:linear")
    with pytest.raises(NoNetwork, match=r"cannot find the builder own_networks:linear.*where the command was started"):
        build(space, space.validate({"edges": ["my_op"]}), skeleton=mine, classes=10, shape=(1, 2, 2))


def test_a_builder_is_found_where_the_command_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here_only.py").write_text(
        "from torch import nn\ndef network(architecture, **_):\n    return nn.Linear(1, architecture.json['choices'][0])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    made = build(SEQUENCE, CHOSEN, skeleton=Skeleton(builder="here_only:network"), classes=10, shape=(1, 8, 8))
    assert isinstance(made, torch.nn.Linear)
    assert made.out_features == 2


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", "must return a torch.nn.Module, not NoneType"),
        ("SEQUENCE", "is no function"),
        ("nowhere", "cannot find"),
    ],
)
def test_a_builder_that_builds_nothing_is_refused(name: str, says: str) -> None:
    skeleton = Skeleton(builder=f"{__name__}:{name}")
    with pytest.raises(NoNetwork, match=says):
        build(SEQUENCE, CHOSEN, skeleton=skeleton, classes=10, shape=(1, 8, 8))
