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

NEVER_S = 3600.0
"""Between two looks of an ask that nobody wakes: whoever is answered was told of the other server."""


def until_they_hear_each_other(*searches: Search) -> None:
    bulletins = [search.server.app.state.bulletin for search in searches]
    until(lambda: all(bulletin.listening.is_set() and not bulletin.alone for bulletin in bulletins))


@pytest.fixture
def two(postgres: str) -> Iterator[tuple[Search, Search]]:
    """One study as two servers on one PostgreSQL see it; ``fits`` sees those of both."""
    url = create_postgres_database(postgres, "servers")
    fits = Fits()
    with (
        LiveServer(url, executor=fits, upkeep_s=UPKEEP_S, poll_s=NEVER_S) as first,
        LiveServer(url, executor=fits, upkeep_s=UPKEEP_S, poll_s=NEVER_S) as second,
        closing(Database(url)) as database,
    ):
        one, other = (Search(server, Clock(), database, "s", fits) for server in (first, second))
        other.seed = one.seed
        until_they_hear_each_other(one, other)
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


def test_an_ask_is_woken_by_whatever_happens_at_another(two: tuple[Search, Search]) -> None:
    one, other = two
    one.begin(results=1, n_initial=50, budget={"max_parallel": 1})
    with ThreadPoolExecutor(1) as asking:
        for happens in (
            lambda held: one.tell(held, 71.0),
            one.release,
            lambda held: one.act(held, "cancel"),
            lambda held: one.change(budget={"max_parallel": 2}),
            lambda held: one.post("pause"),
        ):
            held = one.one()
            answer = asking.submit(other.ask, wait_s=50)
            until(lambda: bool(other.server.app.state.waiting.waiting("s")))
            happens(held)
            came = answer.result(40)
            assert came["trials"] or came["reason"] == "paused"
            for trial in came["trials"]:
                other.tell(trial, 70.0)


def test_a_server_that_cannot_hear_the_others_polls_until_it_hears_them_again(postgres: str) -> None:
    url, fits = create_postgres_database(postgres, "deaf"), Fits()
    with (
        LiveServer(url, executor=fits, poll_s=NEVER_S) as first,
        LiveServer(url, executor=fits, poll_s=0.2) as second,
        closing(Database(url)) as database,
        ThreadPoolExecutor(1) as asking,
    ):
        one, other = (Search(server, Clock(), database, "s", fits) for server in (first, second))
        until_they_hear_each_other(one, other)
        one.begin(results=1, n_initial=50, budget={"max_parallel": 1})
        for search, asks in ((one, other), (other, one)):
            held = search.one()
            answer = asking.submit(asks.ask, wait_s=50)
            until(lambda: bool(asks.server.app.state.waiting.waiting("s")))  # noqa: B023 - used at once
            if asks is other:
                database.write_now(lambda connection: connection.execute(CUT))
            else:
                until_they_hear_each_other(one, other)
            search.tell(held, 71.0)
            (trial,) = answer.result(40)["trials"]
            asks.tell(trial, 70.0)


CUT = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = 'bonanza bulletin'"
)


def test_a_pool_that_another_server_has_drawn_from_is_not_tried_cell_by_cell(two: tuple[Search, Search]) -> None:
    one, other = two
    one.begin()
    other.ask(freshness="any")  # so that it has the pool at its beginning
    one.ask(count=40, freshness="any")
    statements: list[str] = []
    engine = other.server.app.state.service.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert other.ask(freshness="any")["trials"][0]["origin"] == "acquisition"
    assert sum("INSERT INTO trials" in statement for statement in statements) <= 3


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
