"""What an evaluator's process prints: passed on as it comes, and its end kept, because a crash says why there and nowhere else."""

from __future__ import annotations

import os
import re
import select
import sys
import threading
import time
from contextlib import suppress
from typing import IO, Final

from bonanza.worker.failures import TAIL_LENGTH, tail
from bonanza.worker.result import sendable_text

CHUNK: Final = 65_536
SETTLE_S: Final = 0.2
LOG_LENGTH: Final = 2_000
"""Characters of a log that are sent: some twenty lines, in every heartbeat that has new ones."""
ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""Colours and movements of a terminal's cursor: CSI, OSC and two-character sequences of ECMA-48."""
CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def log_tail(text: str) -> str:
    """The end of what was printed as people would read it: no escape sequences, and of a line that was drawn over and over the last state."""
    lines = ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")
    plain = "\n".join(CONTROLS.sub("", line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in lines)
    return sendable_text(tail(plain.rstrip(), LOG_LENGTH), LOG_LENGTH)


class Printed:
    """Reads a pipe to its end in a thread, into this process's standard error."""

    def __init__(self, pipe: IO[bytes], label: str = "") -> None:
        """Begin; with a ``label`` every line is passed on whole, behind it."""
        self._pipe = pipe
        self._label = f"[{label}] ".encode() if label else b""
        self._kept = b""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="printed", daemon=True)
        self._thread.start()

    def tail(self) -> str:
        """The end of what was printed since ``forget``, as text; what is in the pipe already belongs to it."""
        self._settle()
        with self._lock:
            return tail(self._kept.decode("utf-8", "replace"))

    def forget(self) -> None:
        """Keep only what is printed from now on."""
        with self._lock:
            self._kept = b""

    def close(self) -> None:
        """Take in what was printed last. A process that outlives its parent may hold the pipe open: it is not waited for."""
        self._thread.join(timeout=1.0)

    def _settle(self) -> None:
        """Wait for the thread to take in what lies in the pipe: a training that says "done" elsewhere has printed before."""
        until = time.monotonic() + SETTLE_S
        with suppress(OSError, ValueError):  # it is closed: everything was read
            while self._thread.is_alive() and _readable(self._pipe, 0) and time.monotonic() < until:
                time.sleep(0.002)

    def _read(self) -> None:
        line = b""
        with self._pipe, suppress(OSError, ValueError):
            while True:
                _readable(self._pipe, None)
                with self._lock:  # between the pipe and what is kept nothing is ever in neither
                    chunk = os.read(self._pipe.fileno(), CHUNK)
                    self._kept = (self._kept + chunk)[-4 * TAIL_LENGTH :]
                if not chunk:
                    break
                if not self._label:
                    _pass_on(chunk)
                    continue
                *whole, line = (line + chunk).split(b"\n")
                _pass_on(b"".join(self._label + each + b"\n" for each in whole))
        if line:
            _pass_on(self._label + line + b"\n")


def _readable(pipe: IO[bytes], timeout_ms: int | None) -> bool:
    waiting = select.poll()  # select() knows no descriptor beyond 1,023
    waiting.register(pipe.fileno(), select.POLLIN)
    return bool(waiting.poll(timeout_ms))


def _pass_on(data: bytes) -> None:
    with suppress(OSError, ValueError):  # a log that nobody can write any more is no reason to stop a training
        sys.stderr.buffer.write(data)
        sys.stderr.flush()
