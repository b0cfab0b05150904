from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bonanza.spaces import SearchSpace, space_from_spec
from bonanza.worker.evaluator import BrokenEvaluator, TrialContext
from bonanza.worker.tablefile import TableFileEvaluator
from tests.contracts.evaluator import EvaluatorContract

SMALL = {"kind": "edge_cell", "nodes": 3, "ops": ["none", "skip_connect", "nor_conv_3x3"]}


def write(path: Path, *lines: object) -> TableFileEvaluator:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return TableFileEvaluator(str(path))


class TestTableFileEvaluator(EvaluatorContract):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return space_from_spec(SMALL)

    @pytest.fixture
    def evaluator(self, tmp_path: Path, space: SearchSpace) -> TableFileEvaluator:
        rows = ({"architecture": a.json, "values": [i, i + 0.5]} for i, a in enumerate(space.enumerate()))
        return write(tmp_path / "table.jsonl", *rows)


def test_a_line_is_an_architecture_and_what_was_measured(tmp_path: Path, nasbench201: SearchSpace) -> None:
    text = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    evaluator = write(
        tmp_path / "t.jsonl",
        {"architecture": text, "value": 90.5, "metrics": {"params": 3}, "cost": {"seconds": 60}},
        "",
    )
    evaluator.check(nasbench201)
    result = evaluator.evaluate(nasbench201.validate(text), TrialContext(seed=4))
    assert (result.value, result.metrics, result.cost) == (90.5, {"params": 3}, {"seconds": 60})


def test_several_measurements_of_a_cell_are_drawn_from_by_the_seed(tmp_path: Path) -> None:
    space = space_from_spec(SMALL)
    cell = {"edges": ["nor_conv_3x3"] * 3}
    evaluator = write(
        tmp_path / "t.jsonl", {"architecture": cell, "value": 1}, {"architecture": cell, "values": [2, 3]}
    )
    evaluator.check(space)
    drawn = [evaluator.evaluate(space.validate(cell), TrialContext(seed=seed)).value for seed in range(60)]
    assert set(drawn) == {1.0, 2.0, 3.0}


def test_an_equal_network_is_answered_from_the_one_that_is_listed(tmp_path: Path) -> None:
    space = space_from_spec(SMALL)
    listed = space.validate({"edges": ["nor_conv_3x3", "none", "skip_connect"]})
    same = space.validate({"edges": ["skip_connect", "none", "nor_conv_3x3"]})
    assert listed.arch_id == same.arch_id
    evaluator = write(tmp_path / "t.jsonl", {"architecture": listed.json, "value": 7})
    evaluator.check(space)
    assert evaluator.evaluate(same, TrialContext()).value == 7


def test_a_cell_that_is_not_listed_fails_with_what_to_do(tmp_path: Path, nasbench201: SearchSpace) -> None:
    evaluator = write(tmp_path / "t.jsonl", {"architecture": {"edges": ["none"] * 6}, "value": 10})
    evaluator.check(nasbench201)
    result = evaluator.evaluate(nasbench201.validate({"edges": ["nor_conv_3x3"] * 6}), TrialContext())
    assert result.outcome == "failed"
    assert result.error is not None
    assert "restrict the study's space" in result.error.message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{not json", "line 2: this is not JSON"),
        ("[1, 2]", "line 2: write"),
        ({"value": 3}, "line 2: write"),
        ({"architecture": {"edges": ["none"] * 3}}, '"value" must be a number'),
        ({"architecture": {"edges": ["none"] * 3}, "value": "3"}, '"value" must be a number'),
        ({"architecture": {"edges": ["none"] * 3}, "value": float("nan")}, '"value" must be a number'),
        ({"architecture": {"edges": ["none"] * 3}, "values": []}, '"value" must be a number'),
        ({"architecture": {"edges": ["none"] * 3}, "value": 1, "metrics": [1]}, '"metrics" and "cost" must be objects'),
        ({"architecture": {"edges": ["none"] * 3}, "value": 1, "acc": 1}, "unknown field 'acc'"),
        ({"architecture": {"edges": ["sep_conv"] * 3}, "value": 1}, "no architecture of the study's space 'edge_cell'"),
    ],
)
def test_a_line_that_is_wrong_is_named_before_the_first_trial(line: object, says: str, tmp_path: Path) -> None:
    evaluator = write(tmp_path / "t.jsonl", {"architecture": {"edges": ["none"] * 3}, "value": 10}, line)
    with pytest.raises(BrokenEvaluator, match=says):
        evaluator.check(space_from_spec(SMALL))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenEvaluator, match="is empty"):
        write(tmp_path / "t.jsonl", "").check(space_from_spec(SMALL))


def test_the_order_of_lines_does_not_matter_for_other_cells(tmp_path: Path) -> None:
    space = space_from_spec(SMALL)
    rows = [{"architecture": a.json, "value": i} for i, a in enumerate(space.enumerate())]
    found = []
    for order in (rows, rows[::-1]):
        evaluator = write(tmp_path / "t.jsonl", *order)
        evaluator.check(space)
        cell = space.sample(random.Random(2))
        found.append(sorted(evaluator.rows[cell.arch_id].values))
    assert found[0] == found[1]
