"""``train:DATA``: real trainings, small ones, that can be told, stopped, killed and taken up."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from bonanza.schemas.trial import Directive
from bonanza.spaces import SearchSpace, space_from_spec
from bonanza.worker.checkpoint import KEPT_S, Checkpoint, sweep
from bonanza.worker.evaluator import BrokenEvaluator, Stopped, TrialContext
from bonanza.worker.failures import failure_of
from bonanza.worker.protocols import DIGITS, PROXY, protocol_hash
from bonanza.worker.result import Result
from bonanza.worker.train_evaluator import TrainEvaluator
from tests.contracts.evaluator import EvaluatorContract

CONVOLUTIONS = {"edges": ["nor_conv_3x3"] * 6}
POOLED = {"edges": ["avg_pool_3x3", "none", "avg_pool_3x3", "none", "none", "avg_pool_3x3"]}
SHORT = {"epochs": 1}
QUICK = {"builder": "tests.worker.own_networks:perceptron", "batch": 128, "learning_rate": 0.1}
"""A perceptron in the cell's place: what is tested is the way of a training, not the network."""


class Recorder:
    """A link that keeps reports and directs after the first."""

    def __init__(self, directive: Directive = "continue", after: int = 1) -> None:
        self.reports: list[tuple[int, Mapping[str, float]]] = []
        self._directive, self._after = directive, after

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        self.reports.append((step, metrics))

    def directive(self) -> Directive:
        return self._directive if len(self.reports) >= self._after else "continue"


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> TrainEvaluator:
    return TrainEvaluator("digits", protocol=SHORT, checkpoints=tmp_path_factory.mktemp("checkpoints"))


def run(evaluator: TrainEvaluator, architecture: Any = CONVOLUTIONS, **context: Any) -> Result:
    space = space_from_spec({"kind": "nasbench201"})
    return evaluator.evaluate(space.validate(architecture), TrialContext(**context))


class TestTrainEvaluator(EvaluatorContract):
    cells = 2

    @pytest.fixture
    def evaluator(self, short: TrainEvaluator) -> TrainEvaluator:
        return short


def test_a_training_learns_and_tells_what_the_protocol_says() -> None:
    evaluator = TrainEvaluator("digits")
    link = Recorder()
    result = run(evaluator, seed=1, link=link)
    assert result.value is not None
    assert 90 < result.value <= 100
    assert result.value == result.metrics["accuracy_last"] <= result.metrics["accuracy_best"]
    assert result.metrics["epochs"] == evaluator.protocol.epochs == len(link.reports)
    assert [step for step, _ in link.reports] == list(range(evaluator.protocol.epochs))
    losses = [metrics["loss"] for _, metrics in link.reports]
    assert losses[-1] < losses[0] / 2
    assert result.cost["seconds"] > 0
    assert result.protocol == DIGITS.hash
    assert "test_accuracy" not in result.metrics
    # Cells differ, or a search on the digits would rank noise: the standard deviation between seeds is about 1.
    other = run(evaluator, POOLED, seed=1)
    assert other.value is not None
    assert 60 < other.value < result.value - 2


def test_a_cell_that_lets_nothing_through_learns_nothing(short: TrainEvaluator) -> None:
    result = run(short, {"edges": ["none"] * 6})
    assert result.value is not None
    assert result.value < 20


@pytest.mark.parametrize("objective", ["last", "best"])
def test_last_and_best_are_both_told_and_the_protocol_says_which_is_the_value(objective: str) -> None:
    result = run(
        TrainEvaluator("digits", protocol={**QUICK, "epochs": 4, "learning_rate": 0.5, "objective": objective})
    )
    assert result.value == result.metrics[f"accuracy_{objective}"]


def test_a_protocol_of_the_study_is_obeyed_or_refused() -> None:
    assert TrainEvaluator("digits", protocol={"name": "digits", "epochs": 9}).protocol.epochs == 9
    assert TrainEvaluator("digits", protocol={"name": "proxy", "data": "digits"}).protocol == PROXY.changed(
        {"data": "digits"}
    )
    for protocol, says in (
        ({"name": "cifar10"}, "no protocol 'cifar10'"),
        ({"name": "prxy"}, "did you mean 'proxy'"),
        ({"data": "cifar10"}, "for the data 'cifar10', and this worker has 'digits'"),
        ({"name": "language"}, "language trains on text, and digits is images"),
        ({"version": 2}, "install the version of bonanza"),
        ({"batch": 5000}, "batch of 5000 is more than the 1079 images"),
    ):
        with pytest.raises(BrokenEvaluator, match=says):
            TrainEvaluator("digits", protocol=protocol)


def test_a_search_is_refused_a_protocol_that_measures_the_test_part() -> None:
    for protocol in ({"name": "darts-full"}, {"test": True}):
        with pytest.raises(BrokenEvaluator, match="the test part, which a search must never see: say"):
            TrainEvaluator("digits", protocol=protocol)


def test_a_trial_with_a_protocol_of_its_own_is_trained_by_it_on_the_test_part_too(short: TrainEvaluator) -> None:
    own = {"name": "digits", **QUICK, "epochs": 2, "test": True}
    result = run(short, protocol=own)
    assert (result.metrics["epochs"], result.protocol) == (2, protocol_hash(own))
    assert 0 < result.metrics["test_accuracy"] <= 100
    assert run(short, protocol=None).metrics["epochs"] == 1


@pytest.mark.parametrize("after", [0, 1])
def test_a_pruned_training_tells_the_value_so_far_if_there_is_one(after: int, tmp_path: Path) -> None:
    result = run(TrainEvaluator("digits", protocol={**QUICK, "epochs": 3}), link=Recorder("prune", after))
    assert result.outcome == "pruned"
    assert result.tellable() == result
    assert (result.value is None) == (after == 0)
    assert result.metrics.get("epochs", 0) == after


@pytest.mark.parametrize("directive", ["cancel", "superseded"])
def test_a_training_that_nobody_wants_ends_and_leaves_nothing(directive: Directive, tmp_path: Path) -> None:
    evaluator = TrainEvaluator("digits", protocol={**QUICK, "epochs": 3}, every=1)
    with pytest.raises(Stopped) as caught:
        run(evaluator, link=Recorder(directive))
    assert caught.value.directive == directive
    assert not list((tmp_path / "checkpoints").glob("*.pt"))


def test_a_training_given_back_leaves_a_checkpoint_that_another_attempt_goes_on_from(tmp_path: Path) -> None:
    protocol = {**QUICK, "epochs": 4}
    unbroken = run(TrainEvaluator("digits", protocol=protocol), seed=3)
    with pytest.raises(Stopped) as caught:
        run(TrainEvaluator("digits", protocol=protocol), seed=3, link=Recorder("yield", 2))
    reference = caught.value.checkpoint
    assert caught.value.directive == "yield"
    assert reference is not None
    elsewhere = TrainEvaluator("digits", protocol=protocol, checkpoints=tmp_path / "another machine's")
    link = Recorder()
    resumed = run(elsewhere, seed=3, checkpoint=reference, link=link)
    assert [step for step, _ in link.reports] == [2, 3]
    assert (resumed.value, resumed.metrics) == (unbroken.value, unbroken.metrics)


def test_a_checkpoint_of_another_training_is_not_taken_up(tmp_path: Path) -> None:
    protocol = {**QUICK, "epochs": 2}
    with pytest.raises(Stopped) as caught:
        run(TrainEvaluator("digits", protocol=protocol), seed=3, link=Recorder("yield"))
    for context, changed in (({"seed": 4}, {}), ({"seed": 3}, {"learning_rate": 0.2})):
        link = Recorder()
        run(
            TrainEvaluator("digits", protocol=protocol | changed),
            link=link,
            checkpoint=caught.value.checkpoint,
            **context,
        )
        assert [step for step, _ in link.reports] == [0, 1]


@pytest.mark.parametrize("content", [b"", b"cut short", None])
def test_a_checkpoint_that_cannot_be_read_costs_time_and_nothing_else(content: bytes | None, tmp_path: Path) -> None:
    protocol = {**QUICK, "epochs": 2}
    with pytest.raises(Stopped) as caught:
        run(TrainEvaluator("digits", protocol=protocol), link=Recorder("yield"))
    path = Path(str(caught.value.checkpoint))
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    link = Recorder()
    assert run(TrainEvaluator("digits", protocol=protocol), link=link).outcome == "complete"
    assert len(link.reports) == 2


def test_a_disk_that_takes_no_checkpoint_does_not_end_a_training(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.touch()
    evaluator = TrainEvaluator("digits", protocol={**QUICK, "epochs": 2}, checkpoints=blocked, every=1)
    assert run(evaluator).outcome == "complete"
    with pytest.raises(Stopped) as caught:
        run(evaluator, link=Recorder("yield"))
    assert caught.value.checkpoint is None


def test_what_is_left_for_two_weeks_is_swept_away(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, "a")
    assert checkpoint.save({"epoch": 1, "step": 0}) is not None
    sweep(tmp_path)
    assert checkpoint.load() is not None
    sweep(tmp_path, now=checkpoint.path.stat().st_mtime + KEPT_S + 1)
    assert checkpoint.load() is None


PROGRAM = """
    import json, sys
    from pathlib import Path
    from bonanza.spaces import space_from_spec
    from bonanza.worker.evaluator import TrialContext
    from bonanza.worker.train_evaluator import TrainEvaluator

    class Link:
        def report(self, step, metrics):
            print(step, json.dumps(metrics), flush=True)

        def directive(self):
            return "continue"

    evaluator = TrainEvaluator("digits", protocol=json.loads(sys.argv[1]), every=1)
    cell = space_from_spec({"kind": "nasbench201"}).validate({"edges": ["nor_conv_3x3"] * 6})
    result = evaluator.evaluate(cell, TrialContext(seed=5, link=Link()))
    print("value", json.dumps(dict(result.metrics)), flush=True)
"""


def test_a_training_that_is_killed_loses_the_epochs_since_its_checkpoint_and_no_bit_of_its_curve(
    tmp_path: Path,
) -> None:
    """In a process of its own, as a worker's child is: after a kill nobody tells the next attempt where the checkpoint is."""
    protocol = {**QUICK, "batch": 32, "epochs": 20}
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), json.dumps(protocol)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        told = [killed.stdout.readline() for _ in range(4)]
        killed.kill()
        told += killed.stdout.readlines()
    before = [(int(step), json.loads(metrics)) for step, _, metrics in (line.partition(" ") for line in told)]
    assert 4 <= len(before) < 20, "it was killed on its way"
    assert list((tmp_path / "checkpoints").glob("*.pt"))
    after, whole = Recorder(), Recorder()
    resumed = run(TrainEvaluator("digits", protocol=protocol), seed=5, link=after)
    unbroken = run(TrainEvaluator("digits", protocol=protocol), seed=5, link=whole)
    first = after.reports[0][0]
    assert len(before) <= first <= len(before) + 1, "it went on from the last checkpoint, which was of the last epoch"
    assert whole.reports[first:] == after.reports
    assert whole.reports[: len(before)] == before
    assert (resumed.value, resumed.metrics) == (unbroken.value, unbroken.metrics)


def test_sigterm_waits_for_the_end_of_the_step_and_a_checkpoint(tmp_path: Path) -> None:
    class Ended(BaseException):
        pass

    def end(*_: object) -> None:
        raise Ended

    class Terminated(Recorder):
        def report(self, step: int, metrics: Mapping[str, float]) -> None:
            super().report(step, metrics)
            if step == 1:
                signal.raise_signal(signal.SIGTERM)

    protocol = {**QUICK, "epochs": 4}
    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(Ended):
            run(TrainEvaluator("digits", protocol=protocol), seed=2, link=Terminated())
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)
    link = Recorder()
    resumed = run(TrainEvaluator("digits", protocol=protocol), seed=2, link=link)
    assert [step for step, _ in link.reports] == [2, 3]
    assert resumed.metrics == run(TrainEvaluator("digits", protocol=protocol), seed=2).metrics


def test_a_training_that_diverges_is_told_as_such() -> None:
    evaluator = TrainEvaluator("digits", protocol={"learning_rate": 1e15, "epochs": 1})
    with pytest.raises(FloatingPointError, match="learning_rate") as caught:
        run(evaluator, {"edges": ["skip_connect"] * 6})
    assert failure_of(caught.value).kind == "nan"


def test_a_space_without_a_network_is_refused_before_the_first_trial(short: TrainEvaluator) -> None:
    for spec in (
        {"kind": "sequence", "positions": [{"name": "depth", "choices": [1, 2]}]},
        {"kind": "edge_cell", "nodes": 4, "ops": ["none", "my_own_op"]},
        {"kind": "recurrent", "nodes": 2},
    ):
        with pytest.raises(BrokenEvaluator, match="no network for the space"):
            short.check(space_from_spec(spec))


@pytest.mark.parametrize("kind", ["darts", "nasnet"])
def test_one_cell_in_all_is_refused_where_it_would_be_a_reduction(kind: str, short: TrainEvaluator) -> None:
    with pytest.raises(BrokenEvaluator, match="proxy-darts, or cells=3"):
        short.check(space_from_spec({"kind": kind}))
    TrainEvaluator("digits", protocol={"name": "proxy-darts"}).check(space_from_spec({"kind": kind}))


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "nasbench101"},
        {"kind": "edge_cell", "nodes": 3, "ops": ["skip_connect", "nor_conv_1x1"]},
        {"kind": "resnet_stages", "stages": [2, 2], "blocks": [2, 3], "doublings": [0, 1]},
        {"kind": "nasnet"},
    ],
    ids=lambda spec: spec["kind"],
)
def test_networks_of_other_spaces_are_trained(spec: dict[str, Any]) -> None:
    space: SearchSpace = space_from_spec(spec)
    few = {
        "name": "proxy",
        "epochs": 1,
        "channels": 2,
        "cells": 3 if spec["kind"] == "nasnet" else 1,
        "batch": 256,
        "drop_path": 0.2,
    }
    evaluator = TrainEvaluator("digits", protocol=few)
    evaluator.check(space)
    result = evaluator.evaluate(space.sample(random.Random(0)), TrialContext())
    assert (result.outcome, result.metrics["epochs"]) == ("complete", 1)


def test_small_networks_train_on_one_thread(short: TrainEvaluator) -> None:
    assert short.execution.device.type == "cuda" or torch.get_num_threads() == 1


def test_a_device_that_is_not_there_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, says in (
        ("BONANZA_DEVICE", "cuda:99", "BONANZA_DEVICE=cuda:99 cannot be used"),
        ("BONANZA_COMPILE", "fast", "BONANZA_COMPILE must be one of default"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(BrokenEvaluator, match=says):
                TrainEvaluator("digits")
