"""How the server benchmark measures: alternating blocks of requests, so that whatever else the machine does falls on all systems alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from tests.benchmarks.server_load import Block, Clients, paced_asks
from tests.benchmarks.server_systems import Ours

IDLE_ASKS = 60
REFIT_ASKS = 120
PACE_SECONDS = (0.005, 0.1)
"""Asks beside a refit are spread over it, at least and at most so far apart."""


class Spread(NamedTuple):
    """The median of several repeats, and the least and greatest of them."""

    median: float
    least: float
    greatest: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}-{self.greatest:.2f})"


@dataclass(frozen=True)
class Contestant:
    """A system with a study of a size, and the work that a client does on it; ``arguments(repeat)`` are that work's."""

    system: str
    completed: int
    work: Callable[..., Block]
    arguments: Callable[[int], tuple[Any, ...]]
    trips: int


@dataclass
class Row:
    """What was measured of one system at one size with one number of clients. Milliseconds; one entry a repeat in the lists."""

    database: str
    system: str
    completed: int
    clients: int
    ask_ms: list[list[float]] = field(default_factory=list, repr=False)
    tell_ms: list[list[float]] = field(default_factory=list, repr=False)
    trips_per_s: list[float] = field(default_factory=list)

    def add(self, blocks: Sequence[Block]) -> None:
        """One repeat, by all clients."""
        self.ask_ms.append([1e3 * seconds for block in blocks for seconds in block.asks])
        self.tell_ms.append([1e3 * seconds for block in blocks for seconds in block.tells])
        wall = max(block.ended for block in blocks) - min(block.began for block in blocks)
        self.trips_per_s.append(sum(len(block.asks) for block in blocks) / wall)

    def milliseconds(self, what: str, percent: int) -> float:
        """A percentile over all repeats; ``what`` is ``ask`` or ``tell``."""
        return percentile([took for repeat in self._times(what) for took in repeat], percent)

    def medians(self, what: str) -> list[float]:
        """The p50 of each repeat."""
        return [statistics.median(repeat) for repeat in self._times(what)]

    def _times(self, what: str) -> list[list[float]]:
        return self.ask_ms if what == "ask" else self.tell_ms

    def record(self) -> dict[str, Any]:
        """The row as one JSON object, without the single requests."""
        fields = asdict(self)
        requests = len([took for repeat in self.ask_ms for took in repeat])
        for what in ("ask", "tell"):
            fields[f"{what}_ms"] = {f"p{percent}": round(self.milliseconds(what, percent), 3) for percent in (50, 95)}
            fields[f"{what}_p50_ms_by_repeat"] = [round(median, 3) for median in self.medians(what)]
        return fields | {"trips_per_s": [round(rate, 1) for rate in self.trips_per_s], "round_trips": requests}


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest of ``values`` that at least ``percent`` of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def ratio(above: Row, below: Row, what: str) -> Spread:
    """How many times as long ``above`` takes: p50 over p50 of the blocks that ran beside each other."""
    return spread([a / b for a, b in zip(above.medians(what), below.medians(what), strict=True)])


def growth(large: Row, large_floor: Row, small: Row, small_floor: Row, what: str) -> Spread:
    """(system/floor) at the large size over (system/floor) at the small one."""
    at_large = [a / b for a, b in zip(large.medians(what), large_floor.medians(what), strict=True)]
    at_small = [a / b for a, b in zip(small.medians(what), small_floor.medians(what), strict=True)]
    return spread([a / b for a, b in zip(at_large, at_small, strict=True)])


def spread(values: Sequence[float]) -> Spread:
    """Median and range."""
    return Spread(statistics.median(values), min(values), max(values))


def interleave(
    database: str, contestants: Sequence[Contestant], clients: Clients, number: int, repeats: int
) -> list[Row]:
    """Every contestant once a repeat, each repeat beginning with another one; ``number`` clients at once."""
    rows = [Row(database, one.system, one.completed, number) for one in contestants]
    for repeat in range(repeats):
        first = repeat * len(contestants) // repeats
        order = [*range(first, len(contestants)), *range(first)]
        for index in order if repeat % 2 == 0 else reversed(order):
            one = contestants[index]
            rows[index].add(clients.run(number, one.work, *one.arguments(repeat), one.trips))
    return rows


@dataclass
class Refit:
    """Asks of a fitted pool with ``freshness: any``, while nothing else happens and while a refit runs. Milliseconds; one list a round."""

    database: str
    completed: int
    fit_seconds: float
    idle_ms: list[list[float]]
    refit_ms: list[list[float]]

    @property
    def ratio(self) -> float:
        """p95 during the refits over p95 of the idle rounds between them."""
        return self.p95(self.refit_ms) / self.p95(self.idle_ms)

    @staticmethod
    def p95(rounds: list[list[float]]) -> float:
        """Over all rounds."""
        return percentile([took for one in rounds for took in one], 95)


def beside_refits(ours: Ours, study: str, *, rounds: int) -> tuple[float, list[list[float]], list[list[float]]]:
    """Ask with and without a refit in turn: seconds a refit takes, and the milliseconds of the idle and of the other asks.

    A further measurement starts a refit; the asks spread over it are those whose own answer says that one was running.
    """
    seconds = ours.wait_for_fit(study)["fit_seconds"]
    period = min(max(seconds / REFIT_ASKS, PACE_SECONDS[0]), PACE_SECONDS[1])
    list(paced_asks(ours.url, study, 5, period))
    idle, beside = [], []
    for _ in range(rounds):
        idle.append([1e3 * took for took, _ in paced_asks(ours.url, study, IDLE_ASKS, period)])
        ours.measure_again(study)
        during = [took for took, refitting in paced_asks(ours.url, study, REFIT_ASKS, period) if refitting]
        beside.append([1e3 * took for took in during])
        ours.wait_for_fit(study)
    ours.measure_again(
        study
    )  # whoever asks next finds a whole pool: this one has proposals that were taken while it was made
    ours.wait_for_fit(study)
    return seconds, idle, beside
