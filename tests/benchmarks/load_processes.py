"""Round trips a second of one API process on PostgreSQL and of several on the same database, and what the processor was busy with."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.load_http import SPACE, Connection
from tests.live import ServerProcess


@dataclass(frozen=True)
class Plan:
    """How many serve, and who comes. Each client has a study of its own, so that no row is every client's."""

    processes: int = 4
    clients: int = 16
    seconds: float = 20.0
    repeats: int = 3


@dataclass(frozen=True)
class Rate:
    """Round trips (an ask and a tell) a second, and the processor's milliseconds a round trip."""

    processes: int
    trips_per_s: float
    server_ms: float
    database_ms: float
    client_ms: float


def measure(url: str, folder: Path, plan: Plan) -> list[Rate]:
    """One process and several in turn, ``repeats`` times each."""
    rates = []
    for _ in range(plan.repeats):
        for processes in (1, plan.processes):
            rates.append(_one(url, folder, plan, processes))
    return rates


def _one(url: str, folder: Path, plan: Plan, processes: int) -> Rate:
    servers = [
        ServerProcess(url, folder / f"api{k}.log", BONANZA_FIT_SLOTS="0", BONANZA_RATE_LIMIT="0")
        for k in range(processes)
    ]
    try:
        for server in servers:
            server.start(timeout=120)
        urls = [server.url for server in servers]
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(_trips, (urls, plan.clients, 1.0, False))
            before = _cpu(servers)
            trips, client_s = pool.apply(_trips, (urls, plan.clients, plan.seconds, True))
            after = _cpu(servers)
    finally:
        for server in servers:
            if server.process is not None:
                server.stop()
    server_s, database_s = (late - early for late, early in zip(after, before, strict=True))
    return Rate(processes, trips / plan.seconds, *(1e3 * spent / trips for spent in (server_s, database_s, client_s)))


def _cpu(servers: list[ServerProcess]) -> tuple[float, float]:
    ours = sum(sum(psutil.Process(server.process.pid).cpu_times()[:2]) for server in servers if server.process)
    databases = 0.0
    for process in psutil.process_iter(["name", "cpu_times"]):
        if process.info["name"] == "postgres" and process.info["cpu_times"]:
            databases += sum(process.info["cpu_times"][:2])
    return ours, databases


def _trips(urls: list[str], clients: int, seconds: float, timed: bool) -> tuple[int, float]:
    """(round trips, this process' CPU seconds): what the clients did, each at one server in turn."""
    began = time.process_time()
    trips = asyncio.run(_all(urls, clients, seconds, timed))
    return trips, time.process_time() - began


async def _all(urls: list[str], clients: int, seconds: float, timed: bool) -> int:
    async def one(number: int) -> int:
        async with Connection(urls[number % len(urls)]) as connection:
            study = f"/v1/studies/p{number}-{time.time_ns()}"
            body: dict[str, Any] = {
                "space": SPACE,
                "objective": {"direction": "maximize"},
                "strategy": {"name": "random"},
            }
            await connection.post(study, body, method="PUT")
            trips, end = 0, time.monotonic() + seconds
            while time.monotonic() < end:
                answer = await connection.post(f"{study}/ask", {"worker_id": "w", "wait_s": 0, "freshness": "any"})
                trial = answer["trials"][0]
                told = {"lease_token": trial["attempt"]["token"], "value": float(trial["number"] % 100)}
                await connection.post(f"{study}/trials/{trial['number']}/tell", told)
                trips += 1
            return trips

    return sum(await asyncio.gather(*(one(number) for number in range(clients))))


def lines(rates: list[Rate]) -> list[str]:
    said = [
        f"{rate.processes} process{'es' if rate.processes > 1 else '  '}: {rate.trips_per_s:6.0f} round trips/s; processor ms a round trip: "
        f"servers {rate.server_ms:.2f}, PostgreSQL {rate.database_ms:.2f}, clients {rate.client_ms:.2f}"
        for rate in rates
    ]
    return [*said, f"several against one: {gain(rates):.2f} x (median)"]


def gain(rates: list[Rate]) -> float:
    """How many times the round trips of one process."""
    pairs = [several.trips_per_s / one.trips_per_s for one, several in zip(rates[::2], rates[1::2], strict=True)]
    return sorted(pairs)[len(pairs) // 2]
