"""Trials and attempts in memory, for the model of a study."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Attempt:
    """One lease, as its worker remembers it."""

    number: int
    token: str
    worker: str | None
    expires: float
    deadline: float | None
    state: str = "leased"
    kind: str | None = None
    told: Json | None = None
    accepted: bool = True


@dataclass
class Trial:
    """One cell to be measured."""

    number: int
    cell: str
    state: str = "pending"
    repeat_of: int | None = None
    priority: int = 0
    front: bool = False
    started: bool = False
    counted: int = 0
    late: bool = False
    invalidated: bool = False
    value: float | None = None
    further: list[float] = field(default_factory=list)
    error: str | None = None
    checkpoint: str | None = None
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def live(self) -> Attempt | None:
        """The attempt that holds the lease."""
        return next((attempt for attempt in self.attempts if attempt.state == "leased"), None)

    @property
    def last_worker(self) -> str | None:
        """Who had it last."""
        return self.attempts[-1].worker if self.attempts else None
