from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from bonanza.spaces import SearchSpace
from bonanza.worker.evaluator import BrokenEvaluator, TrialContext
from bonanza.worker.python import PythonEvaluator
from tests.contracts.evaluator import EvaluatorContract

FUNCTIONS = """
    import math

    def by_edges(architecture, trial):
        return 50 + sum(map(len, architecture.json["edges"])) + trial.seed

    def without_trial(architecture):
        return {"value": 91.0, "metrics": {"length": len(architecture.text)}}

    def with_more(architecture, trial, *, epochs=3):
        return epochs

    def too_many(architecture, trial, third):
        return 1

    def none_at_all():
        return 1

    def any_number(*args):
        return len(args)

    def reports(architecture, trial):
        trial.report(0, accuracy=1.0)
        return 2.0

    class Trainer:
        def __call__(self, architecture, trial):
            return 5.0

    trainer = Trainer()
    with_more.grace_s = 7
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module in the folder the worker is started in."""
    (tmp_path / "my_training.py").write_text(textwrap.dedent(FUNCTIONS))
    (tmp_path / "needs_more.py").write_text("import a_package_nobody_has\n")
    (tmp_path / "is_wrong.py").write_text("def f(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("my_training", "needs_more", "is_wrong"):
        sys.modules.pop(name, None)


class TestPythonEvaluator(EvaluatorContract):
    @pytest.fixture
    def evaluator(self) -> PythonEvaluator:
        return PythonEvaluator("my_training:by_edges")


@pytest.mark.parametrize(
    ("name", "value"),
    [("without_trial", 91.0), ("with_more", 3.0), ("any_number", 2.0), ("reports", 2.0), ("trainer", 5.0)],
)
def test_a_function_is_called_with_what_it_takes(name: str, value: float, nasbench201: SearchSpace) -> None:
    evaluator = PythonEvaluator(f"my_training:{name}")
    cell = nasbench201.validate({"edges": ["none"] * 6})
    assert evaluator.evaluate(cell, TrialContext()).value == value


@pytest.mark.parametrize("name", ["too_many", "none_at_all"])
def test_a_function_of_another_form_is_refused_before_the_first_trial(name: str) -> None:
    with pytest.raises(BrokenEvaluator, match=r"must take \(architecture\) or \(architecture, trial\)"):
        PythonEvaluator(f"my_training:{name}")


def test_a_function_says_itself_how_long_it_needs_to_stop() -> None:
    assert PythonEvaluator("my_training:with_more").grace_s == 7
    assert PythonEvaluator("my_training:without_trial").grace_s == 0


def test_a_module_that_lacks_a_package_says_which() -> None:
    with pytest.raises(BrokenEvaluator, match="needs a_package_nobody_has, which is not installed"):
        PythonEvaluator("needs_more:f")


def test_a_module_that_does_not_import_says_why() -> None:
    with pytest.raises(BrokenEvaluator, match="importing is_wrong failed: SyntaxError"):
        PythonEvaluator("is_wrong:f")
