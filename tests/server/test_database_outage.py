"""A database that goes away under a running server, and comes back: nobody's lease is lost for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.exc import OperationalError

from tests.live import Clock, LiveServer, create_postgres_database
from tests.server.engine.searches import until

TTL_S = 60.0
UPKEEP_S = 0.05


@contextmanager
def away(postgres: str, database: str) -> Iterator[None]:
    """Nobody can connect to the database, and who was connected is thrown out."""
    name = sql.Identifier(database)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(name))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
        yield
        connection.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true").format(name))


def ready(server: LiveServer) -> bool:
    return server.http.get("/readyz").status_code == httpx.codes.OK


def test_a_lease_that_could_not_be_prolonged_gets_the_time_of_the_outage_back(postgres: str) -> None:
    url, clock = create_postgres_database(postgres, "outage"), Clock()
    database = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
    with LiveServer(url, clock=clock, fit_slots=0, upkeep_s=UPKEEP_S) as server:
        server.study(lease={"ttl_s": TTL_S})
        trial = server.one()
        beat = {"lease_token": trial["attempt"]["token"]}
        with away(postgres, database):
            until(lambda: not ready(server))
            with pytest.raises(OperationalError):
                server.look_after_leases()  # an outage between two looks would go unnoticed, and this one is over soon
            clock.advance(3 * TTL_S)
            answer = server.http.post("/v1/studies/s/trials/0/heartbeat", json=beat)
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:bonanza:problem:unavailable")
        until(lambda: ready(server))
        for _ in range(3):
            server.look_after_leases()
        assert server.trial(0)["state"] == "running"
        assert server.post("/v1/studies/s/trials/0/heartbeat", beat)["directive"] == "continue"

        clock.advance(TTL_S + 1)  # with the database there, silence is silence again
        server.look_after_leases()
        assert server.trial(0)["state"] == "pending"
