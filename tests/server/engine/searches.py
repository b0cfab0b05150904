"""A study with a model, as the tests of the engine and of the waiting talk to it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from bonanza_server.fitting import FitJob
from bonanza_server.store.database import Database
from tests.live import Clock, LiveServer
from tests.server.engine.fits import Fits
from tests.server.lab import Json, Lab

UPKEEP_S = 0.05
SOME_SWEEPS_S = 4 * UPKEEP_S
"""Long enough for the server to start whatever it thinks is due."""
SOON_S = 10.0
"""Answered within this, an ask did not wait out its ``wait_s`` of half a minute, on a machine however busy."""

_seeds = itertools.count(1)


class Search(Lab):
    """A study of ``bananas`` on a server with ``Fits``."""

    def __init__(self, server: LiveServer, clock: Clock, database: Database, name: str, fits: Fits) -> None:
        super().__init__(server, clock, database, name)
        self.database = database
        self.fits = fits
        self.seed = next(_seeds)
        self._begun_with = 0

    def begin(self, results: int = 2, n_initial: int = 2, **fields: Any) -> None:
        """Make the study and measure its first cells; the model has seen them all afterwards. Its leases outlive what a test does to the clock."""
        given = {"strategy": {"name": "bananas", "n_initial": n_initial}, "lease": {"ttl_s": 86_400}, "seed": self.seed}
        self.study(**given | fields)
        self.measure(results)
        if results >= n_initial:
            self.until_fitted()
        self._begun_with = len(self.jobs)

    def measure(self, count: int, **fields: Any) -> list[Json]:
        """Ask, and tell every trial's accuracy."""
        trials: list[Json] = self.ask(count=count, **fields)["trials"]
        for trial in trials:
            self.tell(trial, accuracy(trial["architecture"]))
        return trials

    @property
    def jobs(self) -> list[FitJob]:
        """The fits that were sent to the executor."""
        return self.fits.of(self.seed)

    @property
    def model(self) -> Json:
        """The state of the model."""
        return self.get("/model")

    def until_fitted(self) -> None:
        """Wait until no result is missing from the model and nothing more is under way."""
        until(lambda: self.model["lag"] == 0 and not self.model["refitting"])

    def until_sent(self, jobs: int) -> None:
        """Wait until that many fits were sent to the executor."""
        until(lambda: len(self.jobs) >= jobs)

    def until_refit(self, fits: int = 1) -> None:
        """Wait until that many fits were sent since ``begin``: the first results may have come in one fit or in two."""
        self.until_sent(self._begun_with + fits)

    def until_failed(self, failures: int) -> None:
        """Wait until that many fits have failed and been given up."""
        until(lambda: len(self.happened("fit.failed")) >= failures and not self.model["refitting"])

    def happened(self, kind: str) -> list[Json]:
        """The events of one kind."""
        return [event for event in self.events() if event["kind"] == kind]


def accuracy(architecture: Json) -> float:
    """A landscape with one best cell: every edge a 3x3 convolution, or every choice the largest."""
    if "choices" in architecture:
        return float(sum(architecture["choices"]))
    worth = {"nor_conv_3x3": 3.0, "nor_conv_1x1": 2.0, "skip_connect": 1.0}
    return 60.0 + sum(worth.get(op, 0.0) * (1.0 + 0.1 * place) for place, op in enumerate(architecture["edges"]))


def fail() -> None:
    """What a fit may come to."""
    raise ValueError("the matrix is singular")


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for ``condition``; a test fails that waits in vain."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
