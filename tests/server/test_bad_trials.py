"""Bad asks, tells and cells: each is refused where it is wrong, and the study is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import NB201
from tests.server.desk import CELL, Desk, invalid, watched
from tests.server.expect import problem
from tests.server.lab import Lab

TEXT = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"


@pytest.fixture
def desk(lab: Lab) -> Iterator[Desk]:
    """A study with a result and a trial under way, which no test here may change."""
    yield from watched(lab)


def test_an_ask_that_is_not_valid_leases_nothing(desk: Desk) -> None:
    desk.refuses(
        "POST",
        "/ask",
        [
            *(({"count": bad}, invalid("/count")) for bad in (0, 65, -1, 1.5, "1", True)),
            *(({"wait_s": bad}, invalid("/wait_s")) for bad in (-0.1, 50.1, "0")),
            *(({"worker_id": bad}, invalid("/worker_id")) for bad in ("", "a b", "é", "a" * 201, "a\0", 7)),
            *(({"freshness": bad}, invalid("/freshness")) for bad in ("stale", None, 3)),
            ({"freshness": {"max_lag": -1}}, invalid("/freshness/max_lag")),
            ({"freshness": {}}, invalid("/freshness/max_lag")),
            ({"reuse": True}, invalid("")),
            ({"n": 1}, invalid("/n")),
        ],
    )


def test_a_tell_that_is_not_valid_ends_nothing(desk: Desk) -> None:
    def told(**fields: Any) -> dict[str, Any]:
        return {"lease_token": desk.token} | fields

    desk.refuses(
        "POST",
        f"/trials/{desk.number}/tell",
        [
            ({"value": 90.0}, invalid("/lease_token")),
            ({"lease_token": "", "value": 90.0}, invalid("/lease_token")),
            ({"lease_token": None, "value": 90.0}, invalid("/lease_token")),
            ({"lease_token": desk.token[:-1], "value": 90.0}, ("unknown-token", None)),
            (told(), invalid("")),
            (told(valeu=90.0), invalid("/valeu")),
            *((told(value=bad), invalid("/value")) for bad in ("90", True, [90], {"accuracy": 90}, 10**400)),
            (told(value=-0.1), invalid("/value")),
            (told(value=0.93 * 1e4), invalid("/value")),
            (told(value=90, values={"accuracy": 90}), invalid("")),
            (told(values={"loss": 90}), invalid("/values")),
            (told(values={}), invalid("/values")),
            (told(value=90, outcome="won"), invalid("/outcome")),
            (told(value=90, outcome="failed"), invalid("")),
            (told(value=90, error={"kind": "oom"}), invalid("")),
            (told(outcome="failed", error={"kind": "sad"}), invalid("/error/kind")),
            (told(outcome="failed", error={"message": "nul \0"}), invalid("/error/message")),
            (told(value=90, metrics={"a": "b"}), invalid("/metrics/a")),
            (told(value=90, metrics={str(n): n for n in range(201)}), invalid("/metrics")),
            (told(value=90, metrics={"nul \0": 1}), ("invalid", None)),
            (told(value=90, seed=2**53), invalid("/seed")),
            (told(value=90, checkpoint="nul \0"), invalid("/checkpoint")),
        ],
    )


def test_the_token_of_another_trial_is_refused(desk: Desk) -> None:
    for verb, fields in [("tell", {"value": 90.0}), ("heartbeat", {}), ("release", {}), ("report", {"points": []})]:
        body = {"lease_token": desk.token} | fields
        if verb == "report":
            body["points"] = [{"step": 1, "metrics": {}}]
        problem(
            desk.send("POST", f"/trials/{1 - desk.number}/{verb}", body),
            "unknown-token",
            says="use the token of the ask",
        )


def test_a_report_a_heartbeat_or_a_release_that_is_not_valid_changes_nothing(desk: Desk) -> None:
    def with_(**fields: Any) -> dict[str, Any]:
        return {"lease_token": desk.token} | fields

    point = {"step": 1, "metrics": {"accuracy": 50.0}}
    desk.refuses(
        "POST",
        f"/trials/{desk.number}/report",
        [
            (with_(), invalid("/points")),
            (with_(points=[]), invalid("/points")),
            (with_(points=[point] * 1_001), invalid("/points")),
            *((with_(points=[point | {"step": bad}]), invalid("/points/0/step")) for bad in (-1, 2**53, 0.5, "1")),
            (with_(points=[point, {"step": 2}]), invalid("/points/1/metrics")),
        ],
    )
    desk.refuses("POST", f"/trials/{desk.number}/heartbeat", [(with_(progress=2), invalid("/progress"))])
    desk.refuses("POST", f"/trials/{desk.number}/release", [(with_(checkpoint="x" * 2_001), invalid("/checkpoint"))])


def test_an_architecture_that_is_not_of_the_space_is_refused_where_it_is_wrong(desk: Desk) -> None:
    cell, wrong = CELL["edges"], "invalid-architecture"
    desk.refuses(
        "POST",
        "/queue",
        [
            ({"architectures": [CELL, given]}, (slug, pointer))
            for given, slug, pointer in [
                ({"edges": [*cell[:2], "conv_7x7", *cell[3:]]}, wrong, "/architectures/1/edges/2"),
                ({"edges": [*cell[:2], ["none"], *cell[3:]]}, wrong, "/architectures/1/edges/2"),
                ({"edges": [*cell[:2], "\ud83d\ude00\0", *cell[3:]]}, wrong, "/architectures/1/edges/2"),
                ({"edges": cell[:5]}, wrong, "/architectures/1/edges"),
                ({"edges": "none"}, wrong, "/architectures/1/edges"),
                ({"edges": cell, "nodes": 4}, wrong, "/architectures/1/nodes"),
                ({"choices": [1, 16]}, wrong, None),
                ({}, wrong, None),
                (TEXT.replace("~2", "~1"), wrong, "/architectures/1"),
                (TEXT.replace("3x3", "7x7", 1), wrong, None),
                ("", wrong, "/architectures/1"),
                ("nul \0", "invalid", "/architectures/1"),
                ("x" * 100_001, "invalid", "/architectures/1"),
                (7, "invalid", "/architectures/1"),
                (None, "invalid", "/architectures/1"),
            ]
        ],
    )
    desk.refuses(
        "POST",
        "/queue",
        [
            ({"architectures": []}, invalid("/architectures")),
            ({"architectures": [CELL] * 1_001}, invalid("/architectures")),
            ({"architectures": [CELL], "priority": 10**7}, invalid("/priority")),
        ],
    )


def test_one_bad_observation_imports_none(desk: Desk) -> None:
    good = {"architecture": CELL, "value": 90.0}
    desk.refuses(
        "POST",
        "/observations",
        [
            ({"observations": [good, {"architecture": CELL}]}, invalid("/observations/1")),
            ({"observations": [good, good | {"values": {"accuracy": 1}}]}, invalid("/observations/1")),
            ({"observations": [good, {"architecture": {"choices": [1]}, "value": 9}]}, ("invalid-architecture", None)),
            ({"observations": [good, good | {"value": 100.5}]}, invalid("/observations/1/value")),
            ({"observations": [good, good | {"sead": 1}]}, invalid("/observations/1/sead")),
            ({"observations": []}, invalid("/observations")),
            ({"observations": [{"value": 1}] * 10_001}, invalid("/observations")),
            ({"observations": [good], "on_duplicate": "replace"}, invalid("/on_duplicate")),
        ],
    )


def test_a_change_that_is_not_valid_changes_nothing(desk: Desk) -> None:
    revision = desk.send("GET", "").headers["ETag"]
    desk.refuses(
        "PATCH",
        "",
        [
            ({"space": NB201}, invalid("/space")),
            ({"budget": {"max_trials": 0}}, invalid("/budget/max_trials")),
            ({"tags": [""]}, invalid("/tags/0")),
        ],
        **{"If-Match": revision},
    )
    desk.refuses(
        "PATCH",
        f"/trials/{desk.number}",
        [
            ({"invalidate": False}, invalid("/invalidate")),
            ({"invalidate": True}, ("conflict", None)),
            ({"note": "kept out", "invalidate": True}, ("conflict", None)),
            ({"priority": -(10**7)}, invalid("/priority")),
            ({"value": 99.9}, invalid("/value")),
            ({"note": "nul \0"}, invalid("/note")),
        ],
    )
