"""The evaluator's process: ``python -m bonanza.worker.runner FD PARENT``, started by ``process.py`` and by nobody else.

It builds the evaluator once, then measures one architecture after the other as the daemon hands them over. It knows no server: what
it hears and says goes over the socket ``FD``. A thread listens to that socket, so that a directive is there when the training next
looks, and ends the process when the daemon is gone.
"""

from __future__ import annotations

import faulthandler
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING

from bonanza import tracing
from bonanza.schemas.trial import Directive
from bonanza.spaces import SearchSpace, space_from_spec
from bonanza.worker.evaluator import BrokenEvaluator, Evaluator, Stopped, TrialContext, evaluator_from_text
from bonanza.worker.failures import failure_of
from bonanza.worker.lifeline import die_first, die_with_parent
from bonanza.worker.messages import Broken, Directed, Done, FromEvaluator, Job, Ready, Report, Setup, Yielded
from bonanza.worker.result import Result, sendable_checkpoint, sendable_metrics

if TYPE_CHECKING:
    Socket = Connection[FromEvaluator, Job | Directed | Setup]


class Ended(BaseException):
    """SIGTERM: the daemon wants this process to end; a BaseException, so that a training's own ``except`` lets it pass."""


class DaemonLink:
    """An evaluator's way to the server, by way of the daemon."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._lock = threading.Lock()  # an evaluator may report from threads of its own
        self._directive: Directive = "continue"
        self._number = -1
        self.jobs: SimpleQueue[Job] = SimpleQueue()

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Hand the metrics to the daemon, which sends them; never waits for the server."""
        self.say(Report(self._number, int(step), sendable_metrics(metrics)))

    def say(self, message: FromEvaluator) -> None:
        """Send one message whole."""
        with self._lock:
            self._socket.send(message)

    def directive(self) -> Directive:
        """What the server said last about the trial under way."""
        return self._directive

    def listen(self) -> None:
        """Take in what the daemon says until it is gone; then end this process, whatever it is doing."""
        with suppress(EOFError, OSError):
            while True:
                message = self._socket.recv()
                if isinstance(message, Job):
                    self._number = message.number
                    self._directive = "continue"  # what was directed before is of the last trial
                    self.jobs.put(message)
                elif isinstance(message, Directed):
                    self._directive = message.directive
        os.kill(os.getpid(), signal.SIGTERM)


def serve(socket: Socket) -> None:
    """Be the evaluator the daemon asks for until it is gone."""
    setup = socket.recv()
    if not isinstance(setup, Setup):
        raise TypeError(f"the daemon must begin with Setup, and said {setup!r}")
    try:
        space = space_from_spec(setup.space)
        evaluator = evaluator_from_text(setup.evaluator, protocol=setup.protocol)
        evaluator.check(space)
    except BrokenEvaluator as error:
        socket.send(Broken(str(error)))
        return
    except Exception as error:  # noqa: BLE001 whatever it is, the daemon must hear why there is no evaluator
        socket.send(Broken(f"{setup.evaluator} could not start: {type(error).__name__}: {error}"))
        return
    link = DaemonLink(socket)
    threading.Thread(target=link.listen, daemon=True).start()
    socket.send(Ready(evaluator.grace_s))
    while True:
        link.say(measure(evaluator, space, link.jobs.get(), setup, link))


def check_protocol(evaluator: str, job: Job) -> None:
    """Nothing, where the evaluator can train the job as it is to be trained.

    Raises:
        BrokenEvaluator: the trial has a protocol of its own and the evaluator knows of none: its value would be taken for what it is not.
    """
    if job.protocol is not None and not evaluator.startswith("train:"):
        raise BrokenEvaluator(f"{evaluator} follows no training protocol, and this trial has one of its own")


def measure(evaluator: Evaluator, space: SearchSpace, job: Job, setup: Setup, link: DaemonLink) -> Done | Yielded:
    """One measurement; whatever the evaluator raises is in the answer."""
    trial = TrialContext(
        job.number, seed=job.seed, study=setup.study, checkpoint=job.checkpoint, protocol=job.protocol, link=link
    )
    try:
        check_protocol(setup.evaluator, job)
        architecture = space.validate(dict(job.architecture))
        with traced(setup.study, job):
            return Done(evaluator.evaluate(architecture, trial).tellable())
    except Stopped as stopped:
        return Yielded(stopped.directive, sendable_checkpoint(stopped.checkpoint))
    except Ended:
        raise
    except BaseException as error:  # noqa: BLE001 even SystemExit: a training must not be able to end the worker
        failure = failure_of(error)
        # After these a device may hold memory that nothing frees, or answer every later call with the same error.
        return Done(Result.failed(failure), spoiled=failure.kind in {"oom", "infra"})


@contextmanager
def traced(study: str, job: Job) -> Iterator[None]:
    """Within the body the environment says which trace the training is part of, to it and to every program it starts."""
    try:
        with tracing.span("evaluate", job.traceparent, study=study, trial=job.number) as trace:
            if trace is not None:
                os.environ[tracing.VARIABLE] = trace
            yield
    finally:
        os.environ.pop(tracing.VARIABLE, None)
        tracing.flush()


def main() -> None:
    """Take over the socket and serve."""
    descriptor, parent = map(int, sys.argv[1:])
    die_with_parent(parent)
    die_first()
    faulthandler.enable()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a training prints is a log, and this process may be killed at any time.
        sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the daemon's to answer
    signal.signal(signal.SIGTERM, _end)
    socket: Socket = Connection(descriptor)  # named here, so that no SIGTERM comes in the middle of its end
    with suppress(Ended, BrokenPipeError, EOFError):
        serve(socket)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os._exit(0)  # no waiting for threads or pools a training has left behind


def _end(_number: int, _frame: FrameType | None) -> None:
    raise Ended


if __name__ == "__main__":
    main()
