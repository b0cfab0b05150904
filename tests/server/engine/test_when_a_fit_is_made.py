"""When the engine fits: coalesced, one at a time a study, and only where a fit would change what an ask gets."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.engine.searches import SOME_SWEEPS_S, SOON_S, Search, accuracy


def test_tells_that_come_during_a_fit_are_all_in_the_one_after_it(search: Search) -> None:
    search.begin(results=2)
    trials = search.ask(count=6)["trials"]
    before = len(search.jobs)
    with search.fits.held(search.seed):
        search.tell(trials[0], 71.0)
        search.until_sent(before + 1)
        for place, trial in enumerate(trials[1:]):
            search.tell(trial, 72.0 + place)
        assert search.model["refitting"]
        assert search.model["lag"] == 6
    search.until_fitted()
    assert [len(job.observations) for job in search.jobs[before:]] == [3, 8]


def test_a_study_has_one_fit_at_a_time_however_many_tell(search: Search) -> None:
    search.begin()
    trials = search.ask(count=40)["trials"]
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda trial: search.tell(trial, accuracy(trial["architecture"])), trials))
    search.until_fitted()
    assert search.fits.at_once[search.seed] == 1
    assert len(search.jobs[-1].observations) == 42
    assert len(search.happened("fit.published")) == len(search.jobs) == search.model["version"]


def test_a_long_fit_of_one_study_holds_up_no_other(search: Search, new_search: Callable[[str], Search]) -> None:
    other = new_search(search.name + "-other")
    search.begin()
    other.begin()
    with search.fits.held(search.seed):
        search.measure(1)
        search.until_refit()
        began = time.monotonic()
        for _ in range(3):
            [trial] = other.measure(1, wait_s=30)
            assert trial["origin"] == "acquisition"
        other.until_fitted()
        assert search.one(wait_s=30, freshness="any")["origin"] == "acquisition"
        assert time.monotonic() - began < SOON_S
        assert search.model["refitting"]


def test_nothing_is_fitted_before_the_initial_design_is_handed_out(search: Search) -> None:
    search.begin(results=3, n_initial=5)
    time.sleep(SOME_SWEEPS_S)
    assert search.jobs == []
    search.measure(2)
    search.until_fitted()
    assert len(search.jobs[-1].observations) == 5


def test_a_strategy_without_a_model_never_fits(search: Search) -> None:
    search.study(strategy={"name": "random"}, seed=search.seed)
    for _ in range(10):
        search.measure(3, wait_s=30)
    time.sleep(SOME_SWEEPS_S)
    assert search.jobs == []
    assert search.model["version"] == 0


def test_a_budget_that_is_used_up_needs_no_fit_until_there_is_more(search: Search) -> None:
    search.begin(budget={"max_trials": 4})
    before = len(search.jobs)
    search.measure(2)
    time.sleep(SOME_SWEEPS_S)
    assert len(search.jobs) == before
    search.change(budget={"max_trials": 5})
    search.until_fitted()
    assert len(search.jobs[-1].observations) == 4


@pytest.mark.parametrize("budget", [{"target": 60.0}, {"max_seconds": 10.0}])
def test_a_study_that_is_over_needs_no_fit(search: Search, budget: dict[str, float]) -> None:
    search.study(strategy={"name": "bananas", "n_initial": 2}, seed=search.seed, budget=budget)
    trials = search.ask(count=2)["trials"]
    search.clock.advance(11)
    for trial in trials:
        search.tell(trial, accuracy(trial["architecture"]))
    time.sleep(SOME_SWEEPS_S)
    assert search.jobs == []


def test_a_paused_study_is_fitted_when_it_goes_on(search: Search) -> None:
    search.begin()
    [trial] = search.ask()["trials"]
    before = len(search.jobs)
    search.post("pause")
    search.tell(trial, 75.0)
    time.sleep(SOME_SWEEPS_S)
    assert len(search.jobs) == before
    search.post("resume")
    search.until_fitted()
    assert len(search.jobs) == before + 1
