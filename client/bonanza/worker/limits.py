"""What the slots of one worker share: how many results are wanted of all together, and how long there may be nothing to do."""

from __future__ import annotations

import threading
import time


class Limits:
    """Safe between threads."""

    def __init__(self, *, max_trials: int | None = None, idle_s: float | None = None) -> None:
        """At most ``max_trials`` results; at most ``idle_s`` seconds in which no slot has a trial. None: no limit."""
        self._lock = threading.Lock()
        self._max_trials = max_trials
        self._taken = 0
        self._idle_s = idle_s
        self._busy = 0
        self._since = time.monotonic()

    def take(self) -> bool:
        """Whether one more trial is wanted; it is counted then, until ``put_back``."""
        with self._lock:
            if self._max_trials is not None and self._taken >= self._max_trials:
                return False
            self._taken += 1
            return True

    def put_back(self) -> None:
        """A trial that was taken has come to no result."""
        with self._lock:
            self._taken -= 1

    def begin(self) -> None:
        """A slot has a trial."""
        with self._lock:
            self._busy += 1

    def end(self) -> None:
        """It has it no more."""
        with self._lock:
            self._busy -= 1
            self._since = time.monotonic()

    def idle(self) -> bool:
        """Whether no slot has had a trial for the seconds that may pass without."""
        with self._lock:
            return self._idle_s is not None and self._busy == 0 and time.monotonic() - self._since >= self._idle_s
