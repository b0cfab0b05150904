"""The daemon's side of the evaluator's process: start it, hand it work, end it whatever it is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from socket import socketpair
from typing import TYPE_CHECKING, Final

from bonanza.schemas.trial import Directive
from bonanza.worker.failures import failure_of_exit, oom_kills
from bonanza.worker.messages import Directed, FromEvaluator, Job, Setup, ToEvaluator
from bonanza.worker.printed import Printed, log_tail
from bonanza.worker.result import Failure

if TYPE_CHECKING:
    Socket = Connection[ToEvaluator, FromEvaluator]

TERM_S: Final = 0.5
"""Between SIGTERM, which lets a program be cleaned up, and SIGKILL, which a C call that never returns needs."""

KILL_S: Final = 5.0
POLL_S: Final = 0.5


@dataclass(frozen=True)
class Said:
    """The evaluator's process said something."""

    process: EvaluatorProcess
    message: FromEvaluator


@dataclass(frozen=True)
class Died:
    """The evaluator's process has ended."""

    process: EvaluatorProcess


class EvaluatorProcess:
    """One evaluator in a process of its own, in a session of its own, so that a terminal's Ctrl-C does not reach it.

    What it says is put into ``inbox`` as ``Said``, its end as ``Died``.
    """

    def __init__(
        self, setup: Setup, inbox: SimpleQueue[object], *, environment: Mapping[str, str] | None = None, label: str = ""
    ) -> None:
        """Start it; ``Ready`` or ``Broken`` follows.

        Args:
            setup: which evaluator to be.
            inbox: where to say what it says.
            environment: variables that it sees besides this process's own.
            label: put before every line it prints, where it is one of several.
        """
        ours, theirs = socketpair()
        self._oom_kills = oom_kills()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 this interpreter and our own module
                [sys.executable, "-m", "bonanza.worker.runner", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(environment or {}),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self._printed = Printed(self._process.stdout, label)
        self._socket: Socket = Connection(ours.detach())
        self._inbox = inbox
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._send(setup)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def evaluate(self, job: Job) -> None:
        """Hand over a trial; ``Done`` or ``Yielded`` follows, or ``Died``."""
        self._oom_kills = oom_kills()
        self._printed.forget()
        self._send(job)

    def direct(self, directive: Directive) -> None:
        """Pass on what the server wants of the trial under way."""
        self._send(Directed(directive))

    def kill(self) -> None:
        """End it and all it started, also in the middle of a C call.

        Returns once it is gone, or stuck in a driver where even SIGKILL does not reach it.
        """
        with suppress(ProcessLookupError):
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(TERM_S)
        self.close()

    def printed(self) -> str:
        """The end of what it has printed since the trial under way began."""
        return self._printed.tail()

    def log_tail(self) -> str:
        """The last lines of that, for people, at most ``LOG_LENGTH`` characters; empty where it has printed nothing."""
        return log_tail(self._printed.tail())

    def failure(self) -> Failure:
        """Why it ended by itself, as a failure of the trial it had."""
        self.close()
        code = self._process.poll()
        return failure_of_exit(
            -signal.SIGKILL if code is None else code,
            what="the evaluator's process",
            stderr=self._printed.tail(),
            oom_kills=oom_kills() - self._oom_kills,
        )

    def close(self) -> None:
        """Kill what is left of it, its own children included, and give back the socket."""
        if self._socket.closed:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_S)
        self._reader.join(timeout=1.0)
        self._printed.close()
        self._socket.close()

    def _send(self, message: ToEvaluator) -> None:
        with suppress(OSError):  # it died: the reader says so
            self._socket.send(message)

    def _read(self) -> None:
        try:
            # Not the socket's end alone: a child that the training has forked may hold it open for longer than the process lives.
            while self._socket.poll(POLL_S) or self._process.poll() is None:
                if self._socket.poll():
                    self._inbox.put(Said(self, self._socket.recv()))
        except (EOFError, OSError):
            pass
        finally:
            self._inbox.put(Died(self))  # also where what it said cannot be read: it is of no use then
