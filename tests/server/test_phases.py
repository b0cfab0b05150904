"""The phases of a study: a random baseline before the search, the best cells confirmed after it, repeats as one group."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import closing

import pytest

from bonanza_server.store.database import Database
from tests.live import Clock, LiveServer, create_postgres_database
from tests.server.expect import problem
from tests.server.lab import SIX_CELLS, TWENTY_CELLS, Json, Lab

PHASES = {"baseline": {"cells": 4}, "confirm": {"top": 2, "seeds": 3}}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def fitting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, slot: Executor
) -> Iterator[tuple[LiveServer, Clock, Database]]:
    """A server that fits."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('phases')}/studies.db"
    else:
        url = create_postgres_database(request.getfixturevalue("postgres"), "phases")
    clock = Clock()
    with LiveServer(url, clock=clock, executor=slot, upkeep_s=3600) as server, closing(Database(url)) as database:
        yield server, clock, database


@pytest.fixture
def lab(fitting: tuple[LiveServer, Clock, Database], request: pytest.FixtureRequest) -> Iterator[Lab]:
    server, clock, database = fitting
    lab = Lab(server, clock, database, re.sub(r"[^A-Za-z0-9.-]+", "-", request.node.name)[-100:].strip("-"))
    yield lab
    assert lab.broken() == []


def worth(trial: Json) -> float:
    depth, width = trial["architecture"]["choices"]
    return 60.0 + 3 * depth + width / 32


def run(lab: Lab, noise: float = 0.0) -> list[Json]:
    """Ask and tell until nothing more comes; the trials in the order they were given."""
    given = []
    while True:
        answer = lab.ask(wait_s=30)
        if not answer["trials"]:
            assert answer["reason"] == "budget_reached"
            return given
        (trial,) = answer["trials"]
        lab.tell(trial, worth(trial) + noise * (trial["seed"] % 7 - 3))
        given.append(trial)


def test_one_budget_is_baseline_then_search_then_confirmation(lab: Lab) -> None:
    study = lab.study(space=TWENTY_CELLS, budget={"max_trials": 18}, phases=PHASES)
    assert study["phase"] == "baseline"
    given = run(lab)
    assert [trial["phase"] for trial in given] == ["baseline"] * 4 + ["search"] * 8 + ["confirm"] * 6
    assert {trial["origin"] for trial in given[-6:]} == {"confirm"}
    searched = {trial["arch_id"]: worth(trial) for trial in given[:-6]}
    best = sorted(searched, key=lambda cell: -searched[cell])[:2]
    assert Counter(trial["arch_id"] for trial in given[-6:]) == dict.fromkeys(best, 3)
    assert len({trial["seed"] for trial in given}) == 18
    assert lab.get()["phase"] == "confirm"


def test_the_baseline_is_a_function_of_the_seed_alone_and_measures_again_what_is_there(lab: Lab) -> None:
    phases = {"baseline": {"cells": 12, "seed": 5}}
    cells = []
    for name, before in (("plain", 0), ("late", 6)):
        lab.name = f"{lab.name[-80:]}-{name}"
        lab.study(space=SIX_CELLS, seed=3)
        for trial in lab.ask(count=before)["trials"] if before else []:
            lab.tell(trial, worth(trial))
        lab.change(phases=phases)
        drawn = lab.ask(count=12)["trials"]
        assert {(trial["phase"], trial["origin"], trial["seed"]) for trial in drawn} == {("baseline", "baseline", 5)}
        cells.append([trial["arch_id"] for trial in drawn])
        for trial in drawn:
            lab.tell(trial, worth(trial))
    assert cells[0] == cells[1]
    assert len(set(cells[0])) < 12  # six cells: some were drawn twice, and measured twice
    assert all(trial["repeat_of"] is not None for trial in drawn)


def test_a_search_without_an_end_is_confirmed_by_hand_and_goes_on_with_a_changed_budget(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS)
    problem(lab.server.http.post(f"/v1/studies/{lab.name}/confirm"), "conflict")
    for _ in range(5):
        trial = lab.one()
        lab.tell(trial, worth(trial))
    lab.post("confirm", {"top": 1, "seeds": 2, "first_seed": 40})
    confirmed = [lab.one(wait_s=30) for _ in range(2)]
    assert [(trial["phase"], trial["seed"]) for trial in confirmed] == [("confirm", 40), ("confirm", 41)]
    for trial in confirmed:
        lab.tell(trial, worth(trial))
    assert lab.ask()["reason"] == "budget_reached"
    lab.change(budget={"max_trials": 9})
    assert lab.one()["phase"] == "search"


def test_a_target_ends_the_search_and_not_the_confirmation(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, budget={"target": 1.0}, phases={"confirm": {"top": 1, "seeds": 2}})
    first, second = lab.ask(count=2)["trials"]
    lab.tell(first, worth(first))
    assert lab.ask()["reason"] == "waiting_for_results"
    lab.tell(second, outcome="failed", error={"kind": "code"})
    assert [trial["phase"] for trial in run(lab)] == ["confirm"] * 2
    assert {trial["repeat_of"] for trial in lab.get("/trials")["trials"]} == {None, first["number"]}


def test_a_study_without_a_result_confirms_nothing(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, budget={"max_trials": 3}, phases={"confirm": {"top": 1, "seeds": 1}})
    for trial in lab.ask(count=2)["trials"]:
        lab.tell(trial, outcome="failed", error={"kind": "code"})
    assert lab.ask()["reason"] == "budget_reached"


def test_the_best_cell_is_the_one_that_all_its_measurements_say_is(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS)
    lucky, solid = lab.ask(count=2)["trials"]
    lab.tell(lucky, 90.0)
    lab.tell(solid, 89.0)
    [first] = lab.get("/best?k=1")["trials"]
    assert (first["number"], first["posterior"]["count"], first["posterior"]["std"]) == (lucky["number"], 1, None)
    for trial, values in ((lucky, (85.0, 86.0)), (solid, (89.5, 89.1))):
        lab.act(trial, "repeat", count=2)
        for value in values:
            lab.tell(lab.one(), value)
    best, other = lab.get("/best?k=5")["trials"]
    assert (best["number"], best["posterior"]["count"]) == (solid["number"], 3)
    assert best["posterior"]["mean"] == pytest.approx(89.2)
    assert best["posterior"]["low"] < 89.2 < best["posterior"]["high"]
    assert other["posterior"]["mean"] == pytest.approx(87.0)


def test_a_repeat_by_another_protocol_is_measured_and_kept_from_the_model_and_the_best(lab: Lab) -> None:
    lab.study(space=TWENTY_CELLS, protocol={"name": "mine", "epochs": 5, "objective": "last"})
    trial = lab.one()
    assert trial["epoch"] == "last"
    lab.tell(trial, 70.0)
    lab.act(trial, "repeat", protocol={"name": "mine", "epochs": 50, "objective": "best"})
    again = lab.one()
    assert (again["protocol"]["epochs"], again["epoch"]) == (50, "best")
    assert again["protocol_hash"] != trial["protocol_hash"]
    lab.tell(again, 99.0)
    [best] = lab.get("/best?k=5")["trials"]
    assert (best["value"], best["posterior"]["count"]) == (70.0, 1)
    assert lab.get()["best"]["value"] == 70.0
    assert lab.get("/model")["lag"] == 1


def test_phases_that_leave_nothing_to_search_with_are_refused(lab: Lab) -> None:
    body: Json = {
        "space": SIX_CELLS,
        "objective": {"name": "a", "direction": "maximize"},
        "budget": {"max_trials": 10},
        "phases": PHASES,
    }
    path = f"/v1/studies/{lab.name}"
    assert "nothing is left" in problem(lab.server.http.put(path, json=body), "invalid")["detail"]
    lab.study(space=SIX_CELLS, budget={"max_trials": 10})
    etag = lab.server.http.get(path).headers["ETag"]
    answer = lab.server.http.patch(path, json={"phases": PHASES}, headers={"If-Match": etag})
    problem(answer, "invalid", at="/phases")
    lab.tell(lab.one(), 70.0)
    answer = lab.server.http.post(path + "/confirm", json={"top": 5, "seeds": 3})
    assert "the budget leaves 9" in problem(answer, "conflict")["detail"]
