"""A fit that raises, crashes, hangs or is dropped costs nothing but freshness."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bonanza_server.engine import LONGEST_BACK_OFF_S
from bonanza_server.executor import LocalExecutor
from bonanza_server.store.database import Database
from bonanza_server.store.models import studies
from tests.live import Clock, LiveServer
from tests.server.engine.fits import Fits, Perilous
from tests.server.engine.searches import SOME_SWEEPS_S, SOON_S, UPKEEP_S, Search, fail


def test_the_last_pool_goes_on_serving_and_the_failure_is_told(search: Search) -> None:
    search.begin()
    version = search.model["version"]
    search.fits.spoil(search.seed, fail)
    search.measure(1)
    search.until_failed(1)
    model = search.model
    assert (model["version"], model["lag"], model["degraded"]) == (version, 1, False)
    assert model["last_error"] == "ValueError: the matrix is singular"
    [event] = search.happened("fit.failed")
    assert event["data"] == {"error": model["last_error"], "in_a_row": 1}
    began = time.monotonic()
    trial = search.one(wait_s=30)
    assert time.monotonic() - began < SOON_S
    assert trial["origin"] == "acquisition"
    assert search.get(f"/trials/{trial['number']}/explain")["model_version"] == version


def test_it_is_tried_again_by_itself_after_pauses_that_double(search: Search) -> None:
    search.begin()
    search.fits.spoil(search.seed, fail, fail, fail, fail)
    search.measure(1)
    for failures in (1, 2, 3, 4):
        search.until_failed(failures)
        sent = len(search.jobs)
        search.clock.advance(2**failures - 0.5)
        time.sleep(SOME_SWEEPS_S)
        assert len(search.jobs) == sent
        search.clock.advance(0.5)
        search.until_sent(sent + 1)
    search.until_fitted()
    assert search.model["last_error"] is None


def test_after_three_failures_no_ask_waits_any_more_until_a_fit_succeeds(search: Search) -> None:
    search.fits.spoil(search.seed, fail, fail, fail)
    search.study(strategy={"name": "bananas", "n_initial": 2}, seed=search.seed, lease={"ttl_s": 86_400})
    search.measure(2)
    for failures in (1, 2, 3):
        assert not search.model["degraded"]
        search.until_failed(failures)
        if failures < 3:
            search.clock.advance(2**failures)
    with search.fits.held(search.seed):
        search.clock.advance(2**3)
        search.until_sent(4)  # and held: an ask that waited for it would wait in vain
        began = time.monotonic()
        answer = search.ask(wait_s=30)
        assert time.monotonic() - began < SOON_S
        assert [trial["origin"] for trial in answer["trials"]] == ["fallback"]
        assert answer["model"]["degraded"]
        assert answer["model"]["refitting"]
        assert search.get()["model"]["degraded"]
    search.until_fitted()
    answer = search.ask(wait_s=30)
    assert [trial["origin"] for trial in answer["trials"]] == ["acquisition"]
    assert not answer["model"]["degraded"]


def test_after_thousands_of_failures_it_is_tried_every_five_minutes(search: Search) -> None:
    search.begin()
    search.database.write_now(
        lambda connection: connection.execute(
            sa.update(studies).where(studies.c.name == search.name).values(fit_failures=5_000)
        )
    )
    search.fits.spoil(search.seed, fail)
    search.measure(1)
    search.until_failed(1)
    sent = len(search.jobs)
    search.clock.advance(LONGEST_BACK_OFF_S - 1)
    time.sleep(SOME_SWEEPS_S)
    assert len(search.jobs) == sent
    search.clock.advance(1)
    search.until_fitted()
    assert search.model["last_error"] is None


@pytest.mark.parametrize(
    ("peril", "said"),
    [
        (partial(os._exit, 7), "JobCrashed: the process of the job was ended by exit code 7"),
        (partial(time.sleep, 3600), "JobTimedOut: the job was killed after its deadline of 1.5 s"),
    ],
    ids=["crashes", "hangs"],
)
def test_a_process_that_dies_or_hangs_is_replaced_and_the_fit_made_again(
    peril: Callable[[], object], said: str, tmp_path: Path
) -> None:
    local = LocalExecutor(1, deadline_seconds=1.5, preload=("tests.server.engine.fits",))
    clock, url = Clock(), f"sqlite:///{tmp_path}/studies.db"
    with (
        LiveServer(url, clock=clock, executor=Perilous(local, peril), upkeep_s=UPKEEP_S) as server,
        closing(Database(url)) as database,
    ):
        search = Search(server, clock, database, "s", Fits())
        search.study(strategy={"name": "bananas", "n_initial": 2}, lease={"ttl_s": 86_400})
        search.measure(2)
        search.until_failed(1)
        assert search.model["last_error"] == said
        clock.advance(2)
        search.until_fitted()
        assert search.one()["origin"] == "acquisition"
        assert search.broken() == []


def test_a_fit_that_its_executor_drops_counts_as_failed(tmp_path: Path) -> None:
    class Dropping(Executor):
        """Cancels what it was given, as a cluster's client does that lost its scheduler."""

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            return future

    clock, url = Clock(), f"sqlite:///{tmp_path}/studies.db"
    with (
        LiveServer(url, clock=clock, executor=Dropping(), upkeep_s=UPKEEP_S) as server,
        closing(Database(url)) as database,
    ):
        search = Search(server, clock, database, "s", Fits())
        search.study(strategy={"name": "bananas", "n_initial": 2})
        search.measure(2)
        search.until_failed(1)
        assert search.model["last_error"].startswith("FitDropped")
