"""What the server benchmark prints: the machine, the tables, and every target with its figure."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from tests.benchmarks.server_measure import Refit, Row, Spread, growth, ratio

OURS = ("bananas, pool", "random")
KEYED = "random, with keys"
CELLS = "random, NAS-Bench-201"
"""Two more that are shown and not judged, for the floor does no such work: with an Idempotency-Key at every request, and in a space of graphs, where
an ask finds the canonical id of each sample and two of three samples are networks that the study has."""
FLOOR = "floor"
OPTUNA = "Optuna RDB + TPE"
PACKAGES = ("bonanza", "fastapi", "pydantic", "sqlalchemy", "uvicorn", "uvloop", "psycopg", "httpx", "optuna")
SLOWER = {"SQLite": 8.0, "PostgreSQL": 5.0}
MOST_MB = 150.0


@dataclass(frozen=True)
class Target:
    """A figure that must be at most (or at least) a bound."""

    name: str
    figure: float
    bound: float
    at_least: bool = False
    detail: str = ""

    @property
    def reached(self) -> bool:
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound


@dataclass(frozen=True)
class Memory:
    """Resident MB after a server has served everything that was measured."""

    database: str
    completed: int
    api_mb: float
    fit_mb: float


class Results:
    """All rows of a run, found by what they are of."""

    def __init__(self, rows: Iterable[Row], refits: Sequence[Refit], memories: Sequence[Memory]) -> None:
        self.rows = list(rows)
        self.refits = refits
        self.memories = memories
        self.databases = list(dict.fromkeys(row.database for row in self.rows))

    def row(self, database: str, system: str, completed: int, clients: int) -> Row:
        wanted = (database, system, completed, clients)
        return next(row for row in self.rows if (row.database, row.system, row.completed, row.clients) == wanted)

    def sizes(self, database: str, system: str) -> list[int]:
        return sorted({row.completed for row in self.rows if (row.database, row.system) == (database, system)})

    def floor_of(self, row: Row) -> Row:
        """The floor that ran beside a row: of the same size, or of the empty study where ours needs a few results to have a pool."""
        sizes = self.sizes(row.database, FLOOR)
        return self.row(row.database, FLOOR, max(size for size in sizes if size <= row.completed), row.clients)

    def ours(self, database: str, clients: int) -> list[Row]:
        rows = [row for row in self.rows if (row.database, row.clients) == (database, clients)]
        return [row for row in rows if row.system in OURS]


def targets(results: Results) -> list[Target]:
    """Every target of the benchmark, each by its worst configuration."""
    found = []
    for database in results.databases:
        for clients in sorted({row.clients for row in results.rows}):
            for what in ("ask", "tell"):
                found.append(_over_floor(results, database, clients, what))
        for system in OURS:
            for what in ("ask", "tell"):
                found.append(_growth(results, database, system, what))
        found.append(_optuna(results, database))
        for refit in [refit for refit in results.refits if refit.database == database]:
            detail = f"{Refit.p95(refit.refit_ms):.2f} ms beside a refit, {Refit.p95(refit.idle_ms):.2f} ms idle"
            name = f"{database}: ask p95 beside a refit / idle, {refit.completed:,} trials"
            found.append(Target(name, refit.ratio, 2.5, detail=detail))
    for memory in results.memories:
        name = f"{memory.database}: MB resident of the API process, {memory.completed:,} trials"
        found.append(Target(name, memory.api_mb, MOST_MB, detail=f"the process that fits: {memory.fit_mb:.0f} MB"))
    return found


def _over_floor(results: Results, database: str, clients: int, what: str) -> Target:
    worst = max(results.ours(database, clients), key=lambda row: ratio(row, results.floor_of(row), what).median)
    figure = ratio(worst, results.floor_of(worst), what)
    name = f"{database}: {what} p50 / floor, {clients} client{'s' if clients > 1 else ''}"
    return Target(name, figure.median, 2.0, detail=f"worst: {worst.system} at {worst.completed:,}, {_range(figure)}")


def _growth(results: Results, database: str, system: str, what: str) -> Target:
    sizes = results.sizes(database, system)
    small, large = (results.row(database, system, size, 1) for size in (sizes[0], sizes[-1]))
    figure = growth(large, results.floor_of(large), small, results.floor_of(small), what)
    name = f"{database}: {what} of {system}, (ours/floor) at {sizes[-1]:,} / (ours/floor) at {sizes[0]:,}"
    return Target(name, figure.median, 1.3, detail=_range(figure))


def _optuna(results: Results, database: str) -> Target:
    ours = [row for row in results.ours(database, 1) if row.completed in results.sizes(database, OPTUNA)]
    peers = [(row, results.row(database, OPTUNA, row.completed, 1)) for row in ours]
    mine, peer = min(peers, key=lambda pair: ratio(pair[1], pair[0], "ask").median)
    figure = ratio(peer, mine, "ask")
    detail = f"least: beside {mine.system} at {mine.completed:,}, {_range(figure)}"
    return Target(f"{database}: Optuna's ask p50 / ours", figure.median, SLOWER[database], at_least=True, detail=detail)


def _range(figure: Spread) -> str:
    return f"{figure.least:.2f}-{figure.greatest:.2f} over the repeats"


def machine(folder: Path) -> list[str]:
    """What a reader must know of the machine to read the figures."""
    writes = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(100):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            writes.append(time.perf_counter() - began)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        f"{datetime.now(UTC):%d %b %Y %H:%M} UTC, {psutil.cpu_count()} cores ({_processor()}), {psutil.virtual_memory().total / 2**30:.0f} GiB, load {load}",
        f"4 KB write and fdatasync: p50 {1e3 * statistics.median(writes):.2f} ms, greatest {1e3 * max(writes):.2f} ms",
        f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {versions}",
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


def latency_table(results: Results) -> str:
    """One row a system, size and number of clients; ratios are medians over the repeats, with their range."""
    head = "| database | completed | clients | system | ask p50 ms | ask p95 ms | tell p50 ms | tell p95 ms | round trips/s | ask / floor | tell / floor |"
    lines = [head, "|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|"]
    for row in results.rows:
        times = [f"{row.milliseconds(what, percent):.2f}" for what in ("ask", "tell") for percent in (50, 95)]
        floor = results.floor_of(row)
        beside = ["1", "1"] if row is floor else [str(ratio(row, floor, what)) for what in ("ask", "tell")]
        rate = f"{statistics.median(row.trips_per_s):.0f}"
        cells = [row.database, f"{row.completed:,}", str(row.clients), row.system, *times, rate, *beside]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def refit_table(results: Results) -> str:
    """Asks with and without a refit beside them."""
    lines = [
        "| database | completed | asks idle / beside | p95 idle ms | p95 beside a refit ms | ratio | a refit takes s |"
    ]
    lines.append("|---|--:|--:|--:|--:|--:|--:|")
    for one in results.refits:
        counts = " / ".join(str(sum(map(len, rounds))) for rounds in (one.idle_ms, one.refit_ms))
        figures = f"{one.p95(one.idle_ms):.2f} | {one.p95(one.refit_ms):.2f} | {one.ratio:.2f} | {one.fit_seconds:.1f}"
        lines.append(f"| {one.database} | {one.completed:,} | {counts} | {figures} |")
    return "\n".join(lines)


def target_table(found: Sequence[Target]) -> str:
    """Every target, its figure, and whether it is reached."""
    lines = ["| target | figure | bound | | |", "|---|--:|--:|---|---|"]
    for target in found:
        bound = f"{'>=' if target.at_least else '<='} {target.bound:g}"
        verdict = "reached" if target.reached else "**missed**"
        lines.append(f"| {target.name} | {target.figure:.2f} | {bound} | {verdict} | {target.detail} |")
    return "\n".join(lines)
