"""Tells on their way out: to the disk, then to the server, then off the disk; what dead processes left goes with them."""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bonanza.errors import BonanzaError, ProblemError, RequestInFlight
from bonanza.schemas import JSON, TellAnswer
from bonanza.spool import Entry, SpoolFile, default_folder
from bonanza.transport import Transport

log = logging.getLogger(__name__)

OUTAGE_S: Final = 600.0
PASSING: Final = frozenset({401, 403, 408, 425, 429})
"""Client errors that a later try may not meet: another key, another moment."""


@dataclass(frozen=True)
class Flushed:
    """What became of the results that were waiting on the disk: sent, refused for good, or left for another time."""

    sent: int
    refused: int
    left: int


class Outbox:
    """The one way a result leaves this process. Safe between threads; a fork begins a file of its own."""

    def __init__(self, transport: Transport, *, folder: Path | None = None, outage_s: float = OUTAGE_S) -> None:
        """Nothing is written before the first tell.

        Args:
            transport: where to send.
            folder: of the spool; ``bonanza.spool.default_folder()`` by default.
            outage_s: how long one tell is tried while the server is away. The result stays on the disk after that.
        """
        self._transport = transport
        self._folder = folder
        self._outage_s = outage_s
        self._lock = threading.Lock()
        self._file: SpoolFile | None = None
        self._sending: set[str] = set()  # membership only, never iterated
        self._unkept: dict[str, Entry] = {}
        self._flushing = threading.Lock()
        self._pid = os.getpid()

    def tell(self, path: str, body: JSON) -> TellAnswer:
        """Send one result and return the server's answer to it.

        Raises:
            ProblemError: the server does not take it. Refused for good, it is moved aside; else it stays on the disk. A note says where.
            ServerUnreachable: no answer within ``outage_s``; the result stays on the disk, as a note says.
        """
        entry = Entry(self._transport.server, path, body)
        self._keep(entry)
        try:
            # Read before it counts as told: a login page in between answers 200 too.
            answer = self._send(entry, self._outage_s)
        except BonanzaError as error:
            self._leave(entry, error)
            raise
        finally:
            with self._lock:
                self._sending.discard(entry.key)
        self._done(entry)
        return answer

    def flush(self) -> Flushed:
        """Send what dead processes, and earlier tells of this one, left behind. Files of the living and of other servers stay.

        Never raises for the server's sake: what it refuses for good is moved aside and logged, what cannot be sent now is ``left``.
        """
        with self._flushing:
            self._keep_again()
            files = self._take_over()
            try:
                waiting = self._ours() + [
                    (file, entry)
                    for file in files
                    for entry in file.entries.values()
                    if entry.server == self._transport.server
                ]
                sent, refused = self._send_all(waiting)
            finally:
                for file in files:
                    _move_unreadable(file)
                    file.close()
        return Flushed(sent, refused, len(waiting) - sent - refused)

    def _send_all(self, waiting: list[tuple[SpoolFile | None, Entry]]) -> tuple[int, int]:
        """How many of the entries were sent, and how many refused for good. ``None`` for a file: this process's own, or none at all."""
        sent = refused = 0
        for file, entry in waiting:
            try:
                self._send(entry, None)
            except BonanzaError as error:
                if _final(error):
                    refused += 1
                    aside = self._refuse(entry, error) if file is None else _aside(file, entry, error)
                    log.error("a result was refused: %s. It is kept in %s", error, aside)  # noqa: TRY400 - the trace is ours, not the user's
                elif not isinstance(error, ProblemError) or error.status in {401, 403, 503}:
                    where = self._folder or default_folder() if file is None else file.path.parent
                    log.warning("results wait in %s: %s", where, error)
                    break  # the others would meet the same
            else:
                if file is None:
                    self._done(entry)
                else:
                    file.done(entry.key)
                sent += 1
        return sent, refused

    def _ours(self) -> list[tuple[SpoolFile | None, Entry]]:
        """The entries of this process that nobody is sending: those in its file, and those that the disk did not take."""
        with self._lock:
            file = self._current()
            entries = [*(file.entries.values() if file is not None else ()), *self._unkept.values()]
            return [(None, entry) for entry in entries if entry.key not in self._sending]

    def _keep_again(self) -> None:
        """Put on the disk what it did not take before, now that it may have room."""
        with self._lock:
            for entry in list(self._unkept.values()):
                try:
                    self._write(entry)
                except (OSError, RuntimeError):
                    return
                del self._unkept[entry.key]

    def _refuse(self, entry: Entry, error: BonanzaError) -> Path | str:
        with self._lock:
            if self._file is None or entry.key not in self._file.entries:
                del self._unkept[entry.key]
                return f"this line alone: {json.dumps(entry.body)}"
            aside = _aside(self._file, entry, error)
            self._drop_if_empty()
            return aside

    def close(self) -> None:
        """Let go of this process's file; what is unsent in it may be taken over."""
        self._keep_again()
        self.last_words()
        with self._lock:
            if (file := self._current()) is not None:
                file.close()
            self._file = None

    def last_words(self) -> None:
        """Log the results that are on no disk and with no server, to be told by hand. Takes no lock: a signal handler may be what ends the process."""
        for entry in list(self._unkept.values()):
            log.critical(
                "a result could neither be sent nor spooled. Tell it by hand: POST %s%s %s",
                entry.server,
                entry.path,
                json.dumps(entry.body),
            )

    def _send(self, entry: Entry, patience_s: float | None) -> TellAnswer:
        reply = self._transport.send("POST", entry.path, body=entry.body, key=entry.key, patience_s=patience_s)
        return reply.read(TellAnswer)

    def _current(self) -> SpoolFile | None:
        """This process's file, if it has one; after a fork the parent's file is the parent's business. Call it under the lock."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._sending.clear()
            self._unkept.clear()  # the parent's to send
            if self._file is not None:
                self._file.abandon()
                self._file = None
        return self._file

    def _keep(self, entry: Entry) -> None:
        """Put the entry on the disk; where the disk refuses, warn: a result that can still be sent must not be lost to that."""
        with self._lock:
            try:
                self._write(entry)
            except (OSError, RuntimeError) as error:
                self._unkept[entry.key] = entry
                log.warning(
                    "cannot spool a result (%s), sending it all the same; set BONANZA_SPOOL to a folder that can be written",
                    error,
                )
            self._sending.add(entry.key)

    def _write(self, entry: Entry) -> None:
        if self._current() is None:
            self._file = SpoolFile.create(self._folder or default_folder())
        assert self._file is not None
        self._file.keep(entry)

    def _done(self, entry: Entry) -> None:
        with self._lock:
            self._unkept.pop(entry.key, None)
            if self._file is not None and entry.key in self._file.entries:
                self._file.done(entry.key)
                self._drop_if_empty()

    def _leave(self, entry: Entry, error: BonanzaError) -> None:
        """Settle where a result that was not taken stays, and say so on the error."""
        with self._lock:
            if self._file is None or entry.key not in self._file.entries:
                if _final(error):
                    self._unkept.pop(entry.key, None)
                    error.add_note(
                        f"The spool could not be written, so this is all there is of it: {json.dumps(entry.body)}"
                    )
                else:
                    error.add_note("The spool could not be written: this process keeps the result and sends it later.")
            elif _final(error):
                error.add_note(f"The result is kept in {_aside(self._file, entry, error)}.")
                self._drop_if_empty()
            else:
                error.add_note(
                    f"The result is safe in {self._file.path}: the next bonanza worker sends it, or client.flush_spool()."
                )

    def _drop_if_empty(self) -> None:
        if self._file is not None and not self._file.entries:
            self._file.close()
            self._file = None

    def _take_over(self) -> list[SpoolFile]:
        """Every file whose owner is gone, locked. Our own is let go first, unless a tell is under way, and so is among them."""
        with self._lock:
            if (file := self._current()) is not None and not self._sending:
                file.close()
                self._file = None
        try:
            paths = sorted((self._folder or default_folder()).glob("tells-*.jsonl"))
        except (OSError, RuntimeError):
            return []
        return [file for path in paths if (file := SpoolFile.take_over(path)) is not None]


def _final(error: BonanzaError) -> bool:
    """Whether the server will never take this result. A proxy's error page is no verdict: only a problem of ours is."""
    return (
        isinstance(error, ProblemError)
        and 400 <= error.status < 500
        and error.status not in PASSING
        and not isinstance(error, RequestInFlight)
    )


def _aside(file: SpoolFile, entry: Entry, error: BonanzaError) -> Path:
    """Move a refused entry aside; where the disk has no room for that it stays where it is, and is refused again another time."""
    problem = error.problem.model_dump(mode="json", exclude_none=True) if isinstance(error, ProblemError) else None
    try:
        return file.refuse(entry, str(error), problem)
    except OSError as full:
        log.warning("cannot move a refused result aside: %s", full)
        return file.path


def _move_unreadable(file: SpoolFile) -> None:
    """Only once the rest of the file is done: until then the lines stay where they are."""
    if not file.entries:
        for line in list(file.unreadable):
            log.error("a line of the spool cannot be read; it is kept in %s", file.refuse(line, "unreadable"))
