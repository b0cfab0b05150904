"""First come, first served, and nobody is left waiting for what will not come."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.engine.asks import Asks, numbers, still_waits
from tests.server.engine.searches import SOON_S, Search, until


def test_a_fit_serves_those_who_wait_in_the_order_they_came(search: Search, asks: Asks) -> None:
    search.begin()
    with search.fits.held(search.seed):
        search.measure(1)
        search.until_refit()
        waiting = [asks.wait() for _ in range(8)]
    assert [numbers(ask.result(SOON_S)) for ask in waiting] == [[number] for number in range(3, 11)]


def test_a_result_lets_the_first_in_line_go_and_nobody_else(search: Search, asks: Asks) -> None:
    search.study(budget={"max_parallel": 2}, seed=search.seed)
    running = search.ask(count=2)["trials"]
    waiting = [asks.wait() for _ in range(4)]
    assert still_waits(waiting[0])
    search.tell(running[0], 70.0)
    assert numbers(waiting[0].result(SOON_S)) == [2]
    assert still_waits(waiting[1])
    search.tell(running[1], 70.0)
    assert numbers(waiting[1].result(SOON_S)) == [3]
    search.change(budget={"max_parallel": 4})
    assert [numbers(ask.result(SOON_S)) for ask in waiting[2:]] == [[4], [5]]


def test_whoever_asks_for_many_gets_the_place_that_is_free(search: Search, asks: Asks) -> None:
    search.study(budget={"max_parallel": 2}, seed=search.seed)
    running = search.ask(count=2)["trials"]
    many, one = asks.wait(count=5), asks.wait()
    search.tell(running[0], 70.0)
    answer = many.result(SOON_S)
    assert (numbers(answer), answer["reason"]) == ([2], "waiting_for_results")
    assert still_waits(one)
    search.release(running[1])
    assert numbers(one.result(SOON_S)) == [running[1]["number"]]


def test_a_queued_cell_goes_to_the_first_in_line(search: Search, asks: Asks) -> None:
    search.begin()
    with search.fits.held(search.seed):
        search.measure(1)
        search.until_refit()
        waiting = [asks.wait() for _ in range(2)]
        [queued] = search.queue({"edges": ["nor_conv_3x3"] * 6})
        assert numbers(waiting[0].result(SOON_S)) == [queued["number"]]
        assert still_waits(waiting[1])


def test_a_lease_that_runs_out_goes_to_the_first_in_line(search: Search, asks: Asks) -> None:
    search.study(budget={"max_parallel": 1}, seed=search.seed, lease={"ttl_s": 1})
    lost = search.one()
    waiting = [asks.wait() for _ in range(2)]
    search.clock.advance(1)
    assert numbers(waiting[0].result(SOON_S)) == [lost["number"]]
    search.tell(waiting[0].result()["trials"][0], 70.0)
    assert numbers(waiting[1].result(SOON_S)) == [1]


@pytest.mark.parametrize(("verb", "reason"), [("pause", "paused"), ("finish", "finished")])
def test_a_study_that_stops_answers_all_who_wait(search: Search, asks: Asks, verb: str, reason: str) -> None:
    search.study(budget={"max_parallel": 1}, seed=search.seed)
    search.one()
    waiting = [asks.wait() for _ in range(5)]
    search.post(verb)
    assert [ask.result(SOON_S)["reason"] for ask in waiting] == [reason] * 5
    search.post("resume")
    assert asks.wait(wait_s=0).result(SOON_S)["reason"] == "waiting_for_results"


def test_the_last_trial_of_a_budget_sends_the_others_home(search: Search, asks: Asks) -> None:
    search.study(budget={"max_parallel": 1, "max_trials": 2}, seed=search.seed)
    trial = search.one()
    waiting = [asks.wait() for _ in range(3)]
    search.tell(trial, 70.0)
    [last] = waiting[0].result(SOON_S)["trials"]
    assert all(still_waits(ask) for ask in waiting[1:])  # the last may fail, and come back
    search.tell(last, 70.0)
    assert [ask.result(SOON_S)["reason"] for ask in waiting[1:]] == ["budget_reached"] * 2


def test_a_study_that_is_deleted_tells_those_who_wait(search: Search, asks: Asks) -> None:
    search.study(budget={"max_parallel": 1}, seed=search.seed)
    search.one()
    body = {"wait_s": 30}
    path = f"/v1/studies/{search.name}/ask"
    with ThreadPoolExecutor(1) as threads:
        ask = threads.submit(search.server.http.post, path, json=body)
        until(lambda: asks.in_line() == 1)
        assert search.server.http.delete(f"/v1/studies/{search.name}").status_code == 204
        assert ask.result(SOON_S).status_code == 404
    search.study()  # for the fixture to look at


def test_a_study_whose_time_is_over_sends_those_who_wait_home(search: Search, asks: Asks) -> None:
    search.study(budget={"max_parallel": 1, "max_seconds": 100}, seed=search.seed)
    search.one()
    waiting = [asks.wait() for _ in range(3)]
    search.clock.advance(100)
    assert [ask.result(SOON_S)["reason"] for ask in waiting] == ["budget_reached"] * 3


def test_a_target_that_is_reached_sends_those_who_wait_home(search: Search, asks: Asks) -> None:
    search.study(budget={"max_parallel": 2, "target": 90.0}, seed=search.seed)
    trial, _ = search.ask(count=2)["trials"]
    waiting = [asks.wait() for _ in range(3)]
    search.tell(trial, 91.0)
    assert [ask.result(SOON_S)["reason"] for ask in waiting] == ["budget_reached"] * 3
