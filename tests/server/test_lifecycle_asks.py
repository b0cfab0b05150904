"""Asks: what they start, in which order, within which budget; and why they come back short."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.lab import SIX_CELLS, THREE_CELLS, TTL, Json, Lab

BANANAS = {"name": "bananas", "n_initial": 4}


def why(answer: Json) -> tuple[int, str | None, bool]:
    """How many trials an ask brought, why no more, and whether asking again is of use."""
    return len(answer["trials"]), answer["reason"], answer["retry_after_s"] is not None


def test_numbers_are_dense_and_no_cell_comes_twice(lab: Lab) -> None:
    lab.study()
    numbers = [*lab.numbers(64), *lab.numbers(1), *lab.numbers(20)]
    assert numbers == list(range(85))
    cells = {trial["arch_id"] for trial in lab.get("/trials?page_size=1000")["trials"]}
    assert len(cells) == 85


def test_max_trials_bounds_what_ask_starts(lab: Lab) -> None:
    lab.study(budget={"max_trials": 3})
    answer = lab.ask(count=5)
    assert why(answer) == (3, "budget_reached", True)
    for trial in answer["trials"]:
        assert why(lab.ask()) == (0, "budget_reached", True)
        lab.tell(trial, 90.0)
    assert why(lab.ask()) == (0, "budget_reached", False)


def test_a_trial_within_the_budget_may_be_started_again(lab: Lab) -> None:
    lab.study(budget={"max_trials": 2})
    first, second = lab.ask(count=2)["trials"]
    lab.release(first)
    assert lab.numbers(2) == [first["number"]]
    lab.pass_time(TTL)
    assert sorted(lab.numbers(9)) == [0, 1]
    lab.act(second, "cancel")
    lab.act(second, "retry")
    assert lab.numbers(9) == [1]


def test_a_queued_trial_that_was_never_started_does_not_exceed_the_budget(lab: Lab) -> None:
    lab.study(space=SIX_CELLS, budget={"max_trials": 1})
    first = lab.one()
    lab.release(first)
    lab.queue(*[{"choices": [depth, 64]} for depth in (1, 2)], priority=7)
    assert why(lab.ask(count=3)) == (1, "budget_reached", True)
    assert lab.trial(0)["state"] == "running"


def test_results_beyond_the_budget_are_counted(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    trials = lab.ask(count=3)["trials"]
    lab.pass_time(TTL)
    lab.change(budget={"max_trials": 1})
    for trial in trials:
        assert lab.tell(trial, 90.0)["late"] is True
    assert lab.get()["trials"]["complete"] == 3
    assert why(lab.ask()) == (0, "budget_reached", False)
    lab.change(budget={"max_trials": 4})
    assert why(lab.ask(count=2)) == (1, "budget_reached", True)


def test_imported_results_use_nothing_of_the_budget(lab: Lab) -> None:
    lab.study(space=SIX_CELLS, budget={"max_trials": 2})
    lab.post("observations", {"observations": [{"architecture": {"choices": [1, 16]}, "value": 1.0}]})
    assert why(lab.ask(count=3)) == (2, "budget_reached", True)


@pytest.mark.parametrize(("direction", "values"), [("maximize", [80.0, 89.9, 90.0]), ("minimize", [100.0, 90.1, 90.0])])
def test_a_target_that_is_reached_ends_the_search(lab: Lab, direction: str, values: list[float]) -> None:
    lab.study(objective={"name": "x", "direction": direction}, budget={"target": 90.0})
    for value in values:
        lab.tell(lab.one(), value)
    assert why(lab.ask()) == (0, "budget_reached", False)
    lab.patch(2, invalidate=True)
    assert why(lab.ask()) == (1, None, False)


def test_max_seconds_ends_the_search(lab: Lab) -> None:
    lab.study(budget={"max_seconds": 1000})
    lab.clock.advance(999.5)
    trial = lab.one()
    lab.clock.advance(0.5)
    assert why(lab.ask()) == (0, "budget_reached", True)
    assert lab.tell(trial, 90.0)["accepted"] is True
    assert why(lab.ask()) == (0, "budget_reached", False)


def test_max_parallel_bounds_the_live_leases(lab: Lab) -> None:
    lab.study(budget={"max_parallel": 2})
    answer = lab.ask(count=3, worker_id="a")
    assert why(answer) == (2, "waiting_for_results", True)
    first, second = answer["trials"]
    assert why(lab.ask()) == (0, "waiting_for_results", True)
    lab.tell(first, 90.0)
    assert lab.numbers(2) == [2]
    lab.release(second)
    assert lab.numbers(2) == [1]
    assert len(lab.ask(count=2, worker_id="a", reuse=True)["trials"]) == 0
    lab.pass_time(TTL)
    assert lab.numbers(3) == [1, 2]


def test_a_paused_study_starts_nothing_until_it_is_resumed(lab: Lab) -> None:
    lab.study()
    lab.release(lab.one())
    assert lab.post("pause", {"reason": "the power bill"})["state_reason"] == "the power bill"
    assert why(lab.ask()) == (0, "paused", True)
    before = lab.events()
    lab.post("pause")
    assert lab.events() == before
    lab.post("resume")
    assert lab.one()["number"] == 0


def test_a_finished_study_starts_nothing_until_it_is_reopened(lab: Lab) -> None:
    lab.study()
    lab.post("finish")
    assert why(lab.ask()) == (0, "finished", False)
    assert lab.post("pause", status=409)["state"] == "finished"
    lab.post("resume")
    assert why(lab.ask()) == (1, None, False)


@pytest.mark.parametrize(
    "strategy", [{"name": "random"}, {"name": "bananas", "n_initial": 2}], ids=["random", "bananas"]
)
def test_a_space_that_is_used_up_says_so(lab: Lab, strategy: Json) -> None:
    lab.study(space=THREE_CELLS, strategy=strategy)
    trials = lab.ask(count=5)["trials"]
    assert sorted(trial["architecture"]["choices"][0] for trial in trials) == [16, 32, 64]
    assert why(lab.ask()) == (0, "space_exhausted", True)
    lab.fail(trials[0], "code")
    lab.act(trials[1], "cancel")
    lab.tell(trials[2], 90.0)
    assert why(lab.ask()) == (0, "space_exhausted", False)
    lab.act(trials[1], "retry")
    assert lab.numbers(2) == [trials[1]["number"]]


def cells(trials: list[Json]) -> list[Any]:
    return [(trial["architecture"], trial["seed"]) for trial in sorted(trials, key=lambda trial: trial["number"])]


def test_the_initial_design_depends_only_on_seed_and_number(lab: Lab) -> None:
    lab.study(strategy={"name": "bananas", "n_initial": 12}, seed=7)
    at_once = lab.ask(count=12)["trials"]
    name, lab.name = lab.name, lab.name[:90] + "-again"
    lab.study(strategy={"name": "bananas", "n_initial": 12}, seed=7, description="another study, slower workers")
    one_by_one = []
    for turn in range(12):
        one_by_one += lab.ask(worker_id=f"w{turn}")["trials"]
        lab.pass_time(1)
        if turn % 3 == 0:
            lab.tell(one_by_one[-1], float(turn))
    assert cells(one_by_one) == cells(at_once)
    lab.name = lab.name[:90] + "-other"
    lab.study(strategy={"name": "bananas", "n_initial": 12}, seed=8)
    other = cells(lab.ask(count=12)["trials"])
    assert not {str(cell) for cell in other} & {str(cell) for cell in cells(at_once)}
    lab.name = name


def test_imported_and_queued_trials_count_towards_the_initial_design(lab: Lab) -> None:
    lab.study(space=SIX_CELLS, strategy=BANANAS)
    given = [{"architecture": {"choices": [1, width]}, "value": 1.0} for width in (16, 32)]
    lab.post("observations", {"observations": given})
    lab.queue({"choices": [1, 64]})
    got = lab.ask(count=3)["trials"]
    assert [trial["origin"] for trial in got] == ["queue", "initial", "fallback"]


def test_after_the_initial_design_a_study_without_a_model_falls_back_to_unseen_cells(lab: Lab) -> None:
    lab.study(strategy=BANANAS)
    got = lab.ask(count=6)["trials"]
    assert [trial["origin"] for trial in got] == ["initial"] * 4 + ["fallback"] * 2
    assert all(trial["prediction"] is None for trial in got)
