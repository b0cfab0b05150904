"""/metrics: each number moves with what it counts, the scrape costs the same whatever the trials, and the dashboard asks for nothing that is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from bonanza_server.standing import read
from tests.live import Clock, LiveServer
from tests.server.engine.fits import Fits
from tests.server.engine.searches import until

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana.json"
Labels = dict[str, str]


class Scraped:
    """What one scrape said."""

    def __init__(self, server: LiveServer) -> None:
        answer = server.http.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        self.names: set[str] = set()
        self.labels: dict[str, set[str]] = {}
        self._values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                self.names.add(sample.name)
                self.labels.setdefault(sample.name, set()).update(sample.labels)
                self._values[sample.name, frozenset(sample.labels.items())] = sample.value

    def __call__(self, name: str, **labels: str) -> float:
        return self._values.get((name, frozenset(labels.items())), 0.0)


@pytest.fixture(scope="module")
def fits() -> Fits:
    """Fits of a millisecond."""
    return Fits()


@pytest.fixture(scope="module")
def clock() -> Clock:
    """The server's."""
    return Clock()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, fits: Fits, clock: Clock) -> Iterator[LiveServer]:
    """One server for all tests here."""
    url = f"sqlite:///{tmp_path_factory.mktemp('metrics')}/s.db"
    with LiveServer(url, executor=fits, clock=clock, upkeep_s=3600) as live:
        yield live


def test_asks_tells_fits_and_leases_are_counted(server: LiveServer, fits: Fits, clock: Clock) -> None:
    before = Scraped(server)

    def grown(name: str, **labels: str) -> float:
        return Scraped(server)(name, **labels) - before(name, **labels)

    server.study("a", strategy={"name": "bananas", "n_initial": 2}, seed=1, lease={"ttl_s": 60, "heartbeat_s": 20})
    held = [server.one("a"), server.one("a")]
    for trial, value in zip(held, (90.0, 91.0), strict=True):
        server.tell(trial, value, "a")
    server.tell(held[1], 91.0, "a")  # again
    modelled = server.one("a", wait_s=50)
    assert modelled["origin"] == "acquisition"
    server.tell(modelled, name="a", outcome="failed", error={"kind": "code", "message": "x"})
    assert grown("bonanza_asked_trials_total", origin="initial") == 2
    assert grown("bonanza_asked_trials_total", origin="acquisition") == 1
    assert grown("bonanza_ask_seconds_count", origin="initial") == 2
    assert grown("bonanza_tells_total", outcome="complete", became="new") == 2
    assert grown("bonanza_tells_total", outcome="complete", became="duplicate") == 1
    assert grown("bonanza_tells_total", outcome="failed", became="new") == 1
    assert grown("bonanza_tell_seconds_count") == 4
    assert grown("bonanza_fits_total", ended="published") >= 1
    assert grown("bonanza_fit_seconds_count") == grown("bonanza_fits_total", ended="published")
    server.one("a", wait_s=50)
    clock.advance(100)
    server.look_after_leases()
    assert grown("bonanza_leases_expired_total") == 1
    assert grown("bonanza_http_requests_total", status="2xx") >= 8
    server.post("/v1/studies/nowhere/ask", {}, status=404)
    assert grown("bonanza_http_requests_total", status="4xx") == 1


def test_cells_that_the_study_has_and_samples_without_a_model_are_counted(server: LiveServer, fits: Fits) -> None:
    before = Scraped(server)
    six = {
        "kind": "sequence",
        "positions": [{"name": "depth", "choices": [1, 2]}, {"name": "width", "choices": [16, 32, 64]}],
    }
    server.study("b", space=six, strategy={"name": "bananas", "n_initial": 5}, seed=2)
    for _ in range(5):
        server.tell(server.one("b"), 90.0, "b")
    with fits.held(2):
        assert server.one("b", freshness="any")["origin"] in {"fallback", "acquisition"}
    after = Scraped(server)
    assert after("bonanza_duplicates_avoided_total") > before("bonanza_duplicates_avoided_total")


def test_how_things_stand_is_read_at_the_scrape(server: LiveServer, fits: Fits) -> None:
    before = Scraped(server)
    server.study("c", strategy={"name": "bananas", "n_initial": 1}, seed=3)
    server.tell(server.one("c"), 90.0, "c")
    trial = server.one("c", wait_s=50)
    with fits.held(3):
        server.tell(trial, 91.0, "c")
        until(lambda: Scraped(server)("bonanza_fits_running") >= 1)  # it is held, and so is what it has not seen
        lagging = Scraped(server)
        assert lagging("bonanza_model_lag_results") >= 1
        assert lagging("bonanza_models_behind") >= 1
    server.post("/v1/studies/c/pause")
    slots = [{"name": "gpu0", "state": "evaluating"}, {"name": "gpu1", "state": "quarantined"}]
    server.http.put("/v1/workers/box", json={"study": "c", "state": "running", "slots": slots}).raise_for_status()
    after = Scraped(server)
    assert after("bonanza_studies", state="paused") - before("bonanza_studies", state="paused") == 1
    assert after("bonanza_trials", state="complete") - before("bonanza_trials", state="complete") == 2
    assert after("bonanza_workers", state="running") == 1
    assert after("bonanza_worker_slots", state="quarantined") == 1
    assert after("bonanza_database_up") == 1


def test_a_scrape_reads_no_table_that_grows_with_the_trials(server: LiveServer) -> None:
    said: list[str] = []
    database = server.app.state.service.database

    def look(connection: sa.Connection) -> None:
        sa.event.listen(connection, "before_cursor_execute", lambda *args: said.append(args[2]))
        read(connection, 0.0)

    database.read_now(look)
    assert 0 < len(said) <= 3
    assert [
        table
        for table in ("trials", "attempts", "events", "reports")
        if re.search(rf"(FROM|JOIN) {table}\b", " ".join(said))
    ] == []


def test_the_dashboard_asks_only_for_metrics_and_labels_that_are_there(server: LiveServer) -> None:
    there = Scraped(server)
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) > 20
    for expression in expressions:
        metrics = re.findall(r"(\w+)\{([^}]*)\}", expression)
        assert metrics, expression
        for name, matchers in metrics:
            assert name in there.names, expression
            asked = set(re.findall(r"(\w+)\s*(?:=~|!=|=)", matchers)) - {"job"}
            asked |= set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", expression)))) - {"le"}
            assert asked <= there.labels[name], expression
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
