"""The demo's processes: started with a log each, watched, and ended with the demo however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bonanza.errors import BonanzaError
from bonanza.worker.lifeline import die_with_parent

GRACE_S: Final = 5.0
TAIL_LINES: Final = 20


class ChildEnded(BonanzaError):
    """A process of the demo ended that should not have; a note holds the end of its log."""


@dataclass(frozen=True)
class Child:
    """One process and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self.process.poll()

    def tail(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join([f"{self.log}:", *(f"  {line}" for line in lines[-TAIL_LINES:])])


class Children:
    """Every process of the demo. Leaving the context ends them all, the last first; the kernel does it if the demo is killed."""

    def __init__(self, folder: Path) -> None:
        """Logs and spools go to ``folder``."""
        self.folder = folder
        self.ending = False  # set from a signal handler
        self._children: list[Child] = []

    def start(self, name: str, *arguments: str) -> Child:
        """Run ``bonanza ARGUMENTS`` of this very installation."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own arguments
                [sys.executable, "-m", "bonanza.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                start_new_session=True,  # a Ctrl-C is for the demo, which then ends the others in order
                preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - one system call; the demo has no other thread
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def check(self, child: Child, *, may_end: bool = False) -> None:
        """Nothing, while ``child`` runs, or has ended well where it may.

        Raises:
            ChildEnded: it has ended.
            KeyboardInterrupt: somebody wants the demo to end.
        """
        if self.ending:
            raise KeyboardInterrupt
        code = child.code
        if code is None or (may_end and code == 0):
            return
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        error = ChildEnded(f"{child.name} {how}, and the demo with it")
        error.add_note(child.tail())
        raise error

    def stop(self, *children: Child) -> None:
        """End these, or all: asked first, then, after a few seconds, killed with whatever they started."""
        ending = list(children) or list(reversed(self._children))
        for child in ending:
            if child.code is None:
                child.process.terminate()
        deadline = time.monotonic() + GRACE_S
        for child in ending:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
            self._children.remove(child)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _environment(self) -> dict[str, str]:
        """Ours, less what would make the demo's server another one."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("BONANZA_") or name == "BONANZA_BENCH_DATA"
        }
        return kept | {"BONANZA_SPOOL": str(self.folder / "spool"), "PYTHONUNBUFFERED": "1"}
