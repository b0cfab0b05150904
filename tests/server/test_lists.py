"""Lists: pages that neither repeat nor skip, filters, tags, the best, and events as ndjson."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from bonanza.schemas import Event
from bonanza_server.reading import EVENTS_A_READ
from tests.live import LiveServer
from tests.server.expect import problem
from tests.server.lab import Lab

WIDE = {"kind": "sequence", "positions": [{"name": name, "choices": list(range(40))} for name in ("a", "b")]}


def pages(server: LiveServer, path: str, items: str, page_size: int) -> Iterator[list[dict[str, Any]]]:
    """The pages of a list until there is no next."""
    token = None
    while True:
        query = f"{'&' if '?' in path else '?'}page_size={page_size}" + (f"&page_token={token}" if token else "")
        answer = server.get(path + query)
        yield answer[items]
        token = answer["next_page_token"]
        if token is None:
            return


@pytest.mark.parametrize("page_size", [1, 3, 7, 8, 1000])
def test_pages_of_trials_are_all_trials_once_in_order(lab: Lab, page_size: int) -> None:
    lab.study()
    lab.ask(count=7)
    found = list(pages(lab.server, f"/v1/studies/{lab.name}/trials", "trials", page_size))
    assert [trial["number"] for page in found for trial in page] == list(range(7))
    assert all(len(page) == page_size for page in found[:-1])


def test_trials_that_come_while_pages_are_read_come_at_the_end(lab: Lab) -> None:
    lab.study()
    lab.ask(count=4)
    numbers = []
    for page in pages(lab.server, f"/v1/studies/{lab.name}/trials", "trials", 2):
        numbers += [trial["number"] for trial in page]
        if len(numbers) == 2:
            lab.ask(count=2)
    assert numbers == list(range(6))


def test_trials_are_filtered_by_state_origin_and_cell(lab: Lab) -> None:
    lab.study()
    trials = lab.ask(count=3)["trials"]
    lab.tell(trials[0], 90.0)
    lab.fail(trials[1], "nan")
    lab.act(trials[0], "repeat")

    def numbers(query: str) -> list[int]:
        return [trial["number"] for trial in lab.get(f"/trials?{query}")["trials"]]

    assert numbers("state=complete") == [0]
    assert numbers("state=failed") == [1]
    assert numbers("state=running") == [2]
    assert numbers("state=pruned") == []
    assert numbers("origin=initial") == [0, 1, 2]
    assert numbers("origin=repeat") == [3]
    assert numbers(f"arch_id={trials[0]['arch_id']}") == [0, 3]
    assert numbers(f"arch_id={trials[0]['arch_id']}&state=pending") == [3]
    found = list(pages(lab.server, f"/v1/studies/{lab.name}/trials?origin=initial", "trials", 2))
    assert [[trial["number"] for trial in page] for page in found] == [[0, 1], [2]]


def test_a_lease_token_is_shown_to_its_worker_and_in_no_list(lab: Lab) -> None:
    lab.study()
    held = lab.one(worker_id="gpu7:0")
    token = held["attempt"]["token"]
    for path in ("", "/trials", "/trials/0", "/best", "/events", "/trials/0/explain"):
        assert token not in lab.server.http.get(f"/v1/studies/{lab.name}{path}").text
    (listed,) = lab.get("/trials")["trials"]
    assert listed["attempt"]["worker_id"] == "gpu7:0"
    assert listed["attempt"]["expires_at"] == held["attempt"]["expires_at"]


def test_the_best_come_best_first_and_of_equals_the_earliest(lab: Lab) -> None:
    lab.study()
    trials = lab.ask(count=5)["trials"]
    for trial, value in zip(trials, (91.0, 93.0, 90.0, 93.0), strict=False):
        lab.tell(trial, value)

    def best(query: str = "") -> list[int]:
        return [trial["number"] for trial in lab.get(f"/best{query}")["trials"]]

    assert best() == [1]
    assert best("?k=3") == [1, 3, 0]
    assert best("?k=1000") == [1, 3, 0, 2]
    lab.patch(1, invalidate=True)
    assert best("?k=2") == [3, 0]


def test_the_best_of_nothing_is_an_empty_list(lab: Lab) -> None:
    lab.study()
    assert lab.get("/best?k=5")["trials"] == []


def test_studies_are_listed_by_name_in_pages_and_filtered_by_state_and_tag(server: LiveServer) -> None:
    for number, name in enumerate(("delta", "Alpha", "alpha", "b.c-d_e", "0")):
        server.study(name, tags=["even", "all"] if number % 2 == 0 else ["all"])
    server.post("/v1/studies/delta/pause")
    server.post("/v1/studies/alpha/finish")

    def names(query: str, page_size: int = 2) -> list[str]:
        found = list(pages(server, f"/v1/studies{query}", "studies", page_size))
        assert all(len(page) == page_size for page in found[:-1])
        return [study["name"] for page in found for study in page]

    everything = names("", 1000)
    assert sorted(everything) == sorted(("delta", "Alpha", "alpha", "b.c-d_e", "0"))
    for page_size in (1, 2, 5):
        assert names("", page_size) == everything
    assert sorted(names("?state=running")) == ["0", "Alpha", "b.c-d_e"]
    assert names("?state=paused") == ["delta"]
    assert names("?state=finished", 1) == ["alpha"]
    assert set(names("?tag=even")) == {"delta", "alpha", "0"}
    assert set(names("?tag=even&state=running")) == {"0"}
    assert names("?tag=" + quote("eve%")) == []
    assert set(names("?tag=all")) == set(everything)


def test_a_page_token_of_another_list_is_refused(lab: Lab) -> None:
    lab.study()
    lab.ask(count=2)
    token = lab.get("/trials?page_size=1")["next_page_token"]
    problem(lab.server.http.get(f"/v1/studies?page_token={token}"), "invalid", at="page_token")


def test_events_are_ndjson_dense_from_one_and_can_be_followed(lab: Lab) -> None:
    lab.study()
    lab.tell(lab.one(), 90.0)
    answer = lab.server.http.get(f"/v1/studies/{lab.name}/events")
    assert answer.headers["content-type"].split(";")[0] == "application/x-ndjson"
    assert answer.text.endswith("\n")
    found = [Event.model_validate_json(line) for line in answer.text.splitlines()]
    assert [event.seq for event in found] == [1, 2, 3]
    assert [event.kind for event in found] == ["study.created", "trial.started", "trial.completed"]
    later = lab.server.http.get(f"/v1/studies/{lab.name}/events?after=2").text.splitlines()
    assert [json.loads(line)["seq"] for line in later] == [3]
    assert lab.server.http.get(f"/v1/studies/{lab.name}/events?after=3").text == ""
    assert lab.server.http.get(f"/v1/studies/{lab.name}/events?after={2**53 - 1}").text == ""


def test_many_events_are_streamed_in_one_answer(lab: Lab) -> None:
    lab.study(space=WIDE)
    cells = [{"choices": [number // 40, number % 40]} for number in range(2 * EVENTS_A_READ + 1)]
    body = {"observations": [{"architecture": cell, "value": 1.0} for cell in cells]}
    assert lab.post("observations", body)["added"] == len(cells)
    lines = lab.server.http.get(f"/v1/studies/{lab.name}/events").text.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, len(cells) + 2))


def test_the_kinds_of_space_are_listed_with_examples_that_work(lab: Lab) -> None:
    lab.study()
    kinds = lab.server.get("/v1/spaces")["spaces"]
    assert {"nasbench201", "edge_cell", "sequence"} <= {kind["kind"] for kind in kinds}
    for kind in kinds:
        name = f"{lab.name[:60]}-{kind['kind']}"
        lab.server.study(name, space=kind["example"])
        assert kind["description"]
        assert lab.server.one(name)["architecture"]


def test_a_server_that_works_is_healthy_and_ready(lab: Lab) -> None:
    lab.study()
    assert lab.server.get("/healthz")["status"] == "ok"
    assert lab.server.get("/readyz")["status"] == "ready"
