"""Results on disk before they are sent: an append-only file a process, which a later process takes over when its owner has died.

A line is an entry (a tell with its Idempotency-Key) or ``{"done": key}``. An entry is on the disk before ``keep`` returns; a "done" need not
be, because sending an entry twice under one key changes nothing. A file whose entries are all done is removed, so an empty folder means
that nothing is unsent. The owner holds an ``flock``, which the kernel drops however the process dies; only a file whose lock is free is taken
over. A last line cut short by a crash was never kept and is dropped. What the server refuses for good moves to a ``.refused`` file beside,
with the reason, and stays until a person deletes it.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bonanza.schemas import JSON

if sys.platform != "win32":
    import fcntl


PROBE = 16_384
"""Bytes that a folder must have room for: a few results."""


@dataclass(frozen=True)
class Entry:
    """One tell. It holds the lease token, so the files are for their owner's eyes only; it never holds the key of the server."""

    server: str
    path: str
    body: JSON
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())


def default_folder() -> Path:
    """``BONANZA_SPOOL``, or ``bonanza/spool`` in the user's folder for state.

    Raises:
        RuntimeError: there is no home folder to put it in.
    """
    if given := os.environ.get("BONANZA_SPOOL"):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "bonanza" / "spool"


def writable(folder: Path) -> None:
    """See that results can be kept in the folder, which is made if need be.

    Raises:
        OSError: they cannot: it may not be written, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    probe = folder / f".probe-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        with open(probe, "wb", opener=_private) as file:
            file.write(bytes(PROBE))
            file.flush()
            os.fsync(file.fileno())
    finally:
        probe.unlink(missing_ok=True)


class SpoolFile:
    """One locked file; ``entries`` are what is not done, oldest first. Not safe between threads."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """A file that is open and locked: use ``create`` or ``take_over``."""
        self.path = path
        self._descriptor = descriptor
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(descriptor, whole)  # cut short by a crash: what comes next must begin a line
        self.entries, self.unreadable = _parse(data[:whole])

    @classmethod
    def create(cls, folder: Path) -> SpoolFile:
        """A new file of this process.

        Raises:
            OSError: the folder cannot be made or written.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            path = folder / f"tells-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)
            if _lock(descriptor, path):
                _sync_folder(folder)
                return cls(path, descriptor)
            os.close(descriptor)  # another process found it empty before we had the lock, and removed it

    @classmethod
    def take_over(cls, path: Path) -> SpoolFile | None:
        """The file of a process that has died; None while its owner lives, or where another process was quicker."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError:
            return None
        if not _lock(descriptor, path):
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    def keep(self, entry: Entry) -> None:
        """Add an entry; it is on the disk on return.

        Raises:
            OSError: the disk refused; the file is as it was.
        """
        self._append(asdict(entry))
        os.fsync(self._descriptor)
        self.entries[entry.key] = entry

    def done(self, key: str) -> None:
        """The server has the entry of that key."""
        del self.entries[key]
        with suppress(OSError):  # a full disk costs one repeat after a crash, which the entry's key makes harmless
            self._append({"done": key})

    def refuse(self, entry: Entry | str, reason: str, problem: JSON | None = None) -> Path:
        """Move an entry, or a line that cannot be read, to the file of the refused; it is on the disk on return."""
        aside = self.path.with_suffix(".refused")
        line = {"entry": asdict(entry) if isinstance(entry, Entry) else entry, "reason": reason, "problem": problem}
        with open(aside, "a", encoding="utf-8", opener=_private) as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if isinstance(entry, Entry):
            self.done(entry.key)
        else:
            self.unreadable.remove(entry)
        return aside

    def close(self) -> None:
        """Let go of the file; remove it if nothing in it is unsent."""
        if not self.entries and not self.unreadable:
            self.path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Let go of the file and leave it as it is; in a forked child the lock stays the parent's."""
        os.close(self._descriptor)

    def _append(self, line: JSON) -> None:
        data = json.dumps(line).encode() + b"\n"
        size = os.fstat(self._descriptor).st_size
        written = 0
        try:
            written = os.write(self._descriptor, data)
        finally:
            if written < len(data):
                os.ftruncate(self._descriptor, size)  # half a line would spoil the next one
        if written < len(data):
            raise OSError("the disk is full")


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _lock(descriptor: int, path: Path) -> bool:
    """Whether the lock is ours and the name still means the file we locked (its last owner may have removed it meanwhile)."""
    if sys.platform == "win32":
        return True  # no flock: an entry may be sent twice, which its key makes harmless
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _sync_folder(folder: Path) -> None:
    """Put the name of a new file on the disk too; without this a power cut may leave the data nameless."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _parse(data: bytes) -> tuple[dict[str, Entry], list[str]]:
    """The entries not done, by key in the order they were kept; and the lines that cannot be read."""
    entries: dict[str, Entry] = {}
    unreadable: list[str] = []
    for line in data.splitlines():
        try:
            found: dict[str, Any] = json.loads(line)
            if "done" in found:
                entries.pop(found["done"], None)
            else:
                entry = Entry(**found)
                entries[entry.key] = entry
        except (TypeError, ValueError):
            unreadable.append(line.decode("utf-8", "backslashreplace"))
    return entries, unreadable
