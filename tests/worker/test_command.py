"""Real programs, in a shell and in Python."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bonanza.schemas.trial import Directive
from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza.worker.command import CommandEvaluator
from bonanza.worker.evaluator import Stopped, TrialContext
from bonanza.worker.result import Result
from tests.contracts.evaluator import EvaluatorContract


class Recorder:
    """A link that keeps reports; it directs something else once the first report is in, or after a while."""

    def __init__(self, directive: Directive = "continue", *, after_s: float | None = None) -> None:
        self.reports: list[tuple[int, Mapping[str, float]]] = []
        self._directive = directive
        self._at = None if after_s is None else time.monotonic() + after_s
        self._heard = threading.Event()

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        self.reports.append((step, metrics))
        self._heard.set()

    def directive(self) -> Directive:
        now = self._heard.is_set() if self._at is None else time.monotonic() > self._at
        return self._directive if now else "continue"


@pytest.fixture
def cell(nasbench201: SearchSpace) -> Architecture:
    return nasbench201.validate({"edges": ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "none", "none"]})


def python(tmp_path: Path, program: str, *, grace_s: float = 5.0) -> CommandEvaluator:
    """An evaluator that runs the program."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    return CommandEvaluator(f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}", grace_s=grace_s)


def shell(script: str) -> CommandEvaluator:
    return CommandEvaluator(f"sh -c {shlex.quote(script)}")


class TestCommandEvaluator(EvaluatorContract):
    @pytest.fixture
    def evaluator(self, tmp_path: Path) -> CommandEvaluator:
        return python(
            tmp_path,
            """
            import json, sys
            given = json.load(sys.stdin)
            print(json.dumps({"value": given["seed"] + len(given["architecture"]["edges"])}))
            """,
        )


def test_a_program_is_given_the_trial_on_stdin_and_in_the_environment(tmp_path: Path, cell: Architecture) -> None:
    evaluator = python(
        tmp_path,
        """
        import json, os, sys
        given = json.load(sys.stdin)
        env = {name: os.environ[name] for name in os.environ if name.startswith("BONANZA_T") or name in (
            "BONANZA_STUDY", "BONANZA_SEED", "BONANZA_ARCHITECTURE", "BONANZA_CHECKPOINT")}
        with open(sys.argv[0] + ".seen", "w") as file:
            json.dump([given, env], file)
        print(1)
        """,
    )
    evaluator.evaluate(cell, TrialContext(12, seed=7, study="first", checkpoint="s3://run/3"))
    given, env = json.loads((tmp_path / "program.py.seen").read_text())
    assert given == {
        "study": "first",
        "number": 12,
        "architecture": cell.json,
        "seed": 7,
        "checkpoint": "s3://run/3",
    }
    assert env == {
        "BONANZA_STUDY": "first",
        "BONANZA_TRIAL": "12",
        "BONANZA_SEED": "7",
        "BONANZA_ARCHITECTURE": json.dumps(cell.json),
        "BONANZA_CHECKPOINT": "s3://run/3",
    }


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ("echo epoch 1; echo 93.5", Result(93.5)),
        ('echo \'{"value": 90, "metrics": {"params": 3}, "seed": 4}\'; echo', Result(90.0, {"params": 3.0}, seed=4)),
        ("cat > /dev/null; printf 12", Result(12.0)),
        ("yes x | head -c 300000; yes y | head -c 300000 >&2; echo; echo 1", Result(1.0)),
        ("sleep 30 & echo 2", Result(2.0)),
    ],
)
def test_the_last_line_is_the_result(script: str, result: Result, cell: Architecture) -> None:
    assert shell(script).evaluate(cell, TrialContext()) == result


def test_lines_with_a_step_are_reports(cell: Architecture) -> None:
    link = Recorder()
    script = """echo '{"step": 1, "metrics": {"accuracy": 50}}'; echo noise; echo '{"step": 2, "metrics": {"accuracy": 60.5}}'; echo 61"""
    assert shell(script).evaluate(cell, TrialContext(link=link)) == Result(61.0)
    assert link.reports == [(1, {"accuracy": 50.0}), (2, {"accuracy": 60.5})]


@pytest.mark.parametrize(
    ("script", "kind", "says"),
    [
        ("echo 93; exit 3", "code", "exit code 3"),
        ("echo 'KeyError: edges' >&2; exit 1", "code", "KeyError: edges"),
        ("echo 'torch.OutOfMemoryError: CUDA out of memory.' >&2; exit 1", "oom", "CUDA out of memory"),
        ("echo 'RuntimeError: CUDA error: unspecified launch failure' >&2; exit 1", "infra", "launch failure"),
        ("echo 'RuntimeError: CUDA error: device-side assert triggered' >&2; exit 1", "code", "assert"),
        ("kill -KILL $$", "infra", "SIGKILL"),
        ("exit 137", "infra", "SIGKILL"),
        ("kill -SEGV $$", "code", "SIGSEGV"),
        ("exit 124", "timeout", "ran out of time"),
        ("exit 75", "infra", "tried again later"),
        ('echo \'{"error": {"kind": "oom", "message": "2 GiB short"}}\'; exit 1', "oom", "2 GiB short"),
        ('echo \'{"error": {"kind": "nan"}}\'', "nan", ""),
        ("true", "code", "the program's last line is no result"),
        ("echo done", "code", "'done'"),
        ("echo '[1]'", "code", "must be a number"),
    ],
)
def test_a_program_that_fails_says_of_which_kind(script: str, kind: str, says: str, cell: Architecture) -> None:
    result = shell(script).evaluate(cell, TrialContext())
    assert result.outcome == "failed"
    assert result.error is not None
    assert result.error.kind == kind
    assert says in result.error.message


def test_a_value_that_is_no_number_is_told_as_such(cell: Architecture) -> None:
    result = shell("echo NaN").evaluate(cell, TrialContext()).tellable()
    assert result.error is not None
    assert result.error.kind == "nan"


@pytest.mark.parametrize("directive", ["cancel", "yield", "superseded", "prune"])
def test_a_program_is_ended_when_the_server_says_so(directive: Directive, cell: Architecture) -> None:
    began = time.monotonic()
    with pytest.raises(Stopped) as caught:
        shell("""echo '{"step": 0, "metrics": {}}'; sleep 60; echo 1""").evaluate(
            cell, TrialContext(link=Recorder(directive))
        )
    assert caught.value.directive == directive
    assert time.monotonic() - began < 30


CHECKPOINTS = """
    import json, signal, sys, time

    def stop(*_):
        print(json.dumps({said}))
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    print(json.dumps({{"step": 0, "metrics": {{}}}}), flush=True)
    time.sleep(60)
"""


def test_a_program_may_leave_a_checkpoint_when_it_is_ended(tmp_path: Path, cell: Architecture) -> None:
    evaluator = python(tmp_path, CHECKPOINTS.format(said='{"checkpoint": "epoch 17"}'))
    with pytest.raises(Stopped) as caught:
        evaluator.evaluate(cell, TrialContext(link=Recorder("yield")))
    assert caught.value.checkpoint == "epoch 17"


def test_a_program_that_leaves_a_checkpoint_unasked_gives_the_trial_back(cell: Architecture) -> None:
    with pytest.raises(Stopped) as caught:
        shell("""echo '{"checkpoint": "epoch 3"}'""").evaluate(cell, TrialContext())
    assert (caught.value.directive, caught.value.checkpoint) == ("yield", "epoch 3")


def test_a_pruned_program_may_tell_the_value_so_far(tmp_path: Path, cell: Architecture) -> None:
    evaluator = python(tmp_path, CHECKPOINTS.format(said='{"value": 70.5}'))
    assert evaluator.evaluate(cell, TrialContext(link=Recorder("prune"))) == Result(70.5, outcome="pruned")


def test_a_program_that_will_not_end_is_killed_with_what_it_started(tmp_path: Path, cell: Architecture) -> None:
    evaluator = python(
        tmp_path,
        """
        import os, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sleep", "60"])
        print('{"step": %d, "metrics": {}}' % child.pid, flush=True)
        time.sleep(60)
        """,
        grace_s=0.2,
    )
    link = Recorder("cancel")
    with pytest.raises(Stopped):
        evaluator.evaluate(cell, TrialContext(link=link))
    assert gone(link.reports[0][0])


def test_what_a_program_leaves_behind_is_killed(cell: Architecture) -> None:
    link = Recorder()
    shell("""sleep 60 & echo "{\\"step\\": $!, \\"metrics\\": {}}"; echo 1""").evaluate(cell, TrialContext(link=link))
    assert gone(link.reports[0][0])


def test_an_architecture_too_large_for_the_environment_still_comes_on_stdin() -> None:
    choice = "x" * 100
    positions = [{"name": f"layer {number}", "choices": [choice]} for number in range(1_000)]
    space = space_from_spec({"kind": "sequence", "positions": positions})
    architecture = space.validate({"choices": [choice] * 1_000})
    result = shell("head -c 1000000 | wc -c").evaluate(architecture, TrialContext())
    assert result.value is not None
    assert result.value > 100_000


def gone(pid: int) -> bool:
    """Whether the process ends within a few seconds; a zombie has ended."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return False
