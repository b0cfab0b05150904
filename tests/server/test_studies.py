"""Studies over HTTP: created once, changed under a revision, paused, finished, reopened, deleted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from bonanza.schemas import Study
from tests.live import NB201, LiveServer
from tests.server.expect import problem
from tests.server.lab import Lab

SPEC: dict[str, Any] = {
    "space": NB201,
    "objective": {"name": "accuracy", "direction": "maximize"},
    "strategy": {"name": "random"},
}


def put(lab: Lab, **fields: Any) -> httpx.Response:
    return lab.server.http.put(f"/v1/studies/{lab.name}", json=SPEC | fields)


def patch(lab: Lab, etag: str, **fields: Any) -> httpx.Response:
    return lab.server.http.patch(f"/v1/studies/{lab.name}", json=fields, headers={"If-Match": etag})


def etag(lab: Lab) -> str:
    return lab.server.http.get(f"/v1/studies/{lab.name}").headers["ETag"]


def test_a_study_is_created_once_and_got_by_an_equal_body(lab: Lab) -> None:
    first = put(lab, seed=7)
    assert first.status_code == 201
    assert Study.model_validate(first.json()).name == lab.name
    lab.tell(lab.one(), 90.0)
    again = put(lab, seed=7)
    assert again.status_code == 200
    assert again.json()["trials"]["complete"] == 1
    assert again.json()["created_at"] == first.json()["created_at"]
    assert again.headers["ETag"] == first.headers["ETag"] == etag(lab)


@pytest.mark.parametrize(
    "same",
    [
        {"objectives": [{"name": "accuracy", "direction": "maximize"}], "objective": None},
        {"budget": {}, "lease": {}, "tags": [], "description": "", "protocol": None},
        {"lease": {"ttl_s": 60, "heartbeat_s": 20}},
        {"space": {"kind": "nasbench201"}, "seed": 0.0},
    ],
)
def test_a_body_that_says_the_same_in_other_words_is_the_same_study(lab: Lab, same: dict[str, Any]) -> None:
    put(lab)
    assert put(lab, **same).status_code == 200


def test_what_is_left_out_has_the_documented_default(lab: Lab) -> None:
    made = lab.server.http.put(
        f"/v1/studies/{lab.name}", json={"space": NB201, "objective": {"direction": "minimize"}}
    ).json()
    assert made["strategy"]["name"] == "bonanza"
    assert made["strategy"]["n_initial"] == 10
    assert made["objective"] == {"name": "accuracy", "direction": "minimize", "bounds": None}
    assert made["lease"] == {"ttl_s": 60.0, "heartbeat_s": 20.0, "max_attempts": 3, "trial_timeout_s": None}
    assert made["budget"]["max_failures"] == 20
    assert (made["seed"], made["tags"], made["state"], made["revision"]) == (0, [], "running", 1)


@pytest.mark.parametrize(
    ("fields", "differ"),
    [
        ({"seed": 8}, ["seed"]),
        ({"space": {"kind": "edge_cell", "nodes": 3, "ops": ["a", "b"]}}, ["space"]),
        ({"strategy": {"name": "bananas"}, "tags": ["x"]}, ["strategy", "tags"]),
        ({"objective": {"name": "accuracy", "direction": "minimize"}}, ["objectives"]),
        ({"protocol": {"epochs": 12}, "description": "d"}, ["description", "protocol"]),
        ({"budget": {"max_trials": 5}, "lease": {"ttl_s": 30}}, ["budget", "lease"]),
    ],
)
def test_a_body_that_differs_is_refused_with_what_differs(lab: Lab, fields: dict[str, Any], differ: list[str]) -> None:
    put(lab)
    body = problem(put(lab, **fields), "study-exists-different", says="PATCH it to change budget, lease, tags")
    assert sorted(body["differences"]) == sorted(differ)
    assert sorted(error["pointer"] for error in body["errors"]) == sorted(f"/{field}" for field in differ)
    assert all(difference["exists"] != difference["sent"] for difference in body["differences"].values())


def test_of_many_that_create_a_study_at_once_one_does(lab: Lab) -> None:
    with ThreadPoolExecutor(8) as clients:
        statuses = sorted(answer.status_code for answer in clients.map(lambda _: put(lab), range(8)))
    assert statuses == [200] * 7 + [201]
    assert [event["kind"] for event in lab.events()] == ["study.created"]


def test_a_change_is_made_to_the_study_as_it_was_read(lab: Lab) -> None:
    put(lab)
    read = etag(lab)
    changed = patch(lab, read, budget={"max_trials": 5}, tags=["a", "b"], description="new")
    assert (changed.status_code, changed.json()["revision"]) == (200, 2)
    assert changed.headers["ETag"] == etag(lab) == '"2"'
    assert (lab.get()["budget"]["max_trials"], lab.get()["tags"], lab.get()["description"]) == (5, ["a", "b"], "new")
    stale = problem(patch(lab, read, tags=["late"]), "stale-revision", says="GET it again")
    assert stale["revision"] == 2
    assert lab.get()["tags"] == ["a", "b"]


def test_a_change_to_what_is_there_already_is_none(lab: Lab) -> None:
    put(lab, tags=["a"])
    assert patch(lab, etag(lab), tags=["a"]).json()["revision"] == 1
    assert patch(lab, 'W/"1"').json()["revision"] == 1
    assert [event["kind"] for event in lab.events()] == ["study.created"]


def test_results_do_not_change_the_revision_so_that_a_busy_study_can_be_changed(lab: Lab) -> None:
    put(lab)
    read = etag(lab)
    lab.tell(lab.one(), 90.0)
    assert patch(lab, read, budget={"max_trials": 3}).status_code == 200


def test_of_many_that_change_a_study_at_once_one_does(lab: Lab) -> None:
    put(lab)
    read = etag(lab)
    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(lambda number: patch(lab, read, description=str(number)), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
    assert lab.get()["revision"] == 2


def test_a_study_is_paused_resumed_finished_and_reopened_with_reasons(lab: Lab) -> None:
    put(lab)
    assert lab.post("pause", {"reason": "the disk is full"})["state"] == "paused"
    assert (lab.get()["state"], lab.get()["state_reason"]) == ("paused", "the disk is full")
    assert lab.post("pause")["state_reason"] == "the disk is full"  # doing it twice changes nothing
    assert lab.post("resume")["state"] == "running"
    assert lab.post("finish", {"reason": "good enough"})["state"] == "finished"
    problem(lab.server.http.post(f"/v1/studies/{lab.name}/pause"), "conflict", says="resume it first")
    assert lab.post("resume")["state"] == "running"
    kinds = [event["kind"] for event in lab.events()]
    assert kinds == ["study.created", "study.paused", "study.resumed", "study.finished", "study.resumed"]


def test_a_deleted_study_is_gone_and_its_name_is_free(server: LiveServer) -> None:
    server.study(tags=["old"])
    server.study("kept")
    server.tell(server.one(), 90.0)
    held = server.one()
    assert server.http.delete("/v1/studies/s").status_code == 204
    for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/trials"), ("GET", "/events"), ("POST", "/ask")]:
        problem(server.http.request(method, f"/v1/studies/s{path}"), "not-found")
    problem(
        server.http.post("/v1/studies/s/trials/1/tell", json={"lease_token": held["attempt"]["token"], "value": 1}),
        "not-found",
    )
    assert [study["name"] for study in server.get("/v1/studies")["studies"]] == ["kept"]
    assert server.study()["tags"] == []
    assert server.one()["number"] == 0


def test_the_space_comes_with_a_study_but_not_with_a_list(lab: Lab) -> None:
    assert put(lab).json()["space"]["kind"] == "nasbench201"
    assert lab.get()["space"]["kind"] == "nasbench201"
    listed = lab.server.get("/v1/studies?page_size=1000")["studies"]
    assert all(study["space"] is None for study in listed)


def test_the_best_trial_comes_with_its_cell(lab: Lab) -> None:
    put(lab)
    assert lab.get()["best"] is None
    trials = [lab.one() for _ in range(3)]
    for trial, value in zip(trials, (90.0, 92.0, 91.0), strict=True):
        lab.tell(trial, value)
    best = {"number": trials[1]["number"], "value": 92.0, "architecture": trials[1]["architecture"]}
    assert lab.get()["best"] == best
    listed = lab.server.get("/v1/studies?page_size=1000")["studies"]
    assert [study["best"] for study in listed if study["name"] == lab.name] == [best]


def test_what_a_client_wrote_comes_back_as_it_was(lab: Lab) -> None:
    protocol = {"épochs": 200, "deep": [[1, 2.5, None, True, "\U0001f3b0 \\u0000 \n"]], "big": 2**70, "tiny": 5e-324}
    put(lab, protocol=protocol, description="Größe ≥ 3\n\ttabs", tags=["a b", "日本"])
    study = lab.get()
    assert study["protocol"] == protocol
    assert (study["description"], study["tags"]) == ("Größe ≥ 3\n\ttabs", ["a b", "日本"])


def test_what_is_nested_deeply_but_not_too_deeply_comes_back(lab: Lab) -> None:
    deep: Any = "bottom"
    for _ in range(95):
        deep = {"a": [deep]}
    put(lab, protocol=deep)
    assert lab.get()["protocol"] == deep
