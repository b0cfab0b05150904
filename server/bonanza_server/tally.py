"""What is gathered of keys between two writes: when each was used, and what was refused to whom, counted.

So neither a thousand workers nor a million wrong keys cost a write each.
"""

from __future__ import annotations

import logging
from collections import Counter
from functools import partial
from typing import Final

from bonanza_server.access import DEFAULT_PROJECT, Caller
from bonanza_server.store import keys
from bonanza_server.store.database import Database

log = logging.getLogger(__name__)

MOST_REFUSALS: Final = 100
"""Different refusals that are told apart between two writes."""


class Tally:
    """Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._used: dict[str, float] = {}
        self._refused: Counter[tuple[str, str | None, int, str]] = Counter()

    def used(self, key: str, at: float) -> None:
        """A key opened something."""
        self._used[key] = at

    def refused(self, who: Caller, status: int, address: str) -> None:
        """A request was refused."""
        what = (who.project, who.key, status, address)
        if what not in self._refused and len(self._refused) >= MOST_REFUSALS:
            what = (DEFAULT_PROJECT, None, status, "others")
        self._refused[what] += 1

    async def write(self, database: Database, *, now: float) -> None:
        """Write down what was gathered, in the audit log and in the server's own, and begin anew."""
        used, refused = self._used, self._refused
        self._used, self._refused = {}, Counter()
        rows = [
            (project, key, {"status": status, "address": address, "times": times})
            for (project, key, status, address), times in refused.items()
        ]
        for project, key, data in rows:
            log.warning("refused: project %s, key %s, %s", project, key, data)
        if used or rows:
            await database.write(partial(keys.note, used=used, refused=rows, now=now))
