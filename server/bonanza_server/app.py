"""The application: parts constructed once, wired here, and run by uvicorn."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header
from fastapi.responses import RedirectResponse

import bonanza
from bonanza_server import cartography, catalogue, openapi, problem
from bonanza_server.body import guarded
from bonanza_server.cluster import DaskExecutor
from bonanza_server.columns import Columns
from bonanza_server.connection import Connection
from bonanza_server.dashboard import pages
from bonanza_server.draining import Draining
from bonanza_server.engine import Engine
from bonanza_server.executor import LocalExecutor
from bonanza_server.gate import Gate
from bonanza_server.keyring import Keyring
from bonanza_server.lifecycle.ledger import sharing_ledgers
from bonanza_server.lifecycle.pool import Pools
from bonanza_server.live import Attempts
from bonanza_server.logs import AccessLog, configure
from bonanza_server.news import News
from bonanza_server.overview import Glances
from bonanza_server.predicting import Predictor
from bonanza_server.readiness import readiness
from bonanza_server.reading import Reading
from bonanza_server.reporting import Reporter
from bonanza_server.routers import (
    ask_tell,
    charts,
    features,
    keys,
    spaces,
    strategies,
    studies,
    system,
    transfer,
    trials,
    workers,
)
from bonanza_server.service import Service
from bonanza_server.settings import Settings
from bonanza_server.spaces import Spaces
from bonanza_server.store import migrate
from bonanza_server.store.bulletin import Bulletin
from bonanza_server.store.database import Database, FileLock
from bonanza_server.upkeep import Upkeep
from bonanza_server.waiting import MANY, WaitingRoom
from bonanza_server.webhooks import Webhooks

log = logging.getLogger(__name__)


def create_app(
    settings: Settings, *, executor: Executor | None = None, clock: Callable[[], float] = time.time
) -> FastAPI:
    """The ASGI application. ``executor`` runs the fits (local slots by default); ``clock`` dates everything.

    Starting it raises ``DatabaseError`` when the database cannot be used.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(app, settings, executor, clock):
            yield

    app = FastAPI(
        title="Bonanza",
        summary="The neural architecture search server: ask what to train next, tell the accuracy.",
        version=bonanza.__version__,
        lifespan=lifespan,
        redoc_url=None,
    )
    problem.install(app)
    for module in (
        ask_tell,
        studies,
        trials,
        features,
        transfer,
        charts,
        spaces,
        strategies,
        workers,
        keys,
        system,
        pages,
    ):
        app.include_router(guarded(module.router))
    keyring = app.state.keyring = Keyring(settings.key, clock=clock)

    @app.get("/", include_in_schema=False)
    async def root(accept: Annotated[str, Header()] = "") -> RedirectResponse:
        return RedirectResponse("/ui" if "text/html" in accept else "/docs")

    openapi.install(app)
    app.add_middleware(Gate, settings=settings, keyring=keyring)
    app.add_middleware(AccessLog)
    app.add_middleware(Draining, begun=lambda: app.state.waiting.closed)
    return app


@asynccontextmanager
async def _running(
    app: FastAPI, settings: Settings, executor: Executor | None, clock: Callable[[], float]
) -> AsyncIterator[None]:
    database, lock = open_database(settings)
    pools = Pools()
    looking_up, mapping = catalogue.process(), cartography.process()
    if executor is None and settings.fit_slots:
        executor = fitters(settings)
    bulletin = app.state.bulletin = Bulletin(database)
    waiting = app.state.waiting = WaitingRoom(bulletin.tell)
    engine = app.state.engine = Engine(
        database, executor, pools, clock=clock, on_change=partial(waiting.announce, batons=MANY)
    )
    upkeep = Upkeep(
        database,
        engine,
        waiting,
        bulletin,
        clock=clock,
        interval_s=settings.upkeep_s,
        poll_s=settings.poll_s,
        retention=settings.retention,
    )
    spaces_in_use = Spaces()
    app.state.service = Service(database, engine, spaces_in_use, pools, waiting, clock=clock)
    app.state.predictor = Predictor(database, executor, spaces_in_use)
    app.state.reading = Reading(database, engine, pools)
    app.state.columns = Columns(database, engine)
    app.state.attempts = Attempts(database, engine)
    app.state.glances = Glances(database)
    app.state.news = News(database, app.state.reading)
    app.state.catalogue = catalogue.Catalogue(looking_up)
    app.state.reporter = Reporter(database, looking_up, clock=clock)
    app.state.cartography = cartography.Cartography(database, catalogue.Catalogue(mapping))
    app.state.upkeep = upkeep
    webhooks = Webhooks.of(settings, database, engine.server_id, clock=clock)
    app.state.readiness = lambda: readiness(database, engine, upkeep, draining=waiting.closed)
    try:
        if isinstance(executor, LocalExecutor):
            executor.warm()
        await app.state.keyring.open(database)
        await upkeep.start()
        bulletin.start(waiting.wake)
        await webhooks.start()
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it for garbage again and again costs requests 3 %
        yield
    finally:
        app.state.news.close()
        await webhooks.close()
        await app.state.keyring.close()
        await upkeep.close()
        await engine.close()
        await bulletin.close()
        for process in (looking_up, mapping):
            await asyncio.to_thread(process.shutdown, cancel_futures=True)
        await asyncio.to_thread(database.close)
        if lock is not None:
            lock.close()


def open_database(settings: Settings) -> tuple[Database, FileLock | None]:
    """The database with the schema this code needs, and for SQLite the lock that makes it ours.

    Raises:
        DatabaseError: it cannot be reached or upgraded, or another server has it.
    """
    database = Database(
        settings.database_url,
        pool_size=settings.sql_threads,
        synchronous=settings.synchronous,
        sharing=sharing_ledgers,
    )
    lock = FileLock(Path(str(database.url.database))) if database.sqlite else None
    try:
        if settings.auto_upgrade:
            migrate.upgrade(database)
        else:
            migrate.check(database)
    except BaseException:
        database.close()
        if lock is not None:
            lock.close()
        raise
    return database, lock


def fitters(settings: Settings) -> LocalExecutor | DaskExecutor:
    """What runs the fits, nothing of it started or connected yet."""
    limits: dict[str, Any] = {
        "deadline_seconds": settings.fit_timeout_s,
        "memory_bytes": settings.fit_memory_mb << 20,
    }
    if settings.scheduler is not None:
        return DaskExecutor(settings.scheduler, **limits)
    return LocalExecutor(settings.fit_slots, **limits)


class _Server(uvicorn.Server):
    """uvicorn that says when it listens, and counts being told to stop as success."""

    def __init__(
        self, config: uvicorn.Config, *, on_ready: Callable[[], None], on_stop: Callable[[], None], drain_s: float
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop
        self._drain_s = drain_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def main_loop(self) -> None:
        """Serve until told to stop; then answer the asks that wait, as if their time were over, and end the streams of events: cut off, they would look like a broken server to their workers.

        Then serve on for ``drain_s``, or until told once more.
        """
        await super().main_loop()
        self._on_stop()
        self.should_exit = False
        ticks = 0
        end = time.monotonic() + self._drain_s
        while time.monotonic() < end and not await self.on_tick(ticks):
            await asyncio.sleep(0.1)
            ticks += 1
        self.should_exit = True


def serve(settings: Settings, *, on_ready: Callable[[], None] = lambda: None) -> bool:
    """Run the server until it is told to stop; call ``on_ready`` once it listens. False if it could not start, and the log says why.

    ``open_database`` beforehand turns what may be wrong with the database into one message.
    """
    configure(settings.log_format, settings.log_level)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,  # ``configure`` has done it
        access_log=False,
        http=Connection if find_spec("httptools") else "auto",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
    )
    # uvicorn raises the signal that ended it once more; left to the default, a server that stopped in good order would seem to have died of it.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: None)

    def send_home() -> None:
        app.state.engine.drain()
        app.state.waiting.close()
        app.state.news.close()

    server = _Server(config, on_ready=on_ready, on_stop=send_home, drain_s=settings.drain_s)
    server.run()
    return server.started
