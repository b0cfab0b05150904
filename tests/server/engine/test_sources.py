"""Sources: other studies whose results a study's strategy reads, as they are when a fit is made, and recorded so that it can be made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bonanza_server.lifecycle.replay import replay
from tests.server.engine.searches import Search, accuracy
from tests.server.expect import problem
from tests.server.lab import Json, Lab

EDGES = {"kind": "edge_cell", "nodes": 5, "ops": ["none", "skip_connect", "nor_conv_3x3"]}


@pytest.fixture
def other(search: Search, new_search: Callable[[str], Search]) -> Search:
    """Another study, in another space, with four results."""
    other = new_search(search.name + "-other")
    other.study(space=EDGES, objective={"name": "error", "direction": "minimize"}, lease={"ttl_s": 86_400})
    other.measure(4)
    return other


def reading(*studies: Lab) -> dict[str, Any]:
    return {"strategy": {"name": "bonas", "n_initial": 2, "pretrain_from": [study.name for study in studies]}}


def results(read: Json) -> list[tuple[int, Json, list[float]]]:
    return [(number, architecture, values) for number, architecture, values in read["observations"]]


def test_a_fit_is_given_what_its_source_has_measured_by_then(search: Search, other: Search) -> None:
    search.begin(**reading(other))
    first = search.jobs[-1].sources
    assert [(read["study"], read["space"]["kind"], read["maximize"]) for read in first] == [
        (other.name, "edge_cell", False)
    ]
    assert results(first[0]) == [(n, t["architecture"], [accuracy(t["architecture"])]) for n, t in trials(other)]
    other.measure(1)
    assert search.model["lag"] == 0  # a result of the source is no reason to fit
    search.measure(1, wait_s=30)
    search.until_fitted()
    assert len(search.jobs[-1].sources[0]["observations"]) == 5
    assert len(search.jobs[-1].observations) == 3


def trials(lab: Lab) -> list[tuple[int, Json]]:
    return [(trial["number"], trial) for trial in lab.get("/trials")["trials"] if trial["state"] == "complete"]


def test_the_events_say_what_was_read_of_a_source_and_its_own_give_it_again(search: Search, other: Search) -> None:
    search.begin(**reading(other))
    given = search.jobs[-1].sources[0]
    recorded = search.happened("fit.published")[-1]["data"]["sources"]
    assert recorded == [{"study": other.name, "read": given["seq"]}]
    other.patch(0, invalidate=True)
    other.measure(2)
    then = replay(event for event in other.events() if event["seq"] <= recorded[0]["read"]).trials
    known = [trial for trial in then.values() if trial["state"] == "complete" and not trial["invalidated"]]
    assert [(trial["number"], trial["architecture"], [trial["value"]]) for trial in known] == results(given)


def test_a_search_goes_on_without_a_source_that_was_deleted(search: Search, other: Search) -> None:
    search.begin(**reading(other))
    other.server.http.delete(f"/v1/studies/{other.name}").raise_for_status()
    search.measure(1, wait_s=30)
    search.until_fitted()
    assert search.jobs[-1].sources == []
    assert "sources" not in search.happened("fit.published")[-1]["data"]
    body = {"objective": {"name": "accuracy", "direction": "maximize"}, "seed": search.seed}
    search.study(**body, lease={"ttl_s": 86_400}, **reading(other))  # PUT again with an equal body is the same study


def test_a_source_that_there_is_not_is_refused_with_the_nearest_name(search: Search, other: Search) -> None:
    for named, says in ((other.name + "s", repr(other.name)), ("nothing-like-it", "lists them"), (search.name, "")):
        strategy = {"name": "bonas", "pretrain_from": [other.name, named]}
        body = {"space": EDGES, "objective": {"direction": "maximize"}, "strategy": strategy}
        answer = search.server.http.put(f"/v1/studies/{search.name}", json=body)
        refusal = problem(answer, "invalid-strategy", at="/strategy/pretrain_from/1")
        assert says in refusal["detail"]
        assert search.server.http.get(f"/v1/studies/{search.name}").status_code == 404
    search.study()


def test_a_warm_start_is_from_the_same_space_or_refused_with_what_reads_others(search: Search, other: Search) -> None:
    strategy = {"name": "bonanza", "warm_start_from": [other.name]}
    body = {"objective": {"direction": "maximize"}, "lease": {"ttl_s": 86_400}, "seed": search.seed}
    elsewhere = body | {"space": {"kind": "nasbench201"}, "strategy": strategy}
    answer = search.server.http.put(f"/v1/studies/{search.name}", json=elsewhere)
    refusal = problem(answer, "invalid-strategy", at="/strategy/warm_start_from/0")
    assert '{"name": "bonas", "pretrain_from": ["' + other.name in refusal["detail"]
    search.study(**body, space=EDGES, strategy=strategy)
    assert search.get()["strategy"]["n_initial"] == 3
    search.measure(3)
    search.until_fitted()
    assert [read["study"] for read in search.happened("fit.published")[-1]["data"]["sources"]] == [other.name]
