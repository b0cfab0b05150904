"""One server of each database for all tests of the lifecycle: each has a study of its own there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from bonanza_server.store.database import Database
from tests.live import Clock, LiveServer, create_postgres_database
from tests.server.lab import Lab


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LiveServer, Clock, Database]]:
    """A server that fits nothing and looks after leases only when a test says so."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('shared')}/studies.db"
    else:
        url = create_postgres_database(request.getfixturevalue("postgres"), "shared")
    clock = Clock()
    with LiveServer(url, clock=clock, fit_slots=0, upkeep_s=3600) as server, closing(Database(url)) as database:
        yield server, clock, database


@pytest.fixture
def lab(shared: tuple[LiveServer, Clock, Database], request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A study named after the test; when the test is over its tables must agree with its events and with each other."""
    server, clock, database = shared
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", request.node.name)[-100:].strip("-")
    lab = Lab(server, clock, database, name)
    yield lab
    assert lab.broken() == []
