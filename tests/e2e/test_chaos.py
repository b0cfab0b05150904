"""Six workers on one study, while the server and now and then a worker are killed without notice: no result is lost and nothing is done twice."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from bonanza_server.store.database import Database
from bonanza_server.store.models import attempts, trials
from tests.contracts.lifecycle import broken_invariants, rows_of
from tests.e2e.crew import Crew, Entry
from tests.e2e.laborer import worth
from tests.live import NB201, ServerProcess
from tests.server.engine.searches import until

TRIALS = 70
WORKERS = 6
KILLS = 5
"""After the first."""
TRAINING_S = 0.15
STUDY = {
    "space": NB201,
    "objective": {"name": "accuracy", "direction": "maximize"},
    "strategy": {"name": "bananas", "n_initial": 5, "epochs": 5},
    "budget": {"max_trials": TRIALS},
    "lease": {"ttl_s": 2, "heartbeat_s": 0.5, "max_attempts": 20},
}


def look(server: ServerProcess, what: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{server.url}/v1/studies/chaos{what}", timeout=10).raise_for_status().json()
    return answer


def wreck(server: ServerProcess, crew: Crew, rng: random.Random) -> int:
    """Kill and restart the server ``KILLS`` times, spread over the study, and some workers; return how many of those."""
    lost = 0
    for kill in range(KILLS):
        until(lambda: look(server)["trials"]["complete"] >= (kill + 1) * TRIALS // (KILLS + 2))  # noqa: B023 - used at once
        time.sleep(rng.uniform(0.0, 0.1))
        if kill % 3 == 1:
            crew.replace(rng.choice(crew.names))
            lost += 1
        server.kill()
        if kill % 3 == 2:  # a worker that is lost while nobody is there to see it
            crew.replace(rng.choice(crew.names))
            lost += 1
        server.start()
    return lost


def test_no_result_is_lost_and_nothing_is_measured_twice_whoever_is_killed(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    url, log = new_database(), tmp_path / "server.log"
    first = ServerProcess(url, log)
    # The servers after the first find its pool in SQL and need not fit: loading torch ten times over would be most of this test.
    server = ServerProcess(url, log, BONANZA_FIT_SLOTS="0")
    server.port, server.url = first.port, first.url
    first.start()
    try:
        httpx.put(f"{server.url}/v1/studies/chaos", json=STUDY).raise_for_status()
        with Crew(server.url, "chaos", tmp_path, count=WORKERS, seconds=TRAINING_S, freshness="any") as crew:
            until(lambda: look(first, "/model")["version"] > 0, seconds=120)
            first.kill()
            server.start()
            lost = wreck(server, crew, random.Random(20))
            crew.finish(timeout=300)
            diary = crew.diary()
        assert server.stop() == 0
    finally:
        for process in (first.process, server.process):
            if process is not None:
                process.kill()
    with closing(Database(url)) as database:
        database.read_now(lambda connection: check(connection, diary, lost))


def check(connection: sa.Connection, diary: list[Entry], lost: int) -> None:
    assert broken_invariants(rows_of(connection, "chaos")) == []
    held = {row.number: row for row in connection.execute(sa.select(trials))}
    assert sorted(held) == list(range(TRIALS))
    assert {row.state for row in held.values()} == {"complete"}
    assert "acquisition" in {row.origin for row in held.values()}

    told = {entry.number: entry for entry in diary if entry.step == "told"}
    for number, entry in told.items():
        assert held[number].arch_id == entry.arch_id
        assert held[number].value == entry.value
    for row in held.values():
        assert row.value == worth(row.architecture)
        assert all(again["value"] == row.value for again in row.measurements or [])
    # A worker that dies between its tell and its note of it leaves a result without one; nobody else does.
    assert len(held) - len(told) <= lost

    cells = defaultdict(set)
    for entry in diary:
        cells[entry.arch_id].add(entry.number)
    assert all(len(numbers) == 1 for numbers in cells.values())

    # Every measurement was of a lease of its own, and there was a second lease only where the first was lost.
    measured = Counter((entry.number, entry.attempt) for entry in diary if entry.step == "measured")
    assert set(measured.values()) == {1}
    tried = list(connection.execute(sa.select(attempts).order_by(attempts.c.number, attempts.c.attempt)))
    for attempt in tried:
        last = attempt.attempt == held[attempt.number].leases
        assert last or attempt.state in {"expired", "succeeded"}, attempt

    # No lease was given to nobody: the answer to an ask that was lost with the server came back under its key.
    asked = {(entry.number, entry.attempt) for entry in diary if entry.step == "asked"}
    assert len({(attempt.number, attempt.attempt) for attempt in tried} - asked) <= lost
