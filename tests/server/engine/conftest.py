"""A server on each database whose fits are the tests' to hold and to spoil; each test has a study of its own there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from bonanza_server.store.database import Database
from tests.live import Clock, LiveServer, create_postgres_database
from tests.server.engine.asks import Asks
from tests.server.engine.fits import Fits
from tests.server.engine.searches import UPKEEP_S, Search


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_search(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Search]]:
    """A function that gives the study of a name on the one server."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('engine')}/studies.db"
    else:
        url = create_postgres_database(request.getfixturevalue("postgres"), "engine")
    clock, fits = Clock(), Fits()
    with LiveServer(url, clock=clock, executor=fits, upkeep_s=UPKEEP_S) as server, closing(Database(url)) as database:
        yield lambda name: Search(server, clock, database, name, fits)


@pytest.fixture
def search(new_search: Callable[[str], Search], request: pytest.FixtureRequest) -> Iterator[Search]:
    """A study named after the test; afterwards its tables agree with its events."""
    search = new_search(re.sub(r"[^A-Za-z0-9.-]+", "-", request.node.name)[-90:].strip("-"))
    yield search
    assert search.broken() == []


@pytest.fixture
def asks(search: Search) -> Iterator[Asks]:
    """Asks of the study, each on a thread of its own."""
    with ThreadPoolExecutor(16) as threads:
        yield Asks(search, threads)
