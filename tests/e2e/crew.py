"""Workers as real processes, to be killed and replaced, and what their diaries say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Entry:
    """A line of a diary."""

    step: str
    number: int
    attempt: int
    arch_id: str
    value: float | None = None


class Crew:
    """``count`` workers on one study; leaving the context ends those that are left."""

    def __init__(
        self, server: str, study: str, folder: Path, *, count: int, seconds: float, freshness: str = "latest"
    ) -> None:
        self._command = [sys.executable, "-m", "tests.e2e.laborer", server, study]
        self._folder = folder
        self._how = [str(seconds), freshness]
        self.names = [f"worker{number}" for number in range(count)]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        for name in self.names:
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(10)

    def start(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*self._command, name, str(self._folder), *self._how],
                cwd=ROOT,
                env=dict(os.environ),
                stdout=log,
                stderr=log,
            )

    def replace(self, name: str) -> None:
        """Kill a worker without notice and start another in its place."""
        self.processes[name].kill()
        self.processes[name].wait(10)
        self.start(name)

    def finish(self, timeout: float) -> None:
        """Wait until all have nothing more to do."""
        for name, process in self.processes.items():
            code = process.wait(timeout)
            assert code == 0, f"{name} ended with {code}:\n" + (self._folder / f"{name}.log").read_text()[-3000:]

    def diary(self) -> list[Entry]:
        """Every line that every worker wrote; the last line of one that was killed may be cut off."""
        entries = []
        for name in self.names:
            for line in (self._folder / f"{name}.diary").read_text().splitlines():
                facts: dict[str, Any] = json.loads(line)
                entries.append(Entry(**facts))
        return entries
