"""What a training leaves on the disk to be taken up again: by the next attempt, on this machine or on one that shares the folder.

A checkpoint is named by what is trained, on what, how and with which seed (``key``), and by nothing else: an attempt finds it although
the one before was killed and could tell nobody. It is written whole or not at all. One that cannot be written or read costs time, never a training.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import torch

log = logging.getLogger("bonanza.worker")

FORMAT: Final = 1
SECONDS: Final = 30.0
"""Between two checkpoints at least, unless every so many epochs are asked for: what is lost is less than what writing would cost."""

KEPT_S: Final = 14 * 86_400.0
"""What nobody has taken up for so long is removed."""


def default_folder() -> Path:
    """``BONANZA_CHECKPOINTS``, or ``bonanza/checkpoints`` in the user's folder for state."""
    if given := os.environ.get("BONANZA_CHECKPOINTS"):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "bonanza" / "checkpoints"


def key_of(**what: Any) -> str:
    """A name for a training: of everything that decides its curve."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:24]


class Checkpoint:
    """The checkpoint of one training.

    ``every`` is in epochs; 0 is at the first end of an epoch that is ``SECONDS`` after the last one.
    """

    def __init__(self, folder: Path, key: str, *, every: int = 0) -> None:
        self.path = folder / f"{key}.pt"
        self._key = key
        self._every = every
        self._last = time.monotonic()

    def due(self, epochs: int) -> bool:
        """Whether one is to be written after so many epochs."""
        return epochs % self._every == 0 if self._every else time.monotonic() - self._last >= SECONDS

    def save(self, state: Mapping[str, Any]) -> str | None:
        """Write it; its path, or None where the disk does not take it."""
        scratch = self.path.with_suffix(f".{os.getpid()}.tmp")
        self._last = time.monotonic()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                torch.save({"format": FORMAT, "key": self._key, **state}, file)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self.path)
        except (OSError, RuntimeError) as error:  # torch's own writer says RuntimeError of a full disk
            log.warning("no checkpoint in %s, the training goes on without: %s", self.path.parent, error)
            with suppress(OSError):
                scratch.unlink(missing_ok=True)
            return None
        return str(self.path)

    def load(self, reference: str | None = None) -> dict[str, Any] | None:
        """The furthest of what lies here and of what an attempt before has left at ``reference``; None where there is nothing to take up."""
        paths = dict.fromkeys([self.path, *([] if reference is None else [Path(reference)])])
        found = [state for path in paths if (state := self._read(path)) is not None]
        return max(found, key=lambda state: (state["epoch"], state["step"]), default=None)

    def remove(self) -> None:
        """It is of no use any more."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 a file cut short or of another version may raise anything
            log.warning("the checkpoint %s cannot be read, the training begins anew: %s", path, error)
            return None
        if not isinstance(state, dict) or state.get("format") != FORMAT or state.get("key") != self._key:
            log.warning("the checkpoint %s is of another training, this one begins anew", path)
            return None
        return state


def sweep(folder: Path, now: float | None = None) -> None:
    """Remove what nobody has written to for two weeks."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.suffix in {".pt", ".tmp"} and path.stat().st_mtime < (now or time.time()) - KEPT_S:
                path.unlink(missing_ok=True)
