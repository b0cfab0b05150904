"""Work of one study that waits together is one transaction; whoever fails, fails alone."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from bonanza_server.store.database import Database
from bonanza_server.store.lanes import MOST_TOGETHER
from tests.live import LiveServer

notes = sa.Table("notes", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("by", sa.String(20)))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as database:
        notes.create(database.engine)
        yield database


def rows(database: Database) -> list[int]:
    return list(
        database.read_now(lambda connection: connection.execute(sa.select(notes.c.id).order_by("id"))).scalars()
    )


class Line:
    """The lane of one study, held by a first job until ``go``, so that those given meanwhile wait together."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.transactions: list[Connection] = []
        self._go = threading.Event()

    def write(self, number: int, *, fails: type[Exception] | None = None) -> Callable[[Connection], int]:
        def work(connection: Connection) -> int:
            self.transactions.append(connection)
            connection.execute(sa.insert(notes).values(id=number, by="x"))
            if fails is not None:
                raise fails(f"job {number}")
            return number

        return work

    async def run(self, *works: Callable[[Connection], int], study: str | None = "s") -> list[Any]:
        def hold(_connection: Connection) -> None:
            assert self._go.wait(30)

        first = asyncio.ensure_future(self.database.write(hold, study=study))
        rest = [asyncio.ensure_future(self.database.write(work, study=study)) for work in works]
        await asyncio.sleep(0.05)
        self._go.set()
        await first
        return await asyncio.gather(*rest, return_exceptions=True)


def test_what_waits_together_is_committed_together_in_order(database: Database) -> None:
    line = Line(database)
    assert asyncio.run(line.run(*map(line.write, range(5)))) == list(range(5))
    assert len(line.transactions) == 5
    assert len({id(connection) for connection in line.transactions}) == 1
    assert rows(database) == list(range(5))


def test_a_crowd_is_several_transactions(database: Database) -> None:
    line = Line(database)
    asyncio.run(line.run(*map(line.write, range(2 * MOST_TOGETHER + 1))))
    sizes = [line.transactions.count(connection) for connection in dict.fromkeys(line.transactions)]
    assert sizes == [MOST_TOGETHER, MOST_TOGETHER, 1]


def test_whoever_fails_fails_alone(database: Database) -> None:
    line = Line(database)
    works = [line.write(1), line.write(2, fails=RuntimeError), line.write(3), line.write(1), line.write(4)]
    one, two, three, again, four = asyncio.run(line.run(*works))
    assert (one, three, four) == (1, 3, 4)
    assert isinstance(two, RuntimeError)
    assert isinstance(again, IntegrityError)  # the row is there, since the first of the two was committed
    assert rows(database) == [1, 3, 4]


def test_work_of_no_study_shares_no_transaction(database: Database) -> None:
    line = Line(database)
    asyncio.run(line.run(*map(line.write, range(4)), study=None))
    assert len({id(connection) for connection in line.transactions}) == 4


def test_a_job_that_nobody_wants_any_more_is_not_begun(database: Database) -> None:
    async def cancel() -> None:
        go = threading.Event()
        first = asyncio.ensure_future(database.write(lambda _: go.wait(30), study="s"))
        line = Line(database)
        unwanted = asyncio.ensure_future(database.write(line.write(1), study="s"))
        wanted = asyncio.ensure_future(database.write(line.write(2), study="s"))
        await asyncio.sleep(0.05)
        unwanted.cancel()
        await asyncio.sleep(0)
        go.set()
        await first
        assert await wanted == 2

    asyncio.run(cancel())
    assert rows(database) == [2]


def test_asks_of_a_pool_that_share_a_transaction_take_it_in_order(database_url: str, slot: Executor) -> None:
    with LiveServer(database_url, executor=slot) as server:
        server.study(strategy={"name": "bananas", "n_initial": 2, "epochs": 1}, lease={"ttl_s": 3600})
        for _ in range(2):
            server.tell(server.one(), 90.0)
        server.one(wait_s=30)  # waits for the fit
        with ThreadPoolExecutor(8) as crowd:
            body = {"wait_s": 0, "freshness": "any"}
            answers = list(crowd.map(lambda _: server.http.post("/v1/studies/s/ask", json=body).json(), range(40)))
        numbers = [trial["number"] for answer in answers for trial in answer["trials"]]
        assert sorted(numbers) == list(range(3, 43))
        events = [json.loads(line) for line in server.http.get("/v1/studies/s/events").text.splitlines()]
        started = [event["data"] for event in events if event["kind"] == "trial.started"]
        ranks = [data["fit_rank"] for data in started if data["origin"] == "acquisition"]
        assert ranks == list(range(41))
