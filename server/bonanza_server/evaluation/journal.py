"""What is finished, on the disk: JSON lines by key, so that an interrupted experiment goes on where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """Entries by key; one process writes. A line is complete or it is dropped: a run that was killed while it wrote leaves half of one."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._entries: dict[str, dict[str, Any]] = {}
        whole = 0
        if path.exists():
            with path.open("rb") as lines:
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    whole += len(line)
                    entry = json.loads(line)
                    self._entries[entry["key"]] = entry["kept"]
            os.truncate(path, whole)

    def get(self, key: str) -> dict[str, Any] | None:
        """The entry of ``key``."""
        return self._entries.get(key)

    def add(self, key: str, kept: dict[str, Any]) -> None:
        """Keep an entry, here and on the disk."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "kept": kept}, sort_keys=True) + "\n")
        self._entries[key] = kept
