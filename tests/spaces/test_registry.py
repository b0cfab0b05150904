"""Specs: what is accepted, how it is normalised, and what a wrong one is told."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema_rs import Draft202012Validator, meta

from bonanza.spaces import InvalidSpace, Kind, SearchSpace, space_from_spec, space_kinds
from bonanza.spaces.contract.hostile import hostile_json
from tests.strategies import spaces, specs

CELL = {"kind": "edge_cell", "nodes": 3, "ops": ["none", "a"]}
EVERY_KIND = ", ".join(f'"{kind.name}"' for kind in space_kinds())
NODES = {"kind": "node_cell", "max_nodes": 5, "max_edges": 6, "ops": ["a", "b"]}
LIST = {"kind": "sequence", "positions": [{"name": "p", "choices": [1, 2]}]}


def with_choices(*choices: object) -> dict[str, Any]:
    return {"kind": "sequence", "positions": [{"name": "p", "choices": list(choices)}]}


def test_each_kind_has_an_example_that_makes_a_space_of_the_kind() -> None:
    for kind in space_kinds():
        assert space_from_spec(kind.example).kind == kind.name


@pytest.mark.parametrize("kind", space_kinds(), ids=lambda kind: kind.name)
def test_the_schemas_of_a_kind_accept_its_spec_and_what_it_draws(kind: Kind) -> None:
    for schema in (kind.spec_schema, kind.architecture_schema):
        meta.validate(schema)
        assert json.loads(json.dumps(schema)) == schema
    space = space_from_spec(kind.example)
    specs = Draft202012Validator(kind.spec_schema)
    specs.validate(kind.example)
    specs.validate(space.spec())
    assert not specs.is_valid({**kind.example, "surprise": 1})
    architectures = Draft202012Validator(kind.architecture_schema)
    rng = random.Random(0)
    arch = space.sample(rng)
    for made in (arch, space.mutate(arch, rng), *list(space.neighbors(arch))[:20]):
        architectures.validate(made.json)
    assert not architectures.is_valid({"surprise": 1})


@settings(deadline=None, max_examples=60)
@given(spec=specs())
def test_a_spec_makes_a_space_whose_spec_makes_the_space(spec: dict[str, Any]) -> None:
    space = space_from_spec(spec)
    again = space_from_spec(json.loads(json.dumps(space.spec())))
    assert again == space
    assert again.spec() == space.spec()


@settings(deadline=None, max_examples=60)
@given(space=spaces())
def test_any_space_holds_what_it_draws(space: SearchSpace) -> None:
    rng = random.Random(0)
    arch = space.sample(rng)
    for made in (arch, space.mutate(arch, rng), *list(space.neighbors(arch))[:20]):
        assert space.validate(json.loads(json.dumps(made.json))) == made
        assert space.canonical(made).labels[0] == "input"
    if space.kind in {"nasbench201", "edge_cell", "sequence"}:  # of the others, their own tests tell
        assert space.size == math.prod(len(found) for found in choices_of(space))


def choices_of(space: SearchSpace) -> list[list[Any]]:
    spec = space.spec()
    if spec["kind"] == "sequence":
        return [position["choices"] for position in spec["positions"]]
    nodes, ops = (4, range(5)) if spec["kind"] == "nasbench201" else (spec["nodes"], spec["ops"])
    return [list(ops)] * (nodes * (nodes - 1) // 2)


@pytest.mark.parametrize(
    ("spec", "pointer", "says"),
    [
        ({}, "/kind", "missing; there are"),
        ([], "", "not a list of 0"),
        ({"kind": "darts2"}, "/kind", f'one of {EVERY_KIND}, not "darts2"'),
        ({"kind": ["edge_cell"]}, "/kind", "not a list of 1"),
        ({"kind": "nasbench201", "nodes": 4}, "/nodes", 'unknown here; allowed: "kind"'),
        ({"kind": "edge_cell", "nodes": 4}, "/ops", "missing"),
        (CELL | {"nodes": True}, "/nodes", "an integer from 2 to 12, not true"),
        (CELL | {"nodes": 4.0}, "/nodes", "not 4.0"),
        (CELL | {"nodes": 1}, "/nodes", "from 2 to 12, not 1"),
        (CELL | {"nodes": 13}, "/nodes", "from 2 to 12, not 13"),
        (CELL | {"nodes": 10**5000}, "/nodes", "not a very large integer"),
        (CELL | {"nodes": math.nan}, "/nodes", "not nan"),
        (CELL | {"ops": []}, "/ops", "1 to 64 op names, not of 0"),
        (CELL | {"ops": [f"op{k}" for k in range(65)]}, "/ops", "not of 65"),
        (CELL | {"ops": "none"}, "/ops", 'not "none"'),
        (CELL | {"ops": ["a", ""]}, "/ops/1", "1 to 100 printable characters"),
        (CELL | {"ops": ["a", 1]}, "/ops/1", "not 1"),
        (CELL | {"ops": ["a", "b\n"]}, "/ops/1", "printable"),
        (CELL | {"ops": ["a", "\ud800"]}, "/ops/1", "printable"),
        (CELL | {"ops": ["a", "x" * 101]}, "/ops/1", "100 printable"),
        (CELL | {"ops": ["a", "a"]}, "/ops/1", "differ"),
        (CELL | {"ops": ["a", "input"]}, "/ops/1", "differ"),
        (CELL | {"ops": ["a", "b|c"]}, "/ops/1", "bar"),
        (CELL | {"zero_op": "zero"}, "/zero_op", 'null or one of the ops, "none", "a", not "zero"'),
        (CELL | {"zero_op": ["none"]}, "/zero_op", "not a list of 1"),
        (CELL | {"identity_op": "skip_connect"}, "/identity_op", "null or one of the ops"),
        (CELL | {"identity_op": "none"}, "/identity_op", "another op than zero_op"),
        (CELL | {"zero": None}, "/zero", "unknown"),
        ({"kind": "darts", "none": 1}, "/none", "true or false"),
        ({"kind": "darts", "none": None}, "/none", "not null"),
        ({"kind": "darts", "ops": []}, "/ops", "unknown"),
        ({"kind": "nasnet", "none": True}, "/none", 'unknown here; allowed: "kind"'),
        ({"kind": "nasbench101", "max_nodes": 7}, "/max_nodes", 'unknown here; allowed: "kind", "sampling"'),
        ({"kind": "nasbench101", "sampling": "naszilla"}, "/sampling", 'one of "uniform", "half_edge", not "naszilla"'),
        ({"kind": "nasbench101", "sampling": ["uniform"]}, "/sampling", "not a list of 1"),
        ({"kind": "node_cell", "max_nodes": 4}, "/max_edges", "missing"),
        (NODES | {"max_nodes": 1}, "/max_nodes", "from 2 to 16, not 1"),
        (NODES | {"max_nodes": 17}, "/max_nodes", "not 17"),
        (NODES | {"max_nodes": 10**5000}, "/max_nodes", "very large"),
        (NODES | {"max_nodes": 5.0}, "/max_nodes", "not 5.0"),
        (NODES | {"max_edges": 0}, "/max_edges", "from 1 to 10, not 0"),
        (NODES | {"max_edges": 11}, "/max_edges", "from 1 to 10, not 11"),
        (NODES | {"max_edges": math.nan}, "/max_edges", "not nan"),
        (NODES | {"ops": []}, "/ops", "1 to 64 op names, not of 0"),
        (NODES | {"ops": ["a", "a"]}, "/ops/1", 'differ from the other ops, the input and the output, not "a"'),
        (NODES | {"ops": ["a", "output"]}, "/ops/1", "differ"),
        (NODES | {"ops": ["a", "in"], "input": "in"}, "/ops/1", "differ"),
        (NODES | {"ops": ["a", ["b"]]}, "/ops/1", "not a list of 1"),
        (NODES | {"input": "output"}, "/output", 'differ from input, "output"'),
        (NODES | {"output": ""}, "/output", "printable"),
        (NODES | {"max_nodes": 7, "max_edges": 3, "sampling": "half_edge"}, "/sampling", "hardly ever"),
        (LIST | {"positions": []}, "/positions", "1 to 1,000 positions, not of 0"),
        (LIST | {"positions": LIST["positions"] * 1_001}, "/positions", "not of 1001"),
        (LIST | {"positions": LIST["positions"] * 2}, "/positions/1/name", 'not "p" again'),
        (LIST | {"positions": [7]}, "/positions/0", "not 7"),
        (LIST | {"positions": [{"name": "p"}]}, "/positions/0/choices", "missing"),
        (LIST | {"positions": [{"name": 1, "choices": [1]}]}, "/positions/0/name", "printable"),
        (LIST | {"positions": [{"name": "p", "choices": [1], "~/": 2}]}, "/positions/0/~0~1", "unknown"),
        (with_choices(), "/positions/0/choices", "1 to 1,000 choices, not of 0"),
        (with_choices(*range(1_001)), "/positions/0/choices", "not of 1001"),
        (with_choices(1, math.nan), "/positions/0/choices/1", "not nan"),
        (with_choices(1, math.inf), "/positions/0/choices/1", "not inf"),
        (with_choices(1, 2**53 + 1), "/positions/0/choices/1", "up to 2^53"),
        (with_choices(10**5000), "/positions/0/choices/0", "very large"),
        (with_choices(1, None), "/positions/0/choices/1", "not null"),
        (with_choices(1, [2]), "/positions/0/choices/1", "not a list of 1"),
        (with_choices(1, 1.0), "/positions/0/choices/1", "read like"),
        (with_choices(1, "1"), "/positions/0/choices/1", "read like"),
        (with_choices(True, "true"), "/positions/0/choices/1", "read like"),
    ],
)
def test_a_wrong_spec_is_pointed_at(spec: Any, pointer: str, says: str) -> None:
    with pytest.raises(InvalidSpace) as refusal:
        space_from_spec(spec)
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message


@settings(deadline=None, max_examples=200)
@given(spec=hostile_json())
def test_no_spec_is_met_with_anything_but_a_space_or_a_refusal(spec: Any) -> None:
    for value in (
        spec,
        CELL | {"ops": spec},
        LIST | {"positions": spec},
        with_choices(spec),
        CELL | {"zero_op": spec},
        NODES | {"input": spec},
    ):
        try:
            space = space_from_spec(value)
        except InvalidSpace as error:
            str(error).encode()
        else:
            json.dumps(space.spec()).encode()


def test_special_ops_are_the_usual_names_unless_said() -> None:
    both = ["skip_connect", "none", "a"]
    space = space_from_spec({"kind": "edge_cell", "nodes": 3, "ops": both})
    assert (space.zero_op, space.identity_op) == ("none", "skip_connect")
    neither = space_from_spec({"kind": "edge_cell", "nodes": 3, "ops": both, "zero_op": None, "identity_op": None})
    assert (neither.zero_op, neither.identity_op) == (None, None)
    assert neither != space
    assert neither.spec()["zero_op"] is None


def test_one_and_true_are_two_choices_and_one_point_nought_is_one() -> None:
    space = space_from_spec(with_choices(1, True, "x"))
    genes = [space.validate({"choices": [choice]}).genes for choice in (1, True, "x", 1.0)]
    assert genes == [(0,), (1,), (2,), (0,)]
    assert space != space_from_spec(with_choices(1, False, "x"))
    assert space_from_spec(with_choices(1)) != space_from_spec(with_choices(True))
    assert space_from_spec(with_choices(1)) == space_from_spec(with_choices(1.0))


def test_the_largest_spaces_are_answered_at_once() -> None:
    widest = {"kind": "edge_cell", "nodes": 12, "ops": [f"op{k}" for k in range(64)]}
    longest = {
        "kind": "sequence",
        "positions": [{"name": f"p{k}", "choices": list(range(1_000))} for k in range(1_000)],
    }
    largest = {"kind": "node_cell", "max_nodes": 16, "max_edges": 120, "ops": [f"op{k}" for k in range(64)]}
    for spec in (widest, longest, largest):
        space = space_from_spec(spec)
        arch = space.sample(random.Random(0))
        assert space.validate(arch.json) == arch
        assert len(arch.arch_id) == 20
        assert next(space.neighbors(arch)) != arch
        assert space.size is None or len(str(space.size)) > 100


SCRIPT = """
import json, random
from bonanza.spaces import space_from_spec
rng = random.Random(0)
for spec in json.loads(SPECS):
    space = space_from_spec(spec)
    a, b = space.sample(rng), space.sample(rng)
    for arch in (a, b, space.mutate(a, rng), space.crossover(a, b, rng), *list(space.neighbors(b))[:5]):
        print(arch.text, arch.arch_id, space.canonical(arch))
"""


def test_hash_order_changes_nothing() -> None:
    ops = ["none", "skip_connect", "a", "b"]
    chosen = [{"kind": "nasbench201"}, {"kind": "edge_cell", "nodes": 7, "ops": ops}, NODES, LIST]
    chosen += [{"kind": "darts"}, {"kind": "nasnet"}, {"kind": "recurrent", "nodes": 6}, {"kind": "resnet_stages"}]
    cells = [space_from_spec(chosen[1]).sample(random.Random(k)).text for k in range(40)]
    chosen.append({"kind": "pool", "of": chosen[1], "architectures": cells})
    chosen += [{"kind": "layer_graph", "flavour": flavour} for flavour in ("cnn", "mlp")]
    script = SCRIPT.replace("SPECS", repr(json.dumps(chosen)))
    answers = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "77")
    }
    assert len(answers) == 1
    assert "input" in answers.pop()
