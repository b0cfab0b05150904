"""How old a model an ask takes, and how long it waits for a newer one."""

from __future__ import annotations

import time

import pytest

from tests.server.engine.asks import Asks, still_waits
from tests.server.engine.searches import SOON_S, Search


def test_latest_waits_for_a_fit_of_every_result_told_before_it(search: Search, asks: Asks) -> None:
    search.begin()
    first, second = search.ask(count=2)["trials"]
    with search.fits.held(search.seed) as gate:
        search.tell(first, 71.0)
        search.until_refit()
        search.tell(second, 72.0)
        ask = asks.wait()
        gate.release()  # the fit that has read the first of the two
        search.until_refit(2)
        assert still_waits(ask)
        gate.release()
        answer = ask.result(SOON_S)
    assert answer["model"]["observations"] == 4
    assert answer["model"]["lag"] == 0
    assert answer["trials"][0]["origin"] == "acquisition"


def test_a_result_told_after_an_ask_does_not_hold_it_up(search: Search, asks: Asks) -> None:
    search.begin()
    first, second = search.ask(count=2)["trials"]
    with search.fits.held(search.seed) as gate:
        search.tell(first, 71.0)
        search.until_refit()
        ask = asks.wait()
        search.tell(second, 72.0)
        gate.release()
        answer = ask.result(SOON_S)
    assert answer["model"]["observations"] == 3
    assert answer["model"]["lag"] == 1


def test_any_never_waits_for_a_fit_where_there_is_a_pool(search: Search, asks: Asks) -> None:
    search.begin()
    with search.fits.held(search.seed):
        search.measure(2)
        search.until_refit()
        answer = asks.wait(freshness="any").result(SOON_S)
        assert answer["model"]["lag"] == 2
        assert answer["model"]["refitting"]
    assert answer["trials"][0]["origin"] == "acquisition"


@pytest.mark.parametrize("freshness", ["any", "latest"])
def test_without_a_pool_an_ask_waits_for_the_first_fit(search: Search, asks: Asks, freshness: str) -> None:
    with search.fits.held(search.seed) as gate:
        search.begin(results=2, n_initial=3)
        search.ask()
        ask = asks.wait(freshness=freshness)
        assert still_waits(ask)
        gate.release()
        assert ask.result(SOON_S)["trials"][0]["origin"] == "acquisition"


def test_max_lag_waits_only_where_more_results_are_missing(search: Search, asks: Asks) -> None:
    search.begin()
    with search.fits.held(search.seed):
        search.measure(2, freshness="any")
        search.until_refit()
        assert asks.wait(freshness={"max_lag": 2}).result(SOON_S)["model"]["lag"] == 2
        ask = asks.wait(freshness={"max_lag": 1})
        assert still_waits(ask)
    assert ask.result(SOON_S)["model"]["lag"] <= 1


def test_when_the_time_is_over_the_old_pool_serves_and_the_answer_says_so(search: Search) -> None:
    search.begin()
    version = search.model["version"]
    with search.fits.held(search.seed):
        search.measure(1)
        search.until_refit()
        began = time.monotonic()
        answer = search.ask(wait_s=0.5)
        assert 0.5 <= time.monotonic() - began < SOON_S
    assert answer["trials"][0]["origin"] == "acquisition"
    assert (answer["model"]["version"], answer["model"]["lag"]) == (version, 1)
    assert answer["model"]["refitting"]


def test_without_a_pool_the_time_over_brings_an_unseen_cell(search: Search) -> None:
    with search.fits.held(search.seed):
        search.begin(results=2, n_initial=3)
        search.ask()
        began = time.monotonic()
        answer = search.ask(wait_s=0.5)
        assert 0.5 <= time.monotonic() - began < SOON_S
    assert answer["trials"][0]["origin"] == "fallback"


def test_in_an_ordered_study_no_ask_is_served_by_a_model_that_missed_a_result(search: Search, asks: Asks) -> None:
    search.begin(consistency="ordered")
    with search.fits.held(search.seed) as gate:
        first, second = search.ask(count=2, wait_s=30)["trials"]
        search.tell(first, 71.0)
        answer = search.ask(wait_s=0.5, freshness="any")
        assert (answer["trials"], answer["reason"]) == ([], "waiting_for_results")
        ask = asks.wait(freshness="any")
        search.tell(second, 72.0)  # told after the ask came: it must be seen all the same
        gate.release()
        search.until_refit(2)
        assert still_waits(ask)
        gate.release()
        answer = ask.result(SOON_S)
    assert (answer["model"]["observations"], answer["model"]["lag"]) == (4, 0)
    assert answer["trials"][0]["origin"] == "acquisition"


def test_an_ordered_study_whose_first_trainings_all_fail_goes_on_without_a_model(search: Search) -> None:
    search.study(strategy={"name": "bananas", "n_initial": 2}, consistency="ordered", seed=search.seed)
    for trial in search.ask(count=2)["trials"]:
        search.fail(trial, "code")
    answer = search.ask(wait_s=0)
    assert [trial["origin"] for trial in answer["trials"]] == ["fallback"]
    search.tell(answer["trials"][0], 70.0)
    assert search.ask(wait_s=30)["trials"][0]["origin"] == "acquisition"
