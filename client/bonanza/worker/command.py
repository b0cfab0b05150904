"""Your own program as an evaluator, in any language: ``command:PROGRAM ARGS...``.

The program reads one JSON object on its standard input, ``{"study", "number", "architecture", "seed", "checkpoint"}``; the same is in
the environment, as ``BONANZA_STUDY``, ``BONANZA_TRIAL``, ``BONANZA_ARCHITECTURE`` (JSON), ``BONANZA_SEED`` and ``BONANZA_CHECKPOINT`` (set only
where an earlier attempt left one), and ``TRACEPARENT`` where its ask belongs to a trace. The last line it writes to standard output is the result, ``{"value": 93.1}`` or just ``93.1``,
with ``metrics``, ``cost``, ``seed`` as it likes. A line ``{"step": 3, "metrics": {"accuracy": 80.5}}`` before is a report. Standard error is passed on.

An exit code other than 0 fails the trial with the end of standard error; 75 means "try again later", 124 "out of time", and a program killed
by SIGKILL ran out of memory if the kernel says so. ``{"error": {"kind": "oom", "message": "…"}}`` as the last line says it more exactly.

When the training is to stop (the server says so in answer to a report or heartbeat: pruned, cancelled, given back; or the worker is to end) the program's process
group gets SIGTERM, and SIGKILL ``grace_s`` later. A program that can resume writes its checkpoint meanwhile and prints ``{"checkpoint": "…"}`` last:
the next attempt is given that text. It may do so unasked, where a cluster has sent it the signal: the trial is given back then. A value printed so late is
that of a pruned trial.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import IO, Any, Final

from bonanza.spaces import Architecture, SearchSpace
from bonanza.worker.evaluator import BrokenEvaluator, Stopped, TrialContext
from bonanza.worker.failures import TAIL_LENGTH, failure_of_exit, oom_kills
from bonanza.worker.lifeline import die_with_parent
from bonanza.worker.result import Failure, Result

POLL_S: Final = 0.1
LONGEST_VARIABLE: Final = 100_000  # Linux refuses an environment string of 128 KiB, and with it the whole program


class CommandEvaluator:
    """Runs a program once a trial."""

    def __init__(self, command: str, *, grace_s: float = 5.0) -> None:
        """Find the program.

        Raises:
            BrokenEvaluator: there is no such program, or it may not be run.
        """
        self.grace_s = grace_s
        try:
            self.argv = shlex.split(command)
        except ValueError as error:
            raise BrokenEvaluator(f"command:{command} cannot be read as a shell would: {error}") from error
        if not self.argv or shutil.which(self.argv[0]) is None:
            raise BrokenEvaluator(
                f"there is no program {command.strip()!r} to run here: write command:PROGRAM ARGS..., and chmod +x a script"
            )

    def check(self, space: SearchSpace) -> None:
        """Nothing: only the program knows which spaces it takes."""

    def evaluate(self, architecture: Architecture, trial: TrialContext) -> Result:
        """What the program printed last.

        Raises:
            Stopped: the server wanted it to stop, and it has; or it left a checkpoint instead of a result.
        """
        kills = oom_kills()
        program = _Program(self.argv, architecture, trial)
        try:
            while program.exit_code(POLL_S) is None:
                trial.check()
        except Stopped as stopped:
            program.stop(self.grace_s)
            said = program.last_object()
            if stopped.directive == "prune" and "value" in said:
                return Result.of(said | {"outcome": "pruned"})
            raise Stopped(stopped.directive, checkpoint=said.get("checkpoint")) from None
        finally:
            program.stop(0)
        code = program.exit_code(0)
        if code != 0:
            failure = failure_of_exit(
                code or 0, what="the program", stderr=program.stderr(), oom_kills=oom_kills() - kills
            )
            return program.own_failure() or Result.failed(failure)
        said = program.last_object()
        if said.keys() == {"checkpoint"}:
            raise Stopped("yield", checkpoint=said["checkpoint"])
        try:
            return Result.of(json.loads(program.last_line))
        except (ValueError, TypeError) as error:
            message = f'the program\'s last line is no result ({error}): {program.last_line[:200]!r}; print {{"value": 93.1}} last'
            return Result.failed(Failure("code", message, program.stderr() or None))


class _Program:
    """One run of the program in a process group of its own, its output read as it comes."""

    def __init__(self, argv: list[str], architecture: Architecture, trial: TrialContext) -> None:
        me = os.getpid()
        self.last_line = ""
        self._trial = trial
        self._over = False
        self._stderr: deque[str] = deque(maxlen=200)
        self._process = subprocess.Popen(  # noqa: S603 running the user's program is what this is for
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | _environment(architecture, trial),
            text=True,
            errors="replace",
            process_group=0,
            preexec_fn=lambda: die_with_parent(me),  # noqa: PLW1509 one prctl, looked up before the fork
        )
        given = {
            "study": trial.study,
            "number": trial.number,
            "architecture": architecture.json,
            "seed": trial.seed,
            "checkpoint": trial.checkpoint,
        }
        # All three pipes have a thread: a program may fill any of them before it reads or ends.
        self._threads = [
            threading.Thread(target=self._write, args=(self._process.stdin, json.dumps(given)), daemon=True),
            threading.Thread(target=self._read_stdout, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_stderr, args=(self._process.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def exit_code(self, wait_s: float) -> int | None:
        """How the program ended, once all it wrote was read; None while it runs. What it leaves running is killed."""
        try:
            code = self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return None
        self._signal(signal.SIGKILL)
        self._over = True
        for thread in self._threads:
            thread.join(timeout=1.0)  # a grandchild in a session of its own may hold a pipe open for ever
        return code

    def stop(self, grace_s: float) -> None:
        """End the program and what it started: asked for first where there is grace."""
        if grace_s > 0:
            self._signal(signal.SIGTERM)
            self.exit_code(grace_s)
        self._signal(signal.SIGKILL)
        self.exit_code(1.0)

    def _signal(self, number: int) -> None:
        if not self._over:  # once all are gone the number may be another's
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def stderr(self) -> str:
        """The end of what the program wrote to standard error."""
        return "".join(self._stderr)[-TAIL_LENGTH:]

    def last_object(self) -> dict[str, Any]:
        """The last line's JSON object; empty where it is none."""
        with suppress(ValueError):
            said = json.loads(self.last_line)
            if isinstance(said, dict):
                return said
        return {}

    def own_failure(self) -> Result | None:
        """The failure the program itself printed last, which knows more than its exit code."""
        with suppress(TypeError):
            result = Result.of(self.last_object())
            return result if result.error is not None else None
        return None

    def _read_stdout(self, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                if line.strip() and not self._reported(line):
                    self.last_line = line.strip()

    def _reported(self, line: str) -> bool:
        if not line.startswith("{"):
            return False
        try:
            said = json.loads(line)
            step, metrics = said["step"], said["metrics"]
            self._trial.link.report(int(step), {str(name): float(value) for name, value in metrics.items()})
        except (ValueError, TypeError, KeyError, AttributeError):
            return False
        return True

    def _read_stderr(self, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                self._stderr.append(line)
                sys.stderr.write(line)

    @staticmethod
    def _write(pipe: IO[str], text: str) -> None:
        with suppress(BrokenPipeError), pipe:  # a program need not read what it is told
            pipe.write(text + "\n")


def _environment(architecture: Architecture, trial: TrialContext) -> dict[str, str]:
    variables = {
        "BONANZA_STUDY": trial.study,
        "BONANZA_TRIAL": str(trial.number),
        "BONANZA_SEED": str(trial.seed),
        "BONANZA_ARCHITECTURE": json.dumps(architecture.json),
    }
    if trial.checkpoint is not None:
        variables["BONANZA_CHECKPOINT"] = trial.checkpoint
    return {name: value for name, value in variables.items() if len(value) < LONGEST_VARIABLE}
