"""The heartbeat of one attempt, beside its training and never in its way.

A thread of the daemon's process, and the daemon's process runs no training: neither a C call that holds the interpreter lock nor a
network that is slow or gone can come between the two. Reports go the same way, so that a training does not wait for the server.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from bonanza.errors import BonanzaError, NotFound, UnknownToken
from bonanza.schemas import Attempt
from bonanza.schemas.trial import Directive

log = logging.getLogger(__name__)

FLUSH_S: Final = 5.0
"""Reports still under way when the training ends are waited for this long: they are worth less than the result that follows."""


class Leased(Protocol):
    """What a heartbeat needs of a trial (``bonanza.trial.Trial``)."""

    @property
    def number(self) -> int:
        """The trial's number."""

    @property
    def attempt(self) -> Attempt:
        """The lease."""

    def heartbeat(self, *, log_tail: str | None = None) -> Directive:
        """Say that the training goes on."""

    def report(self, step: int, metrics: Mapping[str, float], *, log_tail: str | None = None) -> Directive:
        """Tell the metrics at one step."""


@dataclass(frozen=True)
class Directed:
    """The server wants something else of a trial than what it said before."""

    source: Heartbeat
    directive: Directive


@dataclass(frozen=True)
class _Point:
    step: int
    metrics: Mapping[str, float]


class Heartbeat:
    """Beats until it is stopped; what the server directs is put into ``inbox`` once a change."""

    def __init__(self, trial: Leased, inbox: SimpleQueue[object], *, printed: Callable[[], str] = str) -> None:
        """Start beating; the first beat comes after one period. ``printed`` is the end of the training's log, sent where it has changed."""
        self._trial = trial
        self._inbox = inbox
        self._printed = printed
        self._log_sent = ""
        self._last: Directive = "continue"
        self._points: SimpleQueue[_Point | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat-{trial.number}", daemon=True)
        self._thread.start()

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Send the metrics at one step, as a heartbeat of its own; returns at once."""
        self._points.put(_Point(step, metrics))

    def stop(self) -> None:
        """End, with all reports sent where the server takes them in time."""
        self._points.put(None)
        self._thread.join(FLUSH_S)

    def _run(self) -> None:
        period = self._trial.attempt.heartbeat_s
        due = time.monotonic() + period
        while True:
            point: _Point | None = None
            try:
                point = self._points.get(timeout=max(0.0, due - time.monotonic()))
                if point is None:
                    return
            except Empty:
                pass
            due = time.monotonic() + period  # from the beat's beginning: a slow answer must not stretch the period
            self._beat(point)

    def _beat(self, point: _Point | None) -> None:
        directive: Directive
        printed = self._printed()
        log_tail = None if printed == self._log_sent else printed
        try:
            if point is None:
                directive = self._trial.heartbeat(log_tail=log_tail)
            else:
                directive = self._trial.report(point.step, point.metrics, log_tail=log_tail)
            self._log_sent = printed
        except (NotFound, UnknownToken) as error:
            log.warning("trial %d is nothing to the server any more: %s", self._trial.number, error)
            directive = "superseded"
        except BonanzaError as error:
            # A server that fails, a key that is being replaced: no reason to give up hours of training. The lease decides.
            log.warning("the heartbeat of trial %d was refused, and goes on: %s", self._trial.number, error)
            return
        if directive != self._last:
            self._last = directive
            self._inbox.put(Directed(self, directive))
