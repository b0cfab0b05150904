"""Spaces over HTTP: kinds with their schemas, samples, checks and pictures; bounded, and never in the way of an ask."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator

from bonanza.schemas import SampleAnswer, SampleRequest, ValidateAnswer, ValidateRequest
from bonanza.spaces import draw, space_from_spec, space_kinds
from bonanza_server import catalogue
from bonanza_server.catalogue import Catalogue
from bonanza_server.errors import Refused
from bonanza_server.examples import BODIES
from bonanza_server.executor import LocalExecutor
from tests.live import LiveServer
from tests.server.expect import problem

NB201 = {"kind": "nasbench201"}
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
SLOW = {"kind": "edge_cell", "nodes": 12, "ops": ["none", "skip_connect", "a"]}
"""Some milliseconds a cell."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('spaces')}/studies.db", fit_slots=0) as live:
        yield live


def refused(work: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        work()
    return caught.value


def test_every_kind_is_described_with_schemas_that_take_its_example_and_its_samples(site: LiveServer) -> None:
    listed = site.get("/v1/spaces")["spaces"]
    assert [kind["kind"] for kind in listed] == [kind.name for kind in space_kinds()]
    for short in listed:
        found = site.get(f"/v1/spaces/{short['kind']}")
        assert short == {name: found[name] for name in ("kind", "description", "example")}
        Draft202012Validator(found["spec_schema"]).validate(found["example"])
        drawn = site.post("/v1/spaces/sample", {"space": found["example"], "count": 2})["architectures"]
        for item in drawn:
            Draft202012Validator(found["architecture_schema"]).validate(item["architecture"])


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("nasbench202", "nasbench201"),
        ("NASBench201", "nasbench201"),
        ("sample", None),
        ("x" * 5_000, None),
        ("%00", None),
    ],
)
def test_a_kind_that_is_none_is_answered_with_those_there_are(name: str, nearest: str | None, site: LiveServer) -> None:
    body = problem(site.http.get(f"/v1/spaces/{name}"), "not-found", says='"edge_cell"')
    assert body["kinds"] == [kind.name for kind in space_kinds()]
    assert body["nearest"] == nearest
    assert (f'did you mean "{nearest}"?' in body["detail"]) == (nearest is not None)
    assert len(body["detail"]) < 1_000


def test_a_method_that_a_path_does_not_have_is_answered_with_those_it_has(site: LiveServer) -> None:
    for path, allowed in (("sample", "POST"), ("nasbench201", "GET")):
        answer = site.http.delete(f"/v1/spaces/{path}")
        problem(answer, "method-not-allowed", says=f"only {allowed}")
        assert answer.headers["allow"] == allowed


def test_a_sample_depends_on_its_seed_alone_and_a_smaller_one_is_its_beginning(site: LiveServer) -> None:
    def draws(**fields: Any) -> list[Any]:
        answer = site.post("/v1/spaces/sample", {"space": NB201} | fields)
        assert answer["reason"] is None
        found: list[Any] = answer["architectures"]
        return found

    many = draws(count=1_000, seed=3)
    assert len(many) == 1_000
    assert draws(count=20, seed=3) == many[:20]
    assert draws(seed=3) == many[:1]
    assert draws(count=20, seed=4) != many[:20]
    space = space_from_spec(NB201)
    for item in many[:50]:
        arch = space.validate(item["architecture"])
        assert item == {"architecture": arch.json, "text": arch.text, "arch_id": arch.arch_id}


def test_an_architecture_is_answered_in_its_normal_form_with_what_it_costs(site: LiveServer) -> None:
    arch = space_from_spec(NB201).validate(CELL)
    answer = site.post("/v1/spaces/validate", {"space": NB201, "architecture": CELL})
    cost = arch.space.cost(arch)
    assert cost is not None
    expected = {"architecture": arch.json, "text": CELL, "arch_id": arch.arch_id, "svg": None} | cost._asdict()
    assert answer == {"space": NB201, "architectures": [expected], "reason": None}
    preset = {
        "kind": "edge_cell",
        "nodes": 4,
        "ops": BODIES["SpaceKindSchemas"]["architecture_schema"]["properties"]["edges"]["items"]["enum"],
    }
    assert site.post("/v1/spaces/validate", {"space": preset, "architectures": [arch.json, CELL]}) == {
        "space": NB201,
        "architectures": [expected, expected],
        "reason": None,
    }


def test_a_cost_that_no_formula_gives_is_null(site: LiveServer) -> None:
    space = {"kind": "edge_cell", "nodes": 2, "ops": ["mine"]}
    (found,) = site.post("/v1/spaces/validate", {"space": space, "architecture": {"edges": ["mine"]}})["architectures"]
    assert (found["parameters"], found["flops"]) == (None, None)


@pytest.mark.parametrize("simplified", [False, True])
def test_the_picture_comes_on_request_and_is_the_one_the_library_draws(simplified: bool, site: LiveServer) -> None:
    body = {"space": NB201, "architecture": CELL, "draw": True, "simplified": simplified}
    (found,) = site.post("/v1/spaces/validate", body)["architectures"]
    ET.fromstring(found["svg"])
    assert found["svg"] == draw(space_from_spec(NB201).validate(CELL), simplified=simplified)


def test_the_examples_of_the_documentation_are_true(site: LiveServer) -> None:
    for name, path in (("Sample", "sample"), ("Validate", "validate")):
        assert site.post(f"/v1/spaces/{path}", BODIES[f"{name}Request"]) == BODIES[f"{name}Answer"]


@pytest.mark.parametrize(
    ("path", "body", "slug", "at"),
    [
        ("sample", {}, "invalid", "/space"),
        ("sample", {"space": "nasbench201"}, "invalid", "/space"),
        ("sample", {"space": {}}, "invalid-space", "/space/kind"),
        ("sample", {"space": {"kind": "nasbench202"}}, "invalid-space", "/space/kind"),
        ("sample", {"space": {"kind": "edge_cell", "nodes": 1, "ops": ["a"]}}, "invalid-space", "/space/nodes"),
        *(("sample", {"space": NB201, "count": bad}, "invalid", "/count") for bad in (0, 1_001, "3", 1.5, True, None)),
        *(("sample", {"space": NB201, "seed": bad}, "invalid", "/seed") for bad in (-1, 2**53, "7")),
        ("sample", {"space": NB201, "n": 5}, "invalid", "/n"),
        ("validate", {"space": NB201}, "invalid", ""),
        ("validate", {"space": NB201, "architecture": CELL, "architectures": [CELL]}, "invalid", ""),
        ("validate", {"space": NB201, "architectures": []}, "invalid", "/architectures"),
        ("validate", {"space": NB201, "architectures": [CELL] * 101}, "invalid", "/architectures"),
        ("validate", {"space": NB201, "architecture": 7}, "invalid", "/architecture"),
        ("validate", {"space": NB201, "architecture": CELL, "draw": "yes"}, "invalid", "/draw"),
        ("validate", {"space": {"kind": 7}, "architecture": CELL}, "invalid-space", "/space/kind"),
        ("validate", {"space": NB201, "architecture": {}}, "invalid-architecture", "/architecture/edges"),
        ("validate", {"space": NB201, "architecture": "|a~0|"}, "invalid-architecture", "/architecture"),
        (
            "validate",
            {"space": NB201, "architectures": [CELL, {"edges": ["x"] * 6}]},
            "invalid-architecture",
            "/architectures/1/edges/0",
        ),
    ],
)
def test_what_is_wrong_is_pointed_at(path: str, body: Any, slug: str, at: str, site: LiveServer) -> None:
    problem(site.http.post(f"/v1/spaces/{path}", json=body), slug, at=at)


def test_every_architecture_that_is_wrong_is_named(site: LiveServer) -> None:
    values = [CELL, {"edges": ["x"] * 6}, CELL, {"edges": []}, "|"]
    body = {"space": NB201, "architectures": values}
    found = problem(site.http.post("/v1/spaces/validate", json=body), "invalid-architecture", says="(and 2 more")
    pointers = [error["pointer"] for error in found["errors"]]
    assert pointers == ["/architectures/1/edges/0", "/architectures/3/edges", "/architectures/4"]


def test_asks_are_answered_while_a_slow_space_is_sampled(site: LiveServer) -> None:
    site.study("beside")
    answers: list[httpx.Response] = []

    def sample() -> None:
        answers.append(site.http.post("/v1/spaces/sample", json={"space": SLOW, "count": 1_000}))

    thread = threading.Thread(target=sample)
    thread.start()
    time.sleep(0.05)
    for _ in range(10):
        assert len(site.ask("beside")["trials"]) == 1
    assert not answers, "the sample is still under way"
    thread.join()
    found = answers[0].json()
    assert answers[0].status_code == 200
    assert (len(found["architectures"]) == 1_000) == (found["reason"] is None)


@pytest.mark.parametrize(("bound", "reason"), [("CPU_S", "time_limit"), ("MOST_BYTES", "size_limit")])
def test_an_answer_that_would_be_too_much_stops_and_says_why(
    bound: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, bound, -1)
    sampled = SampleAnswer.model_validate_json(catalogue.sample(SampleRequest(space=NB201, count=5)))
    assert (len(sampled.architectures), sampled.reason) == (1, reason)
    request = ValidateRequest(space=NB201, architectures=[CELL, CELL])
    validated = ValidateAnswer.model_validate_json(catalogue.validate(request))
    assert (len(validated.architectures), validated.reason) == (1, reason)
    alone = SampleAnswer.model_validate_json(catalogue.sample(SampleRequest(space=NB201)))
    assert (len(alone.architectures), alone.reason) == (1, None), "one was asked for, and nothing is missing"


def test_work_that_does_not_end_is_killed_and_the_next_request_is_served() -> None:
    positions = [{"name": f"p{k}", "choices": [1, 2]} for k in range(1_000)]  # seconds, on any machine
    with LocalExecutor(1, deadline_seconds=0.5, preload=("bonanza_server.catalogue",)) as executor:
        found = Catalogue(executor)
        much = SampleRequest(space={"kind": "sequence", "positions": positions}, count=1_000)
        error = refused(lambda: asyncio.run(found.sample(much)))
        assert (error.slug, error.errors[0][0]) == ("invalid", "/space")
        assert "in Python" in error.detail
        assert len(json.loads(asyncio.run(found.sample(SampleRequest(space=NB201))))["architectures"]) == 1
        wrong = refused(lambda: asyncio.run(found.sample(SampleRequest(space={"kind": "x"}))))
        assert (wrong.slug, wrong.errors[0][0]) == ("invalid-space", "/space/kind")


class Never(Executor):
    """Takes every job and ends none."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future()


def test_requests_beyond_a_line_are_sent_away_with_when_to_come_again() -> None:
    async def crowd() -> None:
        found = Catalogue(Never())
        request = SampleRequest(space=NB201)
        line = [asyncio.ensure_future(found.sample(request)) for _ in range(catalogue.MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Refused) as caught:
            await found.sample(request)
        assert (caught.value.slug, caught.value.members) == ("unavailable", {"retry_after_s": 2})
        line[0].cancel()
        await asyncio.gather(line[0], return_exceptions=True)
        waits = asyncio.ensure_future(found.sample(request))
        await asyncio.sleep(0)
        assert not waits.done(), "who left has made room"
        for task in (waits, *line):
            task.cancel()
        await asyncio.gather(waits, *line, return_exceptions=True)

    asyncio.run(crowd())
