"""How many requests somebody may make: a bucket each, filled at a steady rate, in bounded memory (the generic cell rate algorithm)."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Final

MOST: Final = 10_000
"""Buckets that are kept. Of more, those used longest ago are forgotten: whoever has so many addresses is not stopped by a bucket each."""


class Buckets:
    """Allows each of any number of callers ``rate`` requests a second, and ``burst`` at once."""

    def __init__(self, rate: float, burst: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """A ``rate`` of 0 allows everything."""
        self._rate = rate
        self._slack = 0.0 if rate == 0 else (burst - 1) / rate
        self._clock = clock
        self._full_at: dict[Hashable, float] = {}

    def wait(self, who: Hashable) -> float:
        """Seconds until ``who`` may make a request; 0 for now."""
        if self._rate == 0:
            return 0.0
        return max(0.0, self._full_at.get(who, 0.0) - self._clock() - self._slack)

    def take(self, who: Hashable) -> float:
        """Count a request of ``who``, if it may make one; else the seconds until it may."""
        if self._rate == 0:
            return 0.0
        now = self._clock()
        full_at = max(now, self._full_at.pop(who, now))
        waits = max(0.0, full_at - now - self._slack)
        self._full_at[who] = full_at if waits else full_at + 1 / self._rate
        while len(self._full_at) > MOST:
            del self._full_at[next(iter(self._full_at))]
        return waits
