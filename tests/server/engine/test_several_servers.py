"""Several server processes on one database share the fits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa

from bonanza_server.lifecycle.claim import SILENCE_S
from bonanza_server.store.database import Database
from bonanza_server.store.models import servers, studies
from tests.live import Clock, LiveServer, create_postgres_database
from tests.server.engine.fits import Fits
from tests.server.engine.searches import SOME_SWEEPS_S, UPKEEP_S, Search, until


@pytest.fixture
def two(postgres: str) -> Iterator[tuple[Search, Search]]:
    """One study as two servers on one PostgreSQL see it; ``fits`` sees those of both."""
    url = create_postgres_database(postgres, "servers")
    fits = Fits()
    with (
        LiveServer(url, executor=fits, upkeep_s=UPKEEP_S) as first,
        LiveServer(url, executor=fits, upkeep_s=UPKEEP_S) as second,
        closing(Database(url)) as database,
    ):
        one, other = (Search(server, Clock(), database, "s", fits) for server in (first, second))
        other.seed = one.seed
        yield one, other
        assert one.broken() == []


def test_they_share_the_fits_and_make_none_twice(two: tuple[Search, Search]) -> None:
    one, other = two
    one.begin()
    trials = one.ask(count=30)["trials"]
    with ThreadPoolExecutor(6) as workers:
        told = workers.map(lambda trial: two[trial["number"] % 2].tell(trial, 70.0 + trial["number"]), trials)
        list(told)
    until(lambda: other.model["lag"] == 0 and one.model["lag"] == 0)
    assert one.fits.at_once[one.seed] == 1
    assert len(one.jobs) == one.model["version"]


def test_an_ask_waits_for_the_fit_of_another(two: tuple[Search, Search]) -> None:
    one, other = two
    one.begin()
    with one.fits.held(one.seed) as gate, ThreadPoolExecutor(1) as asking:
        one.measure(1)
        one.until_refit()
        answer = asking.submit(other.ask, wait_s=30)
        time.sleep(SOME_SWEEPS_S)
        assert not answer.done()
        gate.release()
        assert answer.result(20)["model"]["lag"] == 0
    assert answer.result()["trials"][0]["origin"] == "acquisition"


def test_a_study_that_another_process_fits_is_left_to_it_until_it_is_dead(search: Search) -> None:
    search.begin()
    claim_for_another(search)
    sent = len(search.jobs)
    search.measure(1, freshness="any")
    time.sleep(SOME_SWEEPS_S)
    assert len(search.jobs) == sent
    began = time.monotonic()
    answer = search.ask(wait_s=0.3)
    assert time.monotonic() - began >= 0.3  # its fit may come
    assert answer["model"]["lag"] == 1
    search.clock.advance(SILENCE_S)
    search.until_sent(sent + 1)
    search.until_fitted()


def test_a_study_made_again_under_its_old_name_gets_no_fit_of_the_old_one(search: Search) -> None:
    search.begin()
    with search.fits.held(search.seed):
        search.measure(1)
        search.until_refit()
        assert search.server.http.delete(f"/v1/studies/{search.name}").status_code == 204
        search.study(strategy={"name": "bananas", "n_initial": 2}, seed=search.seed)
    search.measure(1)
    time.sleep(SOME_SWEEPS_S)
    assert search.model["version"] == 0
    assert [event["kind"] for event in search.events()] == ["study.created", "trial.started", "trial.completed"]
    search.measure(1)
    search.until_fitted()
    assert search.model["version"] >= 1


def claim_for_another(search: Search) -> None:
    def work(connection: sa.Connection) -> None:
        connection.execute(sa.insert(servers), {"id": "another", "alive_at": search.clock()})
        connection.execute(sa.update(studies).where(studies.c.name == search.name).values(fit_server="another"))

    search.database.write_now(work)
