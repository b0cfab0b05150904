"""What a fit is given: every valid result, what is under way, what must not be proposed; and nothing that depends on time."""

from __future__ import annotations

import time
from collections.abc import Callable

from bonanza_server.engine import LONGEST_BACK_OFF_S
from tests.server.engine.searches import SOON_S, Search, accuracy, fail, until


def test_cells_under_way_are_pending_and_every_cell_that_was_ever_taken_is_excluded(search: Search) -> None:
    search.begin()
    running, failed, cancelled, told = search.ask(count=4)["trials"]
    queued = search.queue({"edges": ["nor_conv_3x3"] * 6})[0]
    search.fail(failed, "code")
    search.act(cancelled, "cancel")
    before = len(search.jobs)
    search.tell(told, 75.0)
    search.until_sent(before + 1)
    job = search.jobs[-1]
    assert [number for number, _, _ in job.observations] == [0, 1, told["number"]]
    assert job.pending == [running["architecture"], queued["architecture"]]
    assert job.excluded == [search.trial(number)["arch_id"] for number in range(7)]


def test_every_value_of_a_cell_is_one_observation(search: Search) -> None:
    search.begin()
    search.act(0, "repeat", count=2)
    for value in (61.0, 62.0):
        search.tell(search.one(), value)
    search.until_fitted()
    number, architecture, values = search.jobs[-1].observations[0]
    assert (number, values) == (0, [accuracy(architecture), 61.0, 62.0])
    assert len(search.jobs[-1].observations) == 2


def test_a_result_that_is_invalidated_is_gone_from_the_next_fit_and_its_cell_is_free_again(search: Search) -> None:
    search.begin(results=3)
    cell = search.trial(0)["arch_id"]
    search.patch(0, invalidate=True)
    search.until_fitted()
    job = search.jobs[-1]
    assert [number for number, _, _ in job.observations] == [1, 2]
    assert cell not in job.excluded


def test_without_a_single_valid_result_asks_get_unseen_cells_at_once(search: Search) -> None:
    search.begin()
    for number in (0, 1):
        search.patch(number, invalidate=True)
    search.until_fitted()
    began = time.monotonic()
    trial = search.one(wait_s=30)
    assert time.monotonic() - began < SOON_S
    assert trial["origin"] == "fallback"
    assert search.model["pool"] == 0


def test_what_is_proposed_does_not_depend_on_when_fits_end_or_fail(
    search: Search, new_search: Callable[[str], Search]
) -> None:
    again = new_search(search.name + "-again")
    again.seed = search.seed
    straight = sequential(search, troubled=False)
    assert sequential(again, troubled=True) == straight


def sequential(search: Search, *, troubled: bool) -> list[str]:
    """The cells of a study with one worker; ``troubled`` by fits that fail, and by one more than the other has."""
    search.study(strategy={"name": "bananas", "n_initial": 3}, seed=search.seed, lease={"ttl_s": 86_400})
    cells = []
    for number in range(12):
        trial = search.one(wait_s=30)
        cells.append(trial["arch_id"])
        if troubled and number == 2:
            until(lambda: search.model["version"] >= 1)  # of the first two results, before the third is told
        fails = troubled and number % 4 == 3
        if fails:
            search.fits.spoil(search.seed, fail)
        search.tell(trial, accuracy(trial["architecture"]))
        if fails:
            search.until_failed(number // 4 + 1)
            search.clock.advance(LONGEST_BACK_OFF_S)
    return cells
