"""Meters: what this server process has done since it started, counted where it happens, for Prometheus.

One registry a process, as Prometheus means it: of several server processes each is scraped, and the sums are Prometheus's. What stands in the database is no
counter of a process, and is read at the scrape (``standing``).
"""

from __future__ import annotations

import time
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from bonanza.version import __version__

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter was made: as many lines again, which nobody reads
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_QUICK: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SLOW: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
ORIGINS: Final = ("initial", "acquisition", "queue", "baseline", "confirm", "repeat", "fallback", "import")
OUTCOMES: Final = ("complete", "pruned", "failed", "infeasible", "cancelled")

BUILD = Gauge("bonanza_build_info", "1, with the version of this server", ["version"], registry=REGISTRY)
BUILD.labels(__version__).set(1)
ASK_SECONDS = Histogram(
    "bonanza_ask_seconds",
    "How long asks took, waiting included, by the origin of the first trial that was given (none: none was)",
    ["origin"],
    buckets=_QUICK,
    registry=REGISTRY,
)
ASKED = Counter(
    "bonanza_asked_trials",
    "Trials given to workers, by origin; fallback: without a model",
    ["origin"],
    registry=REGISTRY,
)
AVOIDED = Counter(
    "bonanza_duplicates_avoided", "Proposals passed over because the study has their cell", registry=REGISTRY
)
TOLD = Counter(
    "bonanza_tells",
    "Tells taken, by outcome and by what became of them: new, duplicate, ignored",
    ["outcome", "became"],
    registry=REGISTRY,
)
TELL_SECONDS = Histogram(
    "bonanza_tell_seconds", "How long tells took, the commit included", buckets=_QUICK, registry=REGISTRY
)
FITS = Counter("bonanza_fits", "Fits of models that ended, by how: published, failed", ["ended"], registry=REGISTRY)
FIT_SECONDS = Histogram("bonanza_fit_seconds", "How long fits took where they ran", buckets=_SLOW, registry=REGISTRY)
FITTING = Gauge(
    "bonanza_fits_running", "Fits sent to the executor and not back, waiting for a slot included", registry=REGISTRY
)
EXPIRED = Counter(
    "bonanza_leases_expired", "Leases that ran out because nothing was heard of the worker", registry=REGISTRY
)
REQUESTS = Counter(
    "bonanza_http_requests", "Requests answered, by the class of the status", ["status"], registry=REGISTRY
)
WEBHOOKS = Counter(
    "bonanza_webhooks",
    "Tries to deliver a webhook, by how they ended: delivered, failed, given_up",
    ["ended"],
    registry=REGISTRY,
)

# Every child is there from the start: a rate over a counter that appears with its first event misses that event.
for _origin in ORIGINS:
    ASKED.labels(_origin)
for _ended in ("published", "failed"):
    FITS.labels(_ended)
for _ended in ("delivered", "failed", "given_up"):
    WEBHOOKS.labels(_ended)
for _outcome in OUTCOMES:
    TOLD.labels(_outcome, "new")
_STATUS = {digit: REQUESTS.labels(f"{digit}xx") for digit in range(1, 6)}


def asked(trials: list[tuple[dict[str, Any], Any]], avoided: int, begun: float) -> None:
    """An ask that began at ``begun`` (of ``time.perf_counter``) has been answered with these (trial, attempt) rows."""
    ASK_SECONDS.labels(trials[0][0]["origin"] if trials else "none").observe(time.perf_counter() - begun)
    for trial, _ in trials:
        ASKED.labels(trial["origin"]).inc()
    if avoided:
        AVOIDED.inc(avoided)


def told(outcome: str, *, accepted: bool, duplicate: bool, seconds: float) -> None:
    """A tell has been answered."""
    TOLD.labels(outcome, "duplicate" if duplicate else "new" if accepted else "ignored").inc()
    TELL_SECONDS.observe(seconds)


def fitted(seconds: float) -> None:
    """A fit is back and stored."""
    FITS.labels("published").inc()
    FIT_SECONDS.observe(seconds)


def answered(status: int) -> None:
    """A request has been answered."""
    _STATUS[status // 100].inc()
