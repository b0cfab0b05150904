"""Bad input: each gets a clear problem that points at what is wrong, and the study is as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import NB201
from tests.server.desk import CELL, Desk, Raw, invalid, watched
from tests.server.expect import problem
from tests.server.lab import Lab

SPEC = {"space": NB201, "objective": {"direction": "maximize"}}
ONE_OP = {"kind": "edge_cell", "nodes": 4, "ops": ["conv"]}


@pytest.fixture
def desk(lab: Lab) -> Iterator[Desk]:
    """A study with a result and a trial under way, which no test here may change."""
    yield from watched(lab)


def test_a_body_that_is_no_json_is_refused_with_the_place(desk: Desk) -> None:
    for text in [
        "{",
        "nope",
        "{'wait_s': 0}",
        '{"wait_s": 0,}',
        '{"wait_s": 0} {}',
        '{"worker_id": "a\tb"}',
        "\ufeff{}",
        '{"worker_id": "\\ud800"}',
        '{"worker_id": "\\udc00\\ud800"}',
        "[" * 100_000,
        '{"a":' * 300 + "0" + "}" * 300,
        '{"count": ' + "9" * 5_000 + "}",
    ]:
        body = problem(desk.send("POST", "/ask", Raw(text)), "malformed", says="cannot be read as JSON")
        assert "line 1 column" in body["detail"]
    for content in (b'{"worker_id": "\xff"}', '{"wait_s": 0}'.encode("utf-16")):
        answer = desk.lab.server.http.post(
            f"/v1/studies/{desk.lab.name}/ask", content=content, headers={"Content-Type": "application/json"}
        )
        problem(answer, "malformed")


def test_a_body_that_is_no_object_is_refused(desk: Desk) -> None:
    for text in ("[]", "0", '"a"', "true", "null", ""):
        for method, path in [("POST", "/queue"), ("PUT", ""), ("PATCH", f"/trials/{desk.number}")]:
            says = "is missing" if text == "" else "must be a JSON object"
            problem(desk.send(method, path, Raw(text), **{"If-Match": '"1"'}), "invalid", says=f"the body: {says}")


def test_a_space_that_is_not_valid_makes_no_study(desk: Desk) -> None:
    space = "invalid-space"
    positions = [{"name": "width", "choices": [16, 32]}]
    desk.refuses(
        "PUT",
        "/v1/studies/never",
        [
            (SPEC | {"space": given}, (slug, pointer))
            for given, slug, pointer in [
                ({"kind": "nasbench202"}, space, "/space/kind"),
                ({}, space, "/space/kind"),
                ({"kind": ["nasbench201"]}, space, "/space/kind"),
                ({"kind": "nasbench201", "nodes": 5}, space, "/space/nodes"),
                ({"kind": "edge_cell"}, space, "/space/nodes"),
                (ONE_OP | {"nodes": 1_000_000_000}, space, "/space/nodes"),
                (ONE_OP | {"nodes": 4.5}, space, "/space/nodes"),
                (ONE_OP | {"ops": []}, space, "/space/ops"),
                (ONE_OP | {"ops": ["a", "a"]}, space, None),
                (ONE_OP | {"ops": "conv"}, space, "/space/ops"),
                (ONE_OP | {"ops": ["a", "\u0000"]}, "invalid", "/space"),
                ({"kind": "sequence"}, space, "/space/positions"),
                ({"kind": "sequence", "positions": [{"name": "width"}]}, space, "/space/positions/0/choices"),
                ({"kind": "sequence", "positions": positions + positions}, space, None),
                ({"kind": "sequence", "positions": [{"name": "w", "choices": [1, {}]}]}, space, None),
                ([], "invalid", "/space"),
                (None, "invalid", "/space"),
                ("nasbench201", "invalid", "/space"),
            ]
        ],
    )


def test_a_strategy_that_is_not_valid_makes_no_study(desk: Desk) -> None:
    desk.refuses(
        "PUT",
        "/v1/studies/never",
        [
            (SPEC | {"strategy": given}, refusal)
            for given, refusal in [
                ({"name": "banana"}, ("invalid-strategy", "/strategy/name")),
                ({}, ("invalid-strategy", "/strategy/name")),
                ({"name": "random", "n_initial": 3}, ("invalid-strategy", "/strategy/n_initial")),
                ({"name": "bananas", "a/b": 3}, ("invalid-strategy", "/strategy/a~1b")),
                ({"name": "bananas", "n_initial": 0}, ("invalid-strategy", "/strategy/n_initial")),
                ({"name": "bananas", "n_initial": 10**40}, ("invalid-strategy", "/strategy/n_initial")),
                ({"name": "bananas", "epochs": True}, ("invalid-strategy", "/strategy/epochs")),
                ("bananas", invalid("/strategy")),
                (None, invalid("/strategy")),
            ]
        ],
    )


def test_a_study_is_refused_at_the_field_that_is_wrong(desk: Desk) -> None:
    def with_(**fields: Any) -> dict[str, Any]:
        return SPEC | fields

    def objective(**fields: Any) -> dict[str, Any]:
        return SPEC | {"objective": {"direction": "maximize"} | fields}

    desk.refuses(
        "PUT",
        "/v1/studies/never",
        [
            ({"space": NB201}, invalid("")),
            (with_(objectives=[{"direction": "minimize"}]), invalid("")),
            (with_(strateegy={"name": "random"}), invalid("/strateegy")),
            (objective(direction="up"), invalid("/objective/direction")),
            (objective(name=""), invalid("/objective/name")),
            (objective(bounds=[100, 0]), invalid("/objective")),
            (objective(bounds=[0, 50, 100]), invalid("/objective/bounds")),
            (objective(bounds=["0", 100]), invalid("/objective/bounds/0")),
            *((with_(budget={"max_trials": bad}), invalid("/budget/max_trials")) for bad in (0, -1, 1.5, "10", True)),
            *((with_(budget={"target": bad}), invalid("/budget/target")) for bad in ("93", 10**400, [93])),
            (with_(budget={"max_seconds": 0}), invalid("/budget/max_seconds")),
            (with_(budget={"max_trails": 100}), invalid("/budget/max_trails")),
            (with_(lease={"ttl_s": 0.5}), invalid("/lease/ttl_s")),
            (with_(lease={"ttl_s": 10, "heartbeat_s": 10}), invalid("/lease")),
            (with_(lease={"max_attempts": 101}), invalid("/lease/max_attempts")),
            *((with_(seed=bad), invalid("/seed")) for bad in (-1, 2**53, 1.5, "7", False)),
            (with_(tags="paper"), invalid("/tags")),
            (with_(tags=["a"] * 101), invalid("/tags")),
            (with_(tags=["a", ""]), invalid("/tags/1")),
            (with_(tags=["a" * 101]), invalid("/tags/0")),
            (with_(tags=["nul \0"]), invalid("/tags/0")),
            (with_(description="x" * 10_001), invalid("/description")),
            (with_(description="nul \0"), invalid("/description")),
            (with_(protocol={"deep": {"er": ["nul \0"]}}), invalid("/protocol")),
            (with_(protocol={"deep": {"nul \0": 1}}), invalid("/protocol")),
            (with_(protocol=[]), invalid("/protocol")),
        ],
    )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 400 + ".0"])
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(desk: Desk, number: str) -> None:
    tell = f'{{"lease_token": "{desk.token}", '
    for method, path, text, pointer in [
        ("POST", f"/trials/{desk.number}/tell", tell + f'"value": {number}}}', "/value"),
        ("POST", f"/trials/{desk.number}/tell", tell + f'"values": {{"accuracy": {number}}}}}', "/values/accuracy"),
        (
            "POST",
            f"/trials/{desk.number}/tell",
            tell + f'"value": 9, "metrics": {{"a/b": {number}}}}}',
            "/metrics/a~1b",
        ),
        ("POST", f"/trials/{desk.number}/tell", tell + f'"value": 9, "cost": {{"s": {number}}}}}', "/cost/s"),
        ("POST", f"/trials/{desk.number}/heartbeat", tell + f'"progress": {number}}}', "/progress"),
        (
            "POST",
            f"/trials/{desk.number}/report",
            tell + f'"points": [{{"step": 1, "metrics": {{"a": {number}}}}}]}}',
            "/points/0/metrics/a",
        ),
        (
            "POST",
            "/observations",
            f'{{"observations": [{{"architecture": {json.dumps(CELL)}, "value": {number}}}]}}',
            "/observations/0/value",
        ),
        ("POST", "/ask", f'{{"wait_s": {number}}}', "/wait_s"),
        ("POST", "/queue", f'{{"architectures": [{{"edges": [{number}]}}]}}', None),
        ("PUT", "", json.dumps(SPEC)[:-1] + f', "protocol": {{"lr": [0.1, {number}]}}}}', "/protocol"),
        ("PUT", "", json.dumps(SPEC)[:-1] + f', "budget": {{"target": {number}}}}}', "/budget/target"),
    ]:
        answer = desk.send(method, path, Raw(text))
        assert answer.status_code == 422, text
        problem(answer, answer.json()["type"].rpartition(":")[2], at=pointer)


def test_nan_is_told_as_a_failure_and_the_problem_says_so(desk: Desk) -> None:
    text = f'{{"lease_token": "{desk.token}", "value": NaN}}'
    answer = desk.send("POST", f"/trials/{desk.number}/tell", Raw(text))
    problem(answer, "invalid", says='told with outcome "failed" and error kind "nan"', at="/value")


def test_a_parameter_that_is_not_valid_is_named(desk: Desk) -> None:
    for path, name in [
        *((f"/trials?page_size={bad}", "page_size") for bad in ("0", "1001", "x", "1.5", "")),
        *((f"/trials?page_token={bad}", "page_token") for bad in ("x", "%00", "Int9", "eyJhIjoxfQ==", "é", "ImEi")),
        *(
            (f"/v1/studies?page_token={bad}", "page_token")
            for bad in ("MQ==", "Ilx1MDAwMCI=", "Ilx1ZDgwMCI=", "IlxkODAwIg==")
        ),
        ("/trials?state=won", "state"),
        ("/trials?origin=mars", "origin"),
        ("/trials?arch_id=%00", "arch_id"),
        ("/trials?arch_id=" + "a" * 65, "arch_id"),
        *((f"/best?k={bad}", "k") for bad in ("0", "1001", "all")),
        *((f"/events?after={bad}", "after") for bad in ("-1", "x", str(2**53))),
        *((f"/trials/{bad}", "number") for bad in ("-1", "x", str(2**31), "1e3", "%00")),
        *((f"/v1/studies/{bad}", "study") for bad in ("-a", "a%00b", "%C3%BC", "a" * 101, "a%20b", "%ED%A0%80")),
    ]:
        answer = desk.send("GET", path)
        assert answer.status_code == 422, (path, answer.text)
        problem(answer, "invalid", at=name)
    problem(desk.send("GET", "/v1/studies/a%2Fb"), "not-found")


def test_an_etag_is_needed_and_must_be_the_newest(desk: Desk) -> None:
    change = {"tags": ["a"]}
    problem(desk.send("PATCH", "", change), "if-match-required", says="send If-Match with the ETag")
    for bad in ("1", "*", '"one"', '"1", "2"', '""', '"' + "9" * 40 + '"'):
        problem(desk.send("PATCH", "", change, **{"If-Match": bad}), "invalid", says="is not an ETag", at="If-Match")
    stale = problem(desk.send("PATCH", "", change, **{"If-Match": '"7"'}), "stale-revision", says="GET it again")
    assert stale["revision"] == 1


def test_an_idempotency_key_must_be_of_a_sensible_length(desk: Desk) -> None:
    for key in ("", "k" * 256):
        answer = desk.send("POST", "/ask", {"wait_s": 0}, **{"Idempotency-Key": key})
        problem(answer, "invalid", at="idempotency-key")


def test_a_problem_with_very_many_errors_shows_the_first_hundred(desk: Desk) -> None:
    body = {"observations": [{"architecture": CELL, "value": "x"}] * 5_000}
    answer = problem(desk.send("POST", "/observations", body), "invalid", says="(and 4997 more)")
    assert len(answer["errors"]) == 100


def test_a_study_that_differs_from_the_one_of_its_name_is_refused_with_the_difference(desk: Desk) -> None:
    body = problem(
        desk.send("PUT", "", SPEC | {"seed": 8}), "study-exists-different", says="or take another name", at="/seed"
    )
    assert body["differences"]["seed"] == {"exists": 0, "sent": 8}
