"""How things stand, for Prometheus: one short read at a scrape, over studies and workers and never over trials.

The study rows carry counters of their trials, so 10,000 trials cost what ten do. Of several servers on one database each says the same here: a dashboard takes the
maximum, not the sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from bonanza_server.answers import DEGRADED_AFTER, TRIAL_STATES
from bonanza_server.meters import REGISTRY
from bonanza_server.store.database import Database
from bonanza_server.store.models import studies, workers

HEARD_S = 120.0
"""A worker that reported within so many seconds is there; they report every half minute."""
WORKER_STATES = ("running", "draining", "stopped")
SLOT_STATES = ("starting", "idle", "evaluating", "quarantined", "ended")
STUDY_STATES = ("running", "paused", "finished")


class Standing(NamedTuple):
    """What was read, and from the server's memory ``waiting``: asks that are held. None where the database did not answer."""

    read: Rows | None
    waiting: int


class Rows(NamedTuple):
    """Numbers out of the database."""

    studies: dict[str, int]
    trials: dict[str, int]
    lag: int
    behind: int
    degraded: int
    workers: dict[str, int]
    slots: dict[str, int]


async def exposition(database: Database, waiting: int, *, now: float) -> bytes:
    """The text that Prometheus reads. A database that is away costs its own numbers, not the others."""
    try:
        rows = await database.read(lambda connection: read(connection, now))
    except DBAPIError:
        rows = None
    return generate_latest(REGISTRY) + generate_latest(_Once(families(Standing(rows, waiting))))


def read(connection: Connection, now: float) -> Rows:
    """The numbers as of now."""
    lag = studies.c.results - studies.c.fit_results
    modelled = sa.and_(studies.c.state == "running", studies.c.fit_version > 0)
    query = sa.select(
        studies.c.state,
        sa.func.count(),
        *(sa.func.sum(studies.c[state]) for state in TRIAL_STATES),
        sa.func.max(sa.case((modelled, lag), else_=0)),
        sa.func.sum(sa.case((sa.and_(modelled, lag > 0), 1), else_=0)),
        sa.func.sum(
            sa.case((sa.and_(studies.c.state == "running", studies.c.fit_failures >= DEGRADED_AFTER), 1), else_=0)
        ),
    ).group_by(studies.c.state)
    by_state: Counter[str] = Counter()
    trials: Counter[str] = Counter()
    most = behind = degraded = 0
    for state, count, *sums in connection.execute(query):
        by_state[state] += count
        trials.update({name: int(number) for name, number in zip(TRIAL_STATES, sums, strict=False)})
        most, behind, degraded = max(most, int(sums[-3])), behind + int(sums[-2]), degraded + int(sums[-1])
    heard = sa.select(workers.c.report).where(workers.c.seen_at >= now - HEARD_S)
    states: Counter[str] = Counter()
    slots: Counter[str] = Counter()
    for report in connection.execute(heard).scalars():
        states[report["state"]] += 1
        slots.update(slot["state"] for slot in report["slots"])
    return Rows(by_state, trials, most, behind, degraded, states, slots)


def families(standing: Standing) -> Iterator[Metric]:
    """The gauges of what was read."""
    yield _gauge("bonanza_asks_waiting", "Asks that are held because nothing can be given yet", standing.waiting)
    yield _gauge("bonanza_database_up", "1 where the database answered this scrape", int(standing.read is not None))
    rows = standing.read
    if rows is None:
        return
    yield _by("bonanza_studies", "Studies by state", "state", STUDY_STATES, rows.studies)
    yield _by(
        "bonanza_trials",
        "Trials by state, of all studies; pending ones are the queue",
        "state",
        TRIAL_STATES,
        rows.trials,
    )
    yield _gauge("bonanza_model_lag_results", "Results that the model furthest behind has not seen", rows.lag)
    yield _gauge("bonanza_models_behind", "Running studies whose model has not seen every result", rows.behind)
    yield _gauge("bonanza_models_degraded", f"Running studies whose last {DEGRADED_AFTER} fits failed", rows.degraded)
    yield _by(
        "bonanza_workers",
        f"Workers heard of in the last {HEARD_S:.0f} s, by state",
        "state",
        WORKER_STATES,
        rows.workers,
    )
    yield _by("bonanza_worker_slots", "Their slots by state", "state", SLOT_STATES, rows.slots)


class _Once(CollectorRegistry):
    """A registry of what was collected already."""

    def __init__(self, found: Iterator[Metric]) -> None:
        super().__init__()
        self.register(_Collected(found))


class _Collected(Collector):
    def __init__(self, found: Iterator[Metric]) -> None:
        self._found = list(found)

    def collect(self) -> list[Metric]:
        return self._found


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def _by(name: str, what: str, label: str, expected: tuple[str, ...], found: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=[label])
    for key in expected:
        family.add_metric([key], found.get(key, 0))
    return family
