"""The floor: what FastAPI, SQLAlchemy Core and one commit cost where a request does nothing else.

``ask`` inserts one row, an unseen random cell with a lease token, and commits; ``tell`` updates that row and commits. There is no lifecycle, no event, no
model. The durability is the server's: SQLite in WAL with ``synchronous=FULL`` and ``BEGIN IMMEDIATE``, PostgreSQL as it comes. So is everything around
it: one uvicorn process, bodies checked by pydantic, answers written by pydantic straight into the response, one writer on SQLite, eight on PostgreSQL.

    python -m tests.benchmarks.floor --database sqlite:///floor.db --port 8424
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from tests.benchmarks.server_load import CHOICES, POSITIONS

SIZE = len(CHOICES) ** len(POSITIONS)
WRITERS = 8

metadata = sa.MetaData()
trials = sa.Table(
    "trials",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("study", sa.String(100), nullable=False),
    sa.Column("cell", sa.String(200), nullable=False),
    sa.Column("token", sa.String(64)),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("at", sa.Double, nullable=False),
    sa.UniqueConstraint("study", "cell"),
)
_INSERT = {
    "sqlite": sqlite.insert(trials).on_conflict_do_nothing().returning(trials.c.number),
    "postgresql": postgresql.insert(trials).on_conflict_do_nothing().returning(trials.c.number),
}
_COMPLETE = (
    sa.update(trials)
    .where(trials.c.number == sa.bindparam("key"), trials.c.token == sa.bindparam("held"), trials.c.state == "running")
    .values(state="complete", value=sa.bindparam("told"))
)


class AskBody(BaseModel):
    """The body of our own ask; only who asks is of use here."""

    model_config = ConfigDict(extra="forbid")
    worker_id: str | None = None
    wait_s: float = 0
    freshness: str = "any"


class Attempt(BaseModel):
    """The lease."""

    token: str


class Leased(BaseModel):
    """A cell to train."""

    number: int
    architecture: dict[str, list[str]]
    attempt: Attempt


class AskAnswer(BaseModel):
    """In the shape of our own answer, so that the same client reads both."""

    trials: list[Leased]


class TellBody(BaseModel):
    """What came out."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    lease_token: str
    value: float


class Told(BaseModel):
    """Whether it was taken."""

    accepted: bool


def connect(url: str) -> Engine:
    """An engine with the server's durability; SQLite through one connection, so that writers queue here and not in the file's lock."""
    if not url.startswith("sqlite"):
        return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), pool_size=WRITERS)
    engine = sa.create_engine(url, pool_size=1, max_overflow=0, connect_args={"check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def fill(engine: Engine, study: str, rows: int) -> None:
    """Have ``rows`` completed trials of different cells."""
    metadata.create_all(engine)
    drawn = random.Random(rows).sample(range(SIZE), rows)
    done = [
        {"study": study, "cell": cell_of(number), "token": "", "state": "complete", "value": 90.0, "at": time.time()}
        for number in drawn
    ]
    with engine.begin() as connection:
        if done:
            connection.execute(sa.insert(trials), done)


def create_floor(engine: Engine) -> FastAPI:
    """The application."""
    app = FastAPI()
    insert = _INSERT[engine.dialect.name]
    threads = ThreadPoolExecutor(1 if engine.dialect.name == "sqlite" else WRITERS)
    rng = random.Random()

    async def write(work: Callable[[Connection], BaseModel]) -> Response:
        def transaction() -> BaseModel:
            with engine.begin() as connection:
                return work(connection)

        made = await asyncio.get_running_loop().run_in_executor(threads, transaction)
        return Response(made.model_dump_json(), media_type="application/json")

    @app.post("/v1/studies/{study}/ask")
    async def ask(study: str, body: AskBody) -> Response:
        def work(connection: Connection) -> AskAnswer:
            token = secrets.token_urlsafe(18)
            number = None
            while number is None:
                cell = cell_of(rng.randrange(SIZE))
                row = {"study": study, "cell": cell, "token": token, "state": "running", "at": time.time()}
                number = connection.execute(insert, row).scalar_one_or_none()
            leased = Leased(number=number, architecture={"choices": cell.split("|")}, attempt=Attempt(token=token))
            return AskAnswer(trials=[leased])

        return await write(work)

    @app.post("/v1/studies/{study}/trials/{number}/tell")
    async def tell(study: str, number: int, body: TellBody) -> Response:
        def work(connection: Connection) -> Told:
            keys = {"key": number, "held": body.lease_token, "told": body.value}
            return Told(accepted=connection.execute(_COMPLETE, keys).rowcount == 1)

        return await write(work)

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ok"}

    return app


def cell_of(number: int) -> str:
    choices = []
    for _ in POSITIONS:
        number, choice = divmod(number, len(CHOICES))
        choices.append(CHOICES[choice])
    return "|".join(choices)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    made = connect(given.database)
    metadata.create_all(made)
    uvicorn.run(create_floor(made), port=given.port, log_level="warning", access_log=False)
