"""A study exported, imported, backed up and restored: is it the same, and how long does each take?

    python -m tests.benchmarks.data_care [--trials 5000] [--database postgresql://…]

A study is searched over HTTP as workers do (curves, failures, lost leases, late results among it), then moved by each of the four ways, and every row compared:
what a backup restores must be equal to the last column, what an import makes in all but the tokens and ends of its live leases. Says each step's seconds and megabytes.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bonanza_server.doctor import examine, unsound
from bonanza_server.store.backup import backup, restore
from bonanza_server.store.database import Database
from bonanza_server.store.models import attempts, events, fits, metadata, reports, studies, trials
from tests.live import Clock, LiveServer

SPACE = {"kind": "sequence", "positions": [{"name": f"p{k}", "choices": list(range(8))} for k in range(6)]}
MADE_ANEW = {
    "id",
    "study_id",
    "fit_id",
    "fit_server",
    "name",
    "token",
    "expires_at",
    "deadline",
    "heartbeat_at",
    "progress",
    "directive",
    "traceparent",
    "webhook_event",
}
"""Columns that an import cannot know, or that are of this database alone."""

Note = Callable[[str, float, float], None]


def search(server: LiveServer, clock: Clock, *, trials: int, name: str = "s") -> None:
    """A study of ``trials`` trials, of everything that befalls one."""
    rng = random.Random(11)
    server.study(
        name, space=SPACE, lease={"ttl_s": 60, "heartbeat_s": 20}, budget={"max_trials": trials, "max_failures": None}
    )
    began = 0
    while began < trials - 2:
        asked = server.ask(name, count=min(8, trials - 2 - began), worker_id="gpu0")["trials"]
        began = max(began, *(trial["number"] + 1 for trial in asked))
        clock.advance(5)
        late = []
        for trial in asked:
            path = f"/v1/studies/{name}/trials/{trial['number']}"
            token = {"lease_token": trial["attempt"]["token"]}
            if rng.random() < 0.1:
                points = [{"step": step, "metrics": {"accuracy": rng.random()}} for step in range(3)]
                server.post(f"{path}/report", token | {"points": points})
            luck = rng.random()
            if luck < 0.03:
                kind = rng.choice(["code", "oom", "infra"])
                server.tell(trial, name=name, outcome="failed", error={"kind": kind, "message": "bad luck ☹"})
            elif luck < 0.04:
                late.append(trial)
            else:
                server.tell(trial, rng.uniform(80, 95), name, metrics={"loss": rng.random()}, cost={"seconds": 1.5})
        if late:
            clock.advance(61)
            server.look_after_leases()
            for trial in late:
                server.tell(trial, rng.uniform(80, 95), name)
    server.ask(name, count=2, worker_id="gpu1")  # under way while it is moved


def rows(database: Database, study: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, in the order of its key; of one study alone without what an import makes anew."""

    def look(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
        if study is None:
            every = [(table, sa.select(table).order_by(*table.primary_key)) for table in metadata.sorted_tables]
        else:
            key = sa.select(studies.c.id).where(studies.c.name == study).scalar_subquery()
            of = (
                (studies, studies.c.id),
                *((table, table.c.study_id) for table in (trials, attempts, reports, events, fits)),
            )
            every = [
                (table, sa.select(table).where(column == key).order_by(*table.primary_key)) for table, column in of
            ]
        hidden = set() if study is None else MADE_ANEW
        return {
            table.name: [
                {k: v for k, v in row.items() if k not in hidden} for row in connection.execute(query).mappings()
            ]
            for table, query in every
        }

    return database.read_now(look)


def move(url: str, empty: Callable[[], str], folder: Path, *, trials: int, note: Note = lambda *_: None) -> None:
    """Search on ``url``, then move the study by each way, the last into the database ``empty()``; fail where anything differs."""
    clock = Clock()
    with (
        LiveServer(url, clock=clock, fit_slots=0, upkeep_s=3600, sql_threads=2) as server,
        closing(Database(url)) as database,
    ):
        begun = time.perf_counter()

        def done(what: str, size: int = 0) -> None:
            nonlocal begun
            note(what, time.perf_counter() - begun, size / 1e6)
            begun = time.perf_counter()

        search(server, clock, trials=trials)
        done(f"searched, {trials} trials")
        exported = server.http.get("/v1/studies/s/export").content
        done("exported", len(exported))
        headers = {"Content-Type": "application/x-ndjson"}
        answer = server.http.post("/v1/studies/t/import", content=exported, headers=headers, timeout=600)
        assert answer.status_code == 201, answer.text
        done("imported")
        again = server.http.get("/v1/studies/t/export").text
        for one, other in zip(exported.decode().splitlines()[1:], again.splitlines()[1:], strict=True):
            assert one == other
        assert json.loads(exported.splitlines()[-1])["end"]["lines"] > trials
        assert rows(database, "s") == rows(database, "t")
        done("compared")
        file = backup(database, folder)
        done("backed up, while serving", file.stat().st_size)
        before = rows(database)
    with closing(Database(empty())) as restored:
        begun = time.perf_counter()
        restore(restored, file)
        done("restored")
        after = rows(restored)
        for volatile in ("servers",):  # signs of life since
            before.pop(volatile), after.pop(volatile)
        assert before == after
        done("compared")
        assert unsound(restored) == []
        found = list(examine(restored))
        assert [(study.study, study.trials, study.findings) for study in found] == [
            ("s", trials, []),
            ("t", trials, []),
        ]
        done("examined by the doctor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5_000)
    parser.add_argument(
        "--database", help="an empty PostgreSQL database; a second one of its name with _restored is used too"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = arguments.database or f"sqlite:///{folder}/study.db"
        other = f"{arguments.database}_restored" if arguments.database else f"sqlite:///{folder}/restored.db"

        def note(what: str, seconds: float, size: float) -> None:
            print(f"| {what} | {seconds:.2f} s | {f'{size:.1f} MB' if size else ''} |", flush=True)

        print(f"| {trials_of(arguments.trials)} | seconds | size |\n|---|--:|--:|")
        move(url, lambda: other, folder, trials=arguments.trials, note=note)
    print("equal: every row")


def trials_of(number: int) -> str:
    return f"a study of {number:,} trials"


if __name__ == "__main__":
    main()
