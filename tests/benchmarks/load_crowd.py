"""A thousand workers at one server: long polls, trainings of exponential length, heartbeats, tells; every one of them counted."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import psutil

from tests.benchmarks.load_http import SPACE, Connection, Failed
from tests.benchmarks.server_measure import percentile

SPARE_FILES = 256
"""What a process needs beside one a worker: its database, its libraries, its children's pipes."""
STUDY = "crowd"


@dataclass(frozen=True)
class Crowd:
    """Who comes, and for how long."""

    workers: int = 1000
    minutes: float = 10.0
    mean_s: float = 60.0
    heartbeat_s: float = 20.0
    wait_s: float = 50.0
    strategy: str = "bonanza"
    ramp_s: float = 10.0
    """A thousand processes are not started in one moment."""


@dataclass
class Seen:
    """What the workers saw."""

    asks: list[tuple[float, float, int, str]] = field(default_factory=list)
    """(sent, answered, version of the model, origin) of each ask that got a trial; seconds since the epoch."""
    told: dict[int, float] = field(default_factory=dict)
    tell_s: list[float] = field(default_factory=list)
    beat_s: list[float] = field(default_factory=list)
    empty: int = 0
    errors: Counter[str] = field(default_factory=Counter)


def check_files(workers: int) -> None:
    """Allow as many open files as the crowd needs, here and in the server that is started next.

    Raises:
        SystemExit: this shell may not; the message has the command.
    """
    needed = workers + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(
            f"{workers} workers need {needed} open files a process, and this shell allows {hard}: ulimit -n {needed}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def worth(choices: list[int]) -> float:
    return 50.0 + sum((k + 1) * choice for k, choice in enumerate(choices)) / 8.0


class Worker:
    """One of them."""

    def __init__(self, url: str, number: int, crowd: Crowd, seen: Seen, ending: asyncio.Event) -> None:
        self._url, self._name, self._crowd, self._seen, self._ending = url, f"w{number}", crowd, seen, ending
        self._rng = random.Random(number)
        self._asked = 0

    async def work(self) -> None:
        """Ask, train, tell, until the end; then tell what is in hand at once."""
        await asyncio.sleep(self._rng.uniform(0.0, self._crowd.ramp_s))
        async with Connection(self._url) as connection:
            while not self._ending.is_set():
                try:
                    trial = await self._ask(connection)
                    if trial is not None:
                        await self._train(connection, trial)
                except Failed as failure:
                    self._seen.errors[str(failure)[:120]] += 1
                    await asyncio.sleep(1.0)

    async def _ask(self, connection: Connection) -> dict[str, Any] | None:
        self._asked += 1
        body = {"worker_id": self._name, "wait_s": self._crowd.wait_s, "freshness": "any"}
        sent = time.time()
        asking = asyncio.ensure_future(
            connection.post(f"/v1/studies/{STUDY}/ask", body, key=f"{self._name}-{self._asked}")
        )
        ending = asyncio.ensure_future(self._ending.wait())
        await asyncio.wait([asking, ending], return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not asking.done():
            asking.cancel()  # hangs up; the server leases nothing
            await asyncio.wait([asking])
            return None
        answer = asking.result()
        if not answer["trials"]:
            self._seen.empty += 1
            await asyncio.sleep(answer["retry_after_s"] or 1.0)
            return None
        trial: dict[str, Any] = answer["trials"][0]
        self._seen.asks.append((sent, time.time(), answer["model"]["version"], trial["origin"]))
        return trial

    async def _train(self, connection: Connection, trial: dict[str, Any]) -> None:
        path, token = f"/v1/studies/{STUDY}/trials/{trial['number']}", trial["attempt"]["token"]
        left = self._rng.expovariate(1.0 / self._crowd.mean_s)
        while left > 0 and not self._ending.is_set():
            pause = min(left, self._crowd.heartbeat_s)
            try:
                async with asyncio.timeout(pause):
                    await self._ending.wait()
            except TimeoutError:
                left -= pause
                if left > 0:
                    began = time.perf_counter()
                    await connection.post(f"{path}/heartbeat", {"lease_token": token})
                    self._seen.beat_s.append(time.perf_counter() - began)
        value = worth(trial["architecture"]["choices"])
        began = time.perf_counter()
        await connection.post(f"{path}/tell", {"lease_token": token, "value": value}, key=f"{self._name}-{token[:12]}")
        if not self._ending.is_set():  # at the end a thousand tell in one moment, as they never would
            self._seen.tell_s.append(time.perf_counter() - began)
        self._seen.told[trial["number"]] = value


@dataclass
class Load:
    """What the server cost meanwhile."""

    rss_mb: float = 0.0
    cpu_s: float = 0.0
    fit_cpu_s: float = 0.0

    async def watch(self, pid: int) -> None:
        """Sample until cancelled."""
        server = psutil.Process(pid)
        while True:
            self.rss_mb = max(self.rss_mb, server.memory_info().rss / 1e6)
            self.cpu_s = sum(server.cpu_times()[:2])
            self.fit_cpu_s = sum(sum(child.cpu_times()[:2]) for child in server.children(recursive=True))
            await asyncio.sleep(1.0)


async def come(url: str, pid: int, crowd: Crowd) -> tuple[Seen, Load]:
    """The whole visit."""
    seen, load, ending = Seen(), Load(), asyncio.Event()
    async with Connection(url) as connection:
        body = {
            "space": SPACE,
            "objective": {"name": "accuracy", "direction": "maximize"},
            "strategy": {"name": crowd.strategy},
            "lease": {"ttl_s": 3 * crowd.heartbeat_s, "heartbeat_s": crowd.heartbeat_s},
        }
        await connection.post(f"/v1/studies/{STUDY}", body, method="PUT")
    watching = asyncio.create_task(load.watch(pid))
    workers = [asyncio.create_task(Worker(url, number, crowd, seen, ending).work()) for number in range(crowd.workers)]
    await asyncio.sleep(60 * crowd.minutes)
    ending.set()
    await asyncio.gather(*workers)
    watching.cancel()
    return seen, load


@dataclass(frozen=True)
class Verdict:
    """A crowd's figures; times in ms."""

    asks: int
    tells: int
    heartbeats: int
    empty: int
    errors: Counter[str]
    lost: int
    leases_expired: int
    fits: int
    ask_ms: tuple[float, float]
    """p50 and p95 from when there was something to be had: the ask, or the fit that gave it."""
    waited_ms: tuple[float, float]
    """The same from the ask, waiting included."""
    tell_ms: tuple[float, float]
    beat_ms: tuple[float, float]
    load: Load
    seconds: float

    def lines(self) -> list[str]:
        wall = self.seconds
        return [
            f"asks {self.asks} ({self.empty} without a trial), tells {self.tells}, heartbeats {self.heartbeats}, fits {self.fits}",
            f"errors {sum(self.errors.values())}, lost tells {self.lost}, leases expired {self.leases_expired}",
            *(f"  {count} x {error}" for error, count in self.errors.most_common(5)),
            f"ask, from when something could be served: p50 {self.ask_ms[0]:.1f} ms, p95 {self.ask_ms[1]:.1f} ms",
            f"ask, waiting for fits included:           p50 {self.waited_ms[0]:.1f} ms, p95 {self.waited_ms[1]:.1f} ms",
            f"tell p50 {self.tell_ms[0]:.1f} ms, p95 {self.tell_ms[1]:.1f} ms; heartbeat p50 {self.beat_ms[0]:.1f} ms, p95 {self.beat_ms[1]:.1f} ms",
            f"server: {self.load.rss_mb:.0f} MB at most, {self.load.cpu_s / wall:.2f} cores; its fits: {self.load.fit_cpu_s / wall:.2f} cores",
        ]

    @property
    def holds(self) -> bool:
        return not self.errors and self.lost == 0 and self.ask_ms[1] < 250 and self.load.rss_mb < 400


def judge(url: str, crowd: Crowd, seen: Seen, load: Load) -> Verdict:
    """Hold what the workers saw against what the server has."""
    with httpx.Client(base_url=f"{url}/v1/studies/{STUDY}", timeout=120) as http:
        held: dict[int, Any] = {}
        page: dict[str, Any] = {"next_page_token": ""}
        while (token := page["next_page_token"]) is not None:
            page = http.get("/trials", params={"page_size": 1000} | ({"page_token": token} if token else {})).json()
            held |= {trial["number"]: trial["value"] for trial in page["trials"]}
        published: dict[int, float] = {}
        expired, after = 0, 0
        while lines := http.get("/events", params={"after": after}).text.splitlines():
            for line in lines:
                event = json.loads(line)
                after = event["seq"]
                expired += event["data"].get("why") == "expired"
                if event["kind"] == "fit.published":
                    published[event["data"]["version"]] = datetime.fromisoformat(event["at"]).timestamp()
    lost = sum(held.get(number) != value for number, value in seen.told.items())
    served = [1e3 * _from_when_it_could_be_had(ask, published, crowd.wait_s) for ask in seen.asks]
    waited = [1e3 * (answered - sent) for sent, answered, _, _ in seen.asks]
    return Verdict(
        asks=len(seen.asks),
        tells=len(seen.told),
        heartbeats=len(seen.beat_s),
        empty=seen.empty,
        errors=seen.errors,
        lost=lost,
        leases_expired=expired,
        fits=len(published),
        ask_ms=_p50_p95(served),
        waited_ms=_p50_p95(waited),
        tell_ms=_p50_p95([1e3 * took for took in seen.tell_s]),
        beat_ms=_p50_p95([1e3 * took for took in seen.beat_s]),
        load=load,
        seconds=60 * crowd.minutes,
    )


def _from_when_it_could_be_had(ask: tuple[float, float, int, str], published: dict[int, float], wait_s: float) -> float:
    sent, answered, version, origin = ask
    if origin == "acquisition":
        return answered - max(sent, published.get(version, sent))
    took = answered - sent
    return (
        took - wait_s if took >= wait_s else took
    )  # no fit came in time: an unseen cell was due when the time was over


def _p50_p95(values: list[float]) -> tuple[float, float]:
    return (percentile(values, 50), percentile(values, 95)) if values else (0.0, 0.0)
