"""Clients of the server benchmark: processes that ask and tell in turn, and how long each request took.

The clients stay for the whole run, each with its keep-alive connections and its loaded Optuna studies, as a worker does. Over HTTP the same code and the
same bodies go to our server and to the floor.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

MOST = 4
CHOICES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
POSITIONS = tuple(f"edge{i}" for i in range(6))
ASK = {"worker_id": "benchmark", "wait_s": 0, "freshness": "any"}
LEAD_SECONDS = 0.05
"""From sending the clients their work to their common start."""


@dataclass
class Block:
    """Seconds of every ask and tell of one client, and the moments it began and ended (one clock for all processes of a machine)."""

    asks: list[float] = field(default_factory=list)
    tells: list[float] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class Target:
    """A study of a server."""

    url: str
    study: str
    origin: str | None = None
    """What every trial's ``origin`` must be, so that what is measured is what is said."""
    keyed: bool = False
    """Send an ``Idempotency-Key`` with every request, as the SDK does."""


def value_of(choices: list[str]) -> float:
    """An instant objective: a percentage that depends on every choice."""
    return 50.0 + sum((7.0 * (i + 1) * (1 + CHOICES.index(choice))) % 8 for i, choice in enumerate(choices))


class Clients:
    """``MOST`` client processes; ``close`` them."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._processes = [ProcessPoolExecutor(1, mp_context=spawn) for _ in range(MOST)]

    def run(self, number: int, work: Callable[..., Block], *args: Any) -> list[Block]:
        """``work(*args, start)`` in the first ``number`` clients at once."""
        start = time.monotonic() + LEAD_SECONDS
        futures = [process.submit(work, *args, start) for process in self._processes[:number]]
        return [future.result() for future in futures]

    def each(self, number: int, work: Callable[..., None], *args: Any) -> None:
        """``work(*args)`` in the first ``number`` clients, to have ready what must not be timed."""
        for future in [process.submit(work, *args) for process in self._processes[:number]]:
            future.result()

    def close(self) -> None:
        for process in self._processes:
            process.shutdown()


def http_trips(target: Target, trips: int, start: float) -> Block:
    """Ask and tell ``trips`` times."""
    client = _client(target.url)
    keys = _keys(target)
    block = Block(began=_wait_for(start))
    for _ in range(trips):
        began = time.perf_counter()
        answer = client.post(f"/v1/studies/{target.study}/ask", json=ASK, headers=next(keys))
        block.asks.append(time.perf_counter() - began)
        trial = _checked(answer)["trials"][0]
        if target.origin is not None and trial["origin"] != target.origin:
            raise RuntimeError(f"{target.study}: a trial's origin is {trial['origin']}, not {target.origin}")
        path = f"/v1/studies/{target.study}/trials/{trial['number']}/tell"
        (choices,) = trial["architecture"].values()
        body = {"lease_token": trial["attempt"]["token"], "value": value_of(choices)}
        began = time.perf_counter()
        answer = client.post(path, json=body, headers=next(keys))
        block.tells.append(time.perf_counter() - began)
        _checked(answer)
    block.ended = time.monotonic()
    return block


def paced_asks(url: str, study: str, asks: int, period: float) -> Iterator[tuple[float, bool]]:
    """At most ``asks`` asks, one every ``period`` seconds: seconds taken and whether a refit was running."""
    client = _client(url)
    following = time.perf_counter()
    for _ in range(asks):
        time.sleep(max(0.0, following - time.perf_counter()))
        began = time.perf_counter()
        following = began + period
        answer = client.post(f"/v1/studies/{study}/ask", json=ASK)
        took = time.perf_counter() - began
        yield took, _checked(answer)["model"]["refitting"]


def connect(url: str) -> None:
    """Have the connection open and the server's first request behind it."""
    _client(url).get("/readyz").raise_for_status()


def optuna_trips(storage: str, study: str, trips: int, start: float) -> Block:
    """Optuna's ask (with its six suggestions) and tell, in this process, ``trips`` times."""
    loaded = _optuna_study(storage, study)
    block = Block(began=_wait_for(start))
    for _ in range(trips):
        began = time.perf_counter()
        trial = loaded.ask()
        choices = [trial.suggest_categorical(position, CHOICES) for position in POSITIONS]
        block.asks.append(time.perf_counter() - began)
        began = time.perf_counter()
        loaded.tell(trial, value_of(choices))
        block.tells.append(time.perf_counter() - began)
    block.ended = time.monotonic()
    return block


def load_optuna(storage: str, study: str) -> None:
    """Load a study and ask once: the first ask of a process reads the whole study, which is not what is measured."""
    optuna_trips(storage, study, 1, 0.0)


@cache
def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=60)


@cache
def _optuna_study(storage: str, study: str) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(study_name=study, storage=_optuna_storage(storage), sampler=optuna.samplers.TPESampler())


@cache
def _optuna_storage(storage: str) -> Any:
    import optuna

    return optuna.storages.RDBStorage(storage)


def _keys(target: Target) -> Iterator[dict[str, str]]:
    unique = time.monotonic_ns()
    pid = multiprocessing.current_process().pid
    number = 0
    while True:
        yield {"Idempotency-Key": f"{target.study}-{pid}-{unique}-{number}"} if target.keyed else {}
        number += 1


def _wait_for(start: float) -> float:
    time.sleep(max(0.0, start - time.monotonic()))
    return time.monotonic()


def _checked(answer: httpx.Response) -> Any:
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.request.url}: {answer.status_code} {answer.text}")
    return answer.json()
