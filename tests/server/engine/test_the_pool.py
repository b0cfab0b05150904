"""The proposals of the newest fit: filled up, explained, and there at once after a restart."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from bonanza_server.engine import POOL_SIZE, TOP_UP_BELOW
from bonanza_server.lifecycle.modelling import kendall_tau
from bonanza_server.store.database import Database
from tests.live import Clock, LiveServer
from tests.server.engine.fits import Fits, quick_fit
from tests.server.engine.searches import SOME_SWEEPS_S, UPKEEP_S, Search, accuracy, until
from tests.server.lab import SIX_CELLS


def test_it_is_filled_up_below_a_quarter_without_a_new_result(search: Search) -> None:
    search.begin()
    before = len(search.jobs)
    for _ in range(4):
        search.ask(count=(POOL_SIZE - TOP_UP_BELOW) // 4)
    time.sleep(SOME_SWEEPS_S)
    assert search.model["pool"] == TOP_UP_BELOW
    assert len(search.jobs) == before
    search.one()
    until(lambda: search.model["pool"] == POOL_SIZE)
    assert len(search.jobs) == before + 1
    assert search.jobs[-1].observations == search.jobs[-2].observations
    assert len(search.jobs[-1].pending) == POOL_SIZE - TOP_UP_BELOW + 1
    assert search.one()["origin"] == "acquisition"


def test_a_space_that_is_nearly_used_up_is_not_fitted_over_and_over(search: Search) -> None:
    search.begin(space=SIX_CELLS)
    search.measure(1)
    search.until_fitted()
    before = len(search.jobs)
    assert search.model["pool"] == 3
    assert [trial["origin"] for trial in search.ask(count=3)["trials"]] == ["acquisition"] * 3
    assert search.ask(wait_s=0)["reason"] == "space_exhausted"
    time.sleep(SOME_SWEEPS_S)
    assert len(search.jobs) == before


def test_a_trial_keeps_its_prediction_its_rank_and_what_was_not_taken(search: Search) -> None:
    search.begin(results=3)
    proposals = quick_fit(search.jobs[-1]).proposals
    version = search.model["version"]
    taken = search.ask(count=2)["trials"]
    for rank, trial in enumerate(taken):
        expected = proposals[rank]
        assert trial["origin"] == "acquisition"
        assert trial["arch_id"] == expected["arch_id"]
        assert trial["prediction"] == {"mean": expected["mean"], "std": expected["std"]}
        why = search.get(f"/trials/{trial['number']}/explain")
        assert (why["model_version"], why["rank"]) == (version, rank)
        assert (why["mean"], why["std"], why["acquisition"]) == tuple(
            expected[name] for name in ("mean", "std", "acquisition")
        )
        assert why["alternatives"] == proposals[rank + 1 : rank + 6]
        assert why["pending"] == [earlier["number"] for earlier in taken[:rank]]
    published = search.happened("fit.published")[-1]
    assert why["read_sequence"] == published["data"]["read"]
    assert search.get("/trials/0/explain")["model_version"] is None


def test_the_model_tells_what_its_predictions_were_worth(search: Search) -> None:
    search.begin()
    trials = search.measure(12)
    predicted = [trial["prediction"]["mean"] for trial in trials]
    told = [accuracy(trial["architecture"]) for trial in trials]
    model = search.model
    assert model["predictions"] == 12
    assert model["rank_correlation"] == pytest.approx(scipy.stats.kendalltau(predicted, told).statistic)


def test_a_restarted_server_asks_from_the_pool_at_once_and_fits_nothing(new_database: Callable[[], str]) -> None:
    url, fits, idle = new_database(), Fits(), Fits()
    with LiveServer(url, executor=fits) as server, closing(Database(url)) as database:
        search = Search(server, Clock(), database, "s", fits)
        search.begin()
        before = [search.one()["arch_id"] for _ in range(3)]
        version = search.model["version"]
    with LiveServer(url, executor=idle, upkeep_s=UPKEEP_S) as server:
        answer = server.ask(wait_s=0)
        expected = quick_fit(fits.jobs[-1]).proposals
        assert [*before, answer["trials"][0]["arch_id"]] == [expected[rank]["arch_id"] for rank in range(4)]
        assert answer["model"] == {
            "version": version,
            "observations": 2,
            "lag": 0,
            "refitting": False,
            "degraded": False,
        }
        assert server.get("/v1/studies/s/trials/5/explain")["rank"] == 3
        time.sleep(SOME_SWEEPS_S)
    assert idle.jobs == []


def test_a_fit_that_a_stopped_server_left_undone_is_made_by_the_next_without_being_asked(
    new_database: Callable[[], str],
) -> None:
    url, fits = new_database(), Fits()
    with LiveServer(url, executor=fits) as server, closing(Database(url)) as database:
        search = Search(server, Clock(), database, "s", fits)
        search.begin()
        with fits.held(search.seed):
            search.measure(1)
            search.until_refit()
            server.__exit__()
    with LiveServer(url, executor=Fits(), upkeep_s=UPKEEP_S) as server:
        until(lambda: server.get("/v1/studies/s/model")["lag"] == 0)


@given(
    st.integers(0, 12).flatmap(
        lambda n: st.tuples(*[st.lists(st.integers(-3, 3).map(float), min_size=n, max_size=n)] * 2)
    )
)
def test_the_rank_correlation_is_the_one_of_scipy(pair: tuple[list[float], list[float]]) -> None:
    tau = kendall_tau(*pair)
    expected = scipy.stats.kendalltau(*pair).statistic if len(pair[0]) > 1 else float("nan")
    assert tau == pytest.approx(expected) if tau is not None else math.isnan(expected)
