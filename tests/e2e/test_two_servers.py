"""Two server processes on one PostgreSQL behind a proxy: one is killed in the middle of a fit, the other is replaced while all go on."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from bonanza import Client
from bonanza_server.store.database import Database
from bonanza_server.store.models import events, servers, studies, trials
from tests.contracts.lifecycle import broken_invariants, rows_of
from tests.e2e.laborer import worth
from tests.live import NB201, ServerProcess, create_postgres_database
from tests.proxy import Proxy
from tests.server.engine.searches import until

TRIALS = 64
WORKERS = 8
STUDY = {
    "space": NB201,
    "objective": {"name": "accuracy", "direction": "maximize"},
    "strategy": {"name": "bananas", "n_initial": 5, "epochs": 200},
    "budget": {"max_trials": TRIALS},
    "lease": {"ttl_s": 5, "heartbeat_s": 1, "max_attempts": 20},
}
SETTINGS = {"BONANZA_POLL_S": "3600", "BONANZA_DRAIN_S": "20"}
"""An ask that waits for another process' fit is told of it, or waits out its time."""


@dataclass
class Labour:
    """Workers on threads, each with a client of its own; ``told`` has what was acknowledged."""

    url: str
    folder: Path
    told: list[tuple[int, str, float]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def work(self, name: str) -> None:
        try:
            with Client(self.url, spool=self.folder / name, patience_s=120.0) as client:
                study = client.study("s")
                while not self.ended.is_set():
                    trial = study.ask(worker_id=name, wait_s=40.0)
                    if trial is None:
                        left = study.refresh().trials
                        if not left["running"] + left["pending"]:
                            return
                        time.sleep(0.1)  # another's last trial may come back
                        continue
                    with trial:
                        time.sleep(0.05)
                        value = worth(trial.architecture)
                        trial.tell(value)
                    self.told.append((trial.number, trial.record.arch_id, value))
        except Exception as error:  # noqa: BLE001 - the test's to judge
            self.errors.append(error)


@dataclass(frozen=True)
class Pair:
    """Two servers, each with slots of its own, and what both write to."""

    one: ServerProcess
    other: ServerProcess
    database: Database

    def server_ids(self) -> set[str]:
        return set(
            self.database.read_now(lambda connection: connection.execute(sa.select(servers.c.id)).scalars().all())
        )

    def fitting(self) -> str | None:
        """The id of the process that fits."""
        return self.database.read_now(lambda connection: connection.execute(sa.select(studies.c.fit_server)).scalar())

    def complete(self) -> int:
        return int(
            self.database.read_now(lambda connection: connection.execute(sa.select(studies.c.complete)).scalar())
        )

    def happened(self, kind: str) -> int:
        query = sa.select(sa.func.count()).where(events.c.kind == kind)
        return int(self.database.read_now(lambda connection: connection.execute(query).scalar_one()))


@pytest.fixture
def pair(postgres: str, tmp_path: Path) -> Iterator[Pair]:
    url = create_postgres_database(postgres, "pair")
    one, other = (ServerProcess(url, tmp_path / f"{name}.log", **SETTINGS) for name in ("one", "other"))
    with closing(Database(url)) as database:
        try:
            yield Pair(one, other, database)
        finally:
            for process in (one.process, other.process):
                if process is not None:
                    process.kill()
                    process.wait(10)


def stopped_in_a_fit(processes: dict[str, ServerProcess], pair: Pair) -> tuple[str, ServerProcess]:
    """The process that is at a fit, and its id; it stands still, and so does its fit."""
    while True:
        until(lambda: pair.fitting() is not None, seconds=120)
        fitting = pair.fitting()
        if fitting is not None:
            found = processes[fitting]
            assert found.process is not None
            found.process.send_signal(signal.SIGSTOP)
            if pair.fitting() == fitting:
                return fitting, found
            found.process.send_signal(signal.SIGCONT)


def test_one_dies_in_the_middle_of_a_fit_and_the_other_is_replaced_and_nothing_is_lost(
    pair: Pair, tmp_path: Path
) -> None:
    pair.one.start()
    (first,) = pair.server_ids()
    pair.other.start()
    second = (pair.server_ids() - {first}).pop()
    httpx.put(f"{pair.one.url}/v1/studies/s", json=STUDY).raise_for_status()
    with Proxy([pair.one.port, pair.other.port]) as proxy:
        labour = Labour(proxy.url, tmp_path)
        workers = [threading.Thread(target=labour.work, args=(f"w{number}",)) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        try:
            until(lambda: pair.happened("fit.published") > 0, seconds=120)
            dying, victim = stopped_in_a_fit({first: pair.one, second: pair.other}, pair)
            survivor = pair.other if victim is pair.one else pair.one
            victim.kill()
            fits, results = pair.happened("fit.published"), pair.complete()
            until(lambda: pair.happened("fit.published") > fits, seconds=60)
            assert pair.fitting() in {None, first, second} - {dying}
            until(lambda: pair.complete() > results + WORKERS, seconds=60)

            victim.start()
            assert survivor.process is not None
            survivor.process.terminate()
            ready = f"{survivor.url}/readyz"
            until(lambda: httpx.get(ready).status_code == 503)
            drained = httpx.get(f"{survivor.url}/v1/studies/s")
            assert (drained.status_code, drained.headers["Connection"]) == (200, "close")
            assert "draining" in httpx.get(ready).json()["checks"]["server"]
            survivor.process.terminate()  # once more: now
            assert survivor.process.wait(20) == 0
            for worker in workers:
                worker.join(120)
        finally:
            labour.ended.set()
    assert labour.errors == []
    assert not any(worker.is_alive() for worker in workers)
    pair.database.read_now(lambda connection: check(connection, labour))


def check(connection: sa.Connection, labour: Labour) -> None:
    assert broken_invariants(rows_of(connection, "s")) == []
    held = {row.number: row for row in connection.execute(sa.select(trials))}
    assert sorted(held) == list(range(TRIALS))
    assert {row.state for row in held.values()} == {"complete"}
    assert Counter(number for number, _, _ in labour.told) == Counter(range(TRIALS))
    for number, arch_id, value in labour.told:
        assert (held[number].arch_id, held[number].value) == (arch_id, value)
    assert Counter(row.origin for row in held.values()).keys() >= {"initial", "acquisition"}
