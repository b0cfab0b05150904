"""Real servers for tests: in a thread with a clock of the test's own, or as a process that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import uvicorn

from bonanza_server.app import create_app
from bonanza_server.connection import Connection
from bonanza_server.settings import Settings

NB201: dict[str, Any] = {"kind": "nasbench201"}
_databases = itertools.count()


class Lent(Executor):
    """An executor that outlives the servers it is given to: they may shut it down, and nothing comes of it."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        pass


class Clock:
    """The server's clock, moved by the test."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class LiveServer:
    """uvicorn in a thread of this process. ``http`` is a client of it; ``study`` makes a study."""

    def __init__(self, database_url: str, *, executor: Any = None, clock: Clock | None = None, **settings: Any) -> None:
        self.settings = Settings(database_url=database_url, port=0, **settings)
        self.app = create_app(self.settings, executor=executor, clock=clock or time.time)
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                self.app,
                port=0,
                http=Connection,
                log_level="warning",
                timeout_graceful_shutdown=1,
                timeout_keep_alive=75,  # as `bonanza serve`: uvicorn's 5 s are httpx's too, and the two may hang up on each other
            )
        )
        self._thread = threading.Thread(target=self._uvicorn.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._uvicorn.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.005)
        self.port = self._uvicorn.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self._uvicorn.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The server's, on its own thread."""
        return self._uvicorn.servers[0].get_loop()

    def look_after_leases(self) -> None:
        """What the server does by the clock, now: end the leases that have run out."""
        asyncio.run_coroutine_threadsafe(self.app.state.upkeep.look_after_leases(), self.loop).result(30)

    def forget_the_old(self) -> None:
        """What the server does once an hour, now."""
        asyncio.run_coroutine_threadsafe(self.app.state.upkeep.forget_the_old(), self.loop).result(30)

    def study(self, name: str = "s", **fields: Any) -> dict[str, Any]:
        body = {
            "space": NB201,
            "objective": {"name": "accuracy", "direction": "maximize"},
            "strategy": {"name": "random"},
        } | fields
        answer = self.http.put(f"/v1/studies/{name}", json=body)
        assert answer.status_code in {200, 201}, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def ask(self, name: str = "s", **fields: Any) -> dict[str, Any]:
        return self.post(f"/v1/studies/{name}/ask", {"wait_s": 0} | fields)

    def one(self, name: str = "s", **fields: Any) -> dict[str, Any]:
        trials = self.ask(name, **fields)["trials"]
        assert len(trials) == 1
        trial: dict[str, Any] = trials[0]
        return trial

    def tell(
        self, trial: dict[str, Any], value: float | None = None, name: str = "s", status: int = 200, **fields: Any
    ) -> dict[str, Any]:
        body = {"lease_token": trial["attempt"]["token"]} | ({} if value is None else {"value": value}) | fields
        return self.post(f"/v1/studies/{name}/trials/{trial['number']}/tell", body, status=status)

    def post(self, path: str, body: Any = None, status: int | None = None, **headers: str) -> dict[str, Any]:
        answer = self.http.post(path, json=body if body is not None else {}, headers=headers)
        expected = {200, 201} if status is None else {status}
        assert answer.status_code in expected, f"{answer.status_code} {answer.text}"
        parsed: dict[str, Any] = answer.json()
        return parsed

    def get(self, path: str, status: int = 200) -> dict[str, Any]:
        answer = self.http.get(path)
        assert answer.status_code == status, answer.text
        parsed: dict[str, Any] = answer.json()
        return parsed

    def trial(self, number: int, name: str = "s") -> dict[str, Any]:
        return self.get(f"/v1/studies/{name}/trials/{number}")


def create_postgres_database(server: str, name: str) -> str:
    """Make an empty database on a PostgreSQL server given by its URI; return the database's."""
    name = f"{name}{os.getpid()}_{next(_databases)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """``bonanza serve`` as its users run it; it can be killed without notice and started again on the same port."""

    def __init__(self, database_url: str, log: Path, **environment: str) -> None:
        self.database_url = database_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._environment = {**os.environ, "BONANZA_DATABASE_URL": database_url, **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 30) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "bonanza.cli", "serve", "--port", str(self.port)]
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(self.url + "/readyz", timeout=2).status_code == 200:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("bonanza serve did not start:\n" + self._log.read_text()[-3000:])

    def kill(self) -> None:
        """SIGKILL: no goodbye of any kind."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)
