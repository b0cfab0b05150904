"""What an evaluator's process prints: passed on as it comes, and its end kept, because a crash says why there and nowhere else."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import IO, Final

from bonanza.worker.failures import TAIL_LENGTH, tail

CHUNK: Final = 65_536


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
        """The end of what was printed since ``forget``, as text."""
        with self._lock:
            return tail(self._kept.decode("utf-8", "replace"))

    def forget(self) -> None:
        """Keep only what is printed from now on."""
        with self._lock:
            self._kept = b""

    def close(self) -> None:
        """Take in what was printed last. A process that outlives its parent may hold the pipe open: it is not waited for."""
        self._thread.join(timeout=1.0)

    def _read(self) -> None:
        line = b""
        with self._pipe, suppress(OSError, ValueError):
            while chunk := os.read(self._pipe.fileno(), CHUNK):
                with self._lock:
                    self._kept = (self._kept + chunk)[-4 * TAIL_LENGTH :]
                if not self._label:
                    _pass_on(chunk)
                    continue
                *whole, line = (line + chunk).split(b"\n")
                _pass_on(b"".join(self._label + each + b"\n" for each in whole))
        if line:
            _pass_on(self._label + line + b"\n")


def _pass_on(data: bytes) -> None:
    with suppress(OSError, ValueError):  # a log that nobody can write any more is no reason to stop a training
        sys.stderr.buffer.write(data)
        sys.stderr.flush()
