"""Whether an ask and a tell cost more in a study of ten thousand trials, or beside a thousand studies, than in an empty study alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks import server_load as clients
from tests.benchmarks.server_measure import Contestant, Row, interleave, ratio
from tests.benchmarks.server_systems import Ours

SPACE = {
    "kind": "sequence",
    "positions": [{"name": f"edge{k}", "choices": list(clients.CHOICES)} for k in range(9)],
}
"""Two million cells: ten thousand of them are hardly ever met again."""
LIMIT = 1.3


@dataclass(frozen=True)
class Growth:
    """How much is put into the database, and how often it is measured."""

    trials: int = 10_000
    studies: int = 1_000
    trials_a_study: int = 5
    repeats: int = 16
    trips: int = 25


def measure(url: str, name: str, folder: Path, growth: Growth) -> list[Row]:
    """Blocks of round trips in turn, on one database: a fresh study each time, the large one, and once more when there are many studies."""
    ours, crew = Ours(url, folder), clients.Clients()
    try:
        ours.start(fits=False)  # what is measured is the path of an ask, not what a refit beside it takes
        ours.create("large", "random", growth.trials, space=SPACE)
        rows = _rows(ours, crew, name, growth, "alone")
        for number in range(growth.studies):
            ours.create(f"one-of-many-{number}", "random", growth.trials_a_study, space=SPACE)
        return rows + _rows(ours, crew, name, growth, f"beside {growth.studies} studies")
    finally:
        crew.close()
        ours.stop()


_fresh = itertools.count()


def _rows(ours: Ours, crew: clients.Clients, name: str, growth: Growth, where: str) -> list[Row]:
    crew.each(1, clients.connect, ours.url)

    def empty(_turn: int) -> tuple[Any, ...]:
        study = f"empty-{next(_fresh)}"
        ours.create(study, "random", 0, space=SPACE)
        return (clients.Target(ours.url, study),)

    def large(_turn: int) -> tuple[Any, ...]:
        return (clients.Target(ours.url, "large"),)

    work = partial(clients.http_trips)
    contestants = [
        Contestant(f"empty study, {where}", 0, work, empty, growth.trips),
        Contestant(f"{growth.trials} trials, {where}", growth.trials, work, large, growth.trips),
    ]
    return interleave(name, contestants, crew, 1, growth.repeats)


def lines(rows: list[Row]) -> list[str]:
    """p50 of each row in ms, and its ratio to the empty study alone."""
    first = rows[0]
    said = []
    for row in rows:
        for what in ("ask", "tell"):
            against = ratio(row, first, what)
            said.append(
                f"{row.database:10} {row.system:36} {what:4} p50 {row.milliseconds(what, 50):6.2f} ms, {against} x"
            )
    return said


def holds(rows: list[Row]) -> bool:
    """Whether nothing takes ``LIMIT`` times as long as in the empty study alone."""
    return all(ratio(row, rows[0], what).median <= LIMIT for row in rows for what in ("ask", "tell"))
