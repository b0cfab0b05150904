"""A search while everything breaks: is a result lost, a cell measured as two, a trial stuck, a table wrong?

    python -m tests.benchmarks.chaos [--minutes 30] [--database sqlite|postgresql] [--workers 32] [--executor local|dask] [--seed N]

Real processes throughout: on SQLite one server, on PostgreSQL two, behind a proxy; their fits in local slots, or on a Dask cluster of two workers (on
PostgreSQL by default). Every second one fault at random; then all is healed, the workers end, and after two lease times the database is held against
what the workers had acknowledged. Exit status 1: something did not hold.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bonanza import Client
from bonanza_server.store.database import Database
from bonanza_server.store.models import attempts, events, trials
from tests.benchmarks.chaos_faults import Faults
from tests.benchmarks.chaos_site import STUDY, Site
from tests.benchmarks.chaos_worker import worth
from tests.benchmarks.load import postgres
from tests.contracts.lifecycle import broken_invariants, rows_of
from tests.live import create_postgres_database

PLACES, CHOICES = 12, (0, 1, 2, 3, 4)
SPACE = {"kind": "sequence", "positions": [{"name": f"edge{k}", "choices": list(CHOICES)} for k in range(PLACES)]}
TTL_S = 6.0
EVERY_S = 1.0


def campaign(url: str, folder: Path, arguments: argparse.Namespace) -> list[str]:
    """Run it; what did not hold."""
    rng = random.Random(arguments.seed)
    dask = arguments.executor == "dask" or (arguments.executor is None and not url.startswith("sqlite"))
    site = Site(url, folder, workers=arguments.workers, mean_s=arguments.mean_s, dask=dask)
    try:
        site.start(
            {
                "space": SPACE,
                "objective": {"name": "accuracy", "direction": "maximize"},
                "strategy": {"name": arguments.strategy},
                "budget": {"max_failures": 1000},
                "lease": {"ttl_s": TTL_S, "heartbeat_s": TTL_S / 4, "max_attempts": 100},
                "seed": arguments.seed,
            }
        )
        faults = Faults(site, rng)
        end = time.monotonic() + 60 * arguments.minutes
        while time.monotonic() < end:
            time.sleep(EVERY_S)
            faults.strike()
        faults.end()
        site.heal()
        site.workers.finish()
        with Client(site.proxy.url, spool=folder / "spool") as client:
            client.flush_spool()
        time.sleep(2 * TTL_S)
        with closing(Database(url)) as database:
            return database.read_now(lambda connection: judge(connection, site, faults))
    finally:
        site.stop()


def judge(connection: sa.Connection, site: Site, faults: Faults) -> list[str]:
    """Print what happened; return what did not hold."""
    wrong = list(broken_invariants(rows_of(connection, STUDY)))
    held = {row.number: row for row in connection.execute(sa.select(trials))}
    told = {entry["number"]: entry for entry in site.workers.diary if entry["step"] == "told"}
    for number, entry in told.items():
        row = held.get(number)
        if row is None or (row.arch_id, row.value) != (entry["arch_id"], entry["value"]):
            wrong.append(f"the result of trial {number} was told and is lost")
    cells = defaultdict(set)
    for entry in site.workers.diary:
        cells[entry["arch_id"]].add(entry["number"])
    wrong += [
        f"cell {cell} was handed out as trials {sorted(numbers)}" for cell, numbers in cells.items() if len(numbers) > 1
    ]
    stuck = [row.number for row in held.values() if row.state == "running"]
    leased = connection.execute(sa.select(sa.func.count()).where(attempts.c.state == "leased")).scalar_one()
    if stuck or leased:
        wrong.append(f"{len(stuck)} trials are stuck, {leased} attempts leased: {stuck[:20]}")
    kinds: dict[str, int] = dict(
        connection.execute(sa.select(events.c.kind, sa.func.count()).group_by(events.c.kind)).all()
    )
    began = min(row.created_at for row in held.values())
    fitted = connection.execute(sa.select(events.c.at, events.c.data).where(events.c.kind == "fit.published")).all()
    print(
        "".join(
            f"  fit of {data['observations']} published at {at - began:.0f} s, {data['seconds']:.1f} s\n"
            for at, data in fitted[:10]
        ),
        end="",
    )
    values = [row.value for row in held.values() if row.value is not None]
    regret, by_chance = regrets(values)
    if not regret < by_chance:
        wrong.append(f"the search ends with a regret of {regret:.2f}, random search with {by_chance:.2f}")
    print(
        f"faults {sum(faults.done.values())}: "
        + ", ".join(f"{count} {name}" for name, count in sorted(faults.done.items()))
    )
    print(f"{len(held)} trials, {len(values)} results, {len(told)} acknowledged to a worker that lived to say so")
    print(f"events: {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}")
    print(f"regret {regret:.2f}, of random search with as many trials {by_chance:.2f}")
    failed = connection.execute(sa.select(events.c.at, events.c.data).where(events.c.kind == "fit.failed")).all()
    print("".join(f"  fit failed at {at - began:.0f} s: {data['error'][:150]}\n" for at, data in failed), end="")
    if site.workers.crashes:
        print(f"workers that ended by themselves (and were started again): {dict(site.workers.crashes)}")
    return wrong


def regrets(values: list[float]) -> tuple[float, float]:
    """How far the best of ``values`` is from the best there is, and how far, on average, that of as many cells drawn at random."""
    best = worth([max(CHOICES)] * PLACES)
    rng = random.Random(0)

    def drawn() -> float:
        return max(worth([rng.choice(CHOICES) for _ in range(PLACES)]) for _ in values)

    return best - max(values), best - statistics.mean(drawn() for _ in range(20))


def main() -> int:
    """Run the campaign on each database; exit status 1 if anything did not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="of faults, on each database")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="both by default")
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--mean-s", type=float, default=4.0, help="mean length of a training")
    parser.add_argument("--executor", choices=("local", "dask"))
    parser.add_argument("--strategy", default="bonanza")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="leave logs and spools in this folder")
    arguments = parser.parse_args()
    failed = False
    for kind in [arguments.database] if arguments.database else ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory(prefix="bonanza-chaos-") as name:
            folder: Any = (arguments.keep / kind) if arguments.keep else Path(name)
            folder.mkdir(parents=True, exist_ok=True)
            print(
                f"{kind}, {arguments.minutes:g} minutes, {arguments.workers} workers, seed {arguments.seed}", flush=True
            )
            if kind == "sqlite":
                wrong = campaign(f"sqlite:///{folder}/chaos.db", folder, arguments)
            else:
                with postgres(Path(name)) as uri:
                    wrong = campaign(create_postgres_database(uri, "chaos"), folder, arguments)
        print("\n".join(wrong[:50]) or "everything held", flush=True)
        failed |= bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
