"""The server in this process, on one event loop, without sockets: quick enough for thousands of steps, and restarted in a moment."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import httpx
import psycopg
from fastapi import FastAPI

from bonanza_server.app import create_app
from bonanza_server.settings import Settings
from bonanza_server.store.database import Database
from tests.live import Clock

T = TypeVar("T")


class Site:
    """A database, a clock, and the application on them; ``start`` it, ``stop`` it, ``close`` it at last."""

    def __init__(self, url: str, *, base: str = "http://localhost/v1/studies/", **settings: Any) -> None:
        self.clock = Clock()
        self.names = (f"s{number}" for number in itertools.count())
        self.database = Database(url)
        self._settings = Settings(database_url=url, fit_slots=0, upkeep_s=3600, synchronous="NORMAL", **settings)
        self._base = base
        self._loop = asyncio.new_event_loop()
        self._running: AbstractAsyncContextManager[Any]

    def start(self) -> None:
        self._app = create_app(self._settings, clock=self.clock)
        self._running = self._app.router.lifespan_context(self._app)
        self.run(self._running.__aenter__())
        transport = httpx.ASGITransport(self._app)
        self._http = httpx.AsyncClient(transport=transport, base_url=self._base)

    def stop(self) -> None:
        self.run(self._http.aclose())
        self.run(self._running.__aexit__(None, None, None))

    def close(self) -> None:
        self.stop()
        self.database.close()
        self._loop.close()

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        answer = self.run(self._http.request(method, path, json=body, headers=headers))
        assert answer.status_code < 500, answer.text
        return answer

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Whatever the answer is."""
        return self.run(self._http.request(method, path, **options))

    @property
    def app(self) -> FastAPI:
        return self._app

    def look_after_leases(self) -> None:
        self.run(self._app.state.upkeep.look_after_leases())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)


def without_waiting_for_the_disk(url: str) -> str:
    """The URL, its PostgreSQL database told not to wait for the disk at a commit: these tests pull no plugs."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET synchronous_commit = off")
    return url
