"""Quarantine: a slot that fails trial after trial is given none for a while, then one to show that it can.

A GPU that fell off the bus fails every trial within seconds, and each is a cell that nobody measures. ``nan`` is not counted: diverging is
the cell's doing. All else may be the machine's, ``oom`` too: somebody else's program may have the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bonanza.worker.result import Result

AFTER: Final = 5
FIRST_S: Final = 600.0
LONGEST_S: Final = 7_200.0


@dataclass
class Quarantine:
    """The failures of one slot; after ``after`` in a row (None: never) it is in quarantine."""

    after: int | None = AFTER
    first_s: float = FIRST_S
    in_a_row: int = 0
    error: str | None = None

    @property
    def needed(self) -> bool:
        """Whether the slot should take no trial now."""
        return self.after is not None and self.in_a_row >= self.after

    @property
    def pause_s(self) -> float:
        """How long: twice as long after each trial that failed again, at most two hours."""
        again = self.in_a_row - (self.after or 0)
        return min(LONGEST_S, self.first_s * 2.0 ** min(again, 20))

    def note(self, result: Result) -> bool:
        """Count a result; returns whether it was a failure."""
        failed = result.outcome in {"failed", "infeasible"}
        if not failed:
            self.in_a_row, self.error = 0, None
        elif result.error is None or result.error.kind != "nan":
            self.in_a_row += 1
            self.error = "" if result.error is None else f"{result.error.kind}: {result.error.message}"
        return failed
