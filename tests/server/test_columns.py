"""Studies as columns, what runs now, and studies at a glance: what charts are drawn of."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import LiveServer
from tests.server.expect import problem
from tests.server.lab import SIX_CELLS, Lab


def rows(columns: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The trials of columns, by number."""
    trials = columns["trials"]
    assert len({len(column) for column in trials.values()}) == 1, "columns of one length"
    return {number: {name: column[k] for name, column in trials.items()} for k, number in enumerate(trials["number"])}


def told(lab: Lab, value: float | None = None, **fields: Any) -> dict[str, Any]:
    trial = lab.one(worker_id=fields.pop("worker_id", "gpu0"))
    lab.tell(trial, value, **fields)
    return trial


def test_columns_say_what_the_trials_say(lab: Lab) -> None:
    lab.study()
    told(lab, 91.25, cost={"seconds": 812.5}, worker_id="gpu7:0")
    lab.clock.advance(30)
    failed = lab.one()
    lab.fail(failed, "code")
    lab.queue({"edges": ["none", "none", "none", "none", "none", "skip_connect"]})
    found = lab.get("/columns")
    trials = rows(found)
    states = [found["states"][trial["state"]] for trial in trials.values()]
    assert states == [lab.trial(number)["state"] for number in trials]
    first = trials[0]
    assert (first["value"], first["seconds"], found["workers"][first["worker"]]) == (91.25, 812.5, "gpu7:0")
    assert found["origins"][trials[2]["origin"]] == "queue"
    assert (first["created"], first["finished"]) == (0.0, 0.0)
    assert trials[1]["created"] == 30.0
    assert trials[1]["flags"] & 4, "it has an error"
    assert found["study"]["trials"]["complete"] == 1
    assert found["study"]["space"] is None
    assert (found["space_kind"], found["event"]) == ("nasbench201", lab.events()[-1]["seq"])


def test_columns_after_an_event_are_the_trials_that_events_since_are_about(lab: Lab) -> None:
    lab.study()
    for value in (70.0, 71.0, 72.0):
        told(lab, value)
    before = lab.get("/columns")
    assert rows(lab.get(f"/columns?after={before['event']}")) == {}
    lab.patch(1, invalidate=True)
    told(lab, 73.0)
    changed = rows(lab.get(f"/columns?after={before['event']}"))
    assert set(changed) == {1, 3}
    assert changed == {number: row for number, row in rows(lab.get("/columns")).items() if number in {1, 3}}
    assert changed[1]["flags"] & 2
    assert rows(lab.get("/columns?after=0")).keys() == {0, 1, 2, 3}


def test_what_was_not_told_to_cost_anything_took_as_long_as_it_ran(lab: Lab) -> None:
    lab.study()
    trial = lab.one()
    lab.clock.advance(12.5)
    lab.tell(trial, 70.0)
    assert rows(lab.get("/columns"))[0]["seconds"] == 12.5


def test_live_has_the_attempts_under_way_with_their_curves_and_the_workers(lab: Lab) -> None:
    lab.study()
    told(lab, 80.0, worker_id="a")
    lab.fail(lab.one(worker_id="a"), "code")
    running = lab.one(worker_id="b")
    points = [{"step": step, "metrics": {"accuracy": float(step)}} for step in range(450)]
    points.append({"step": 450, "metrics": {"loss": 0.5}})
    lab.act(running, "report", lease_token=running["attempt"]["token"], points=points)
    lab.clock.advance(5)
    lab.beat(running, progress=0.25)
    live = lab.get("/live")
    (attempt,) = live["attempts"]
    assert (attempt["trial"], attempt["worker_id"], attempt["progress"]) == (running["number"], "b", 0.25)
    assert "token" not in json.dumps(live)
    curve = attempt["curve"]
    assert len(curve["step"]) == 200, "thinned out"
    assert curve["step"][-1] == 450, "the newest step is there"
    assert (curve["metrics"]["loss"][-1], curve["metrics"]["accuracy"][-1]) == (0.5, None)
    workers = {worker["worker_id"]: worker for worker in live["workers"]}
    assert (workers["a"]["succeeded"], workers["a"]["failed"], workers["a"]["trials"]) == (1, 1, [])
    assert (workers["b"]["trials"], workers["b"]["last_seen_at"]) == ([running["number"]], live["now"])
    lab.pass_time(61)
    assert lab.get("/live")["attempts"] == []
    assert {worker["worker_id"]: worker["lost"] for worker in lab.get("/live")["workers"]} == {"a": 0, "b": 1}


def test_the_attempts_of_a_trial_are_all_there_with_what_they_told(lab: Lab) -> None:
    lab.study()
    trial = lab.one(worker_id="a")
    lab.act(trial, "report", lease_token=trial["attempt"]["token"], points=[{"step": 1, "metrics": {"loss": 2.0}}])
    lab.fail(trial, "infra")
    again = lab.one(worker_id="b")
    lab.tell(again, 90.0)
    first, second = lab.get("/trials/0/attempts")["attempts"]
    assert (first["number"], first["worker_id"], first["state"], first["kind"]) == (1, "a", "failed", "infra")
    assert first["error"]["message"] == "it was infra"
    assert first["curve"] == {"step": [1], "metrics": {"loss": [2.0]}}
    assert (second["number"], second["worker_id"], second["value"]) == (2, "b", 90.0)
    problem(lab.server.http.get(f"/v1/studies/{lab.name}/trials/9/attempts"), "not-found")


def test_the_last_lines_a_training_printed_stay_with_its_attempt(lab: Lab) -> None:
    lab.study()
    trial = lab.one(worker_id="a")
    lab.beat(trial, log_tail="epoch 1\nepoch 2")
    lab.beat(trial)

    def log() -> str | None:
        (attempt,) = lab.get("/trials/0/attempts")["attempts"]
        found: str | None = attempt["log_tail"]
        return found

    assert log() == "epoch 1\nepoch 2", "a heartbeat without news takes nothing away"
    token = trial["attempt"]["token"]
    lab.act(trial, "report", lease_token=token, points=[{"step": 3, "metrics": {"loss": 1.0}}], log_tail="epoch 3")
    assert log() == "epoch 3"
    assert lab.get("/live")["attempts"][0]["log_tail"] is None, "what all of them print is too much for every look"
    lab.tell(trial, 90.0, log_tail="done")
    assert lab.tell(trial, 90.0, log_tail="told again")["duplicate"]
    assert log() == "done"
    lab.act(trial, "heartbeat", 422, lease_token=token, log_tail="x" * 4001)


def test_trials_can_be_had_by_their_numbers(lab: Lab) -> None:
    lab.study()
    for value in (70.0, 71.0, 72.0):
        told(lab, value)
    found = lab.get("/trials?numbers=2,0,99")
    assert [trial["number"] for trial in found["trials"]] == [0, 2]
    assert found["next_page_token"] is None
    problem(lab.server.http.get(f"/v1/studies/{lab.name}/trials?numbers=1,x"), "invalid")


def test_a_table_for_spreadsheets_has_every_trial_in_full_and_no_formula(lab: Lab) -> None:
    lab.study()
    told(lab, 91.123456789)
    lab.patch(0, note="=HYPERLINK(1)")
    answer = lab.server.http.get(f"/v1/studies/{lab.name}/trials.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["number"], row["state"], float(row["value"])) == ("0", "complete", 91.123456789)
    assert json.loads(row["architecture"]) == lab.trial(0)["architecture"]
    assert row["note"] == "'=HYPERLINK(1)"


def test_cells_are_validated_and_drawn_in_the_space_of_the_study(lab: Lab) -> None:
    lab.study(space={"kind": "edge_cell", "nodes": 3, "ops": ["none", "skip_connect", "conv"]})
    (cell,) = lab.post("validate", {"architectures": ["|conv~0|+|none~0|conv~1|"], "draw": True})["architectures"]
    assert cell["architecture"] == {"edges": ["conv", "none", "conv"]}
    assert cell["svg"].startswith("<svg")
    answer = lab.server.http.post(f"/v1/studies/{lab.name}/validate", json={"architectures": ["|nor_conv_3x3~0|"]})
    problem(answer, "invalid-architecture")


def test_neighbours_are_the_measured_cells_one_edit_away(lab: Lab) -> None:
    lab.study(space={"kind": "edge_cell", "nodes": 3, "ops": ["none", "skip_connect", "conv", "pool"]})
    cell = ["conv", "conv", "conv"]
    edited, far = ["conv", "pool", "conv"], ["pool", "pool", "pool"]
    lab.queue(*({"edges": edges} for edges in (cell, edited, far)))
    for value in (70.0, 80.0, 60.0):
        told(lab, value)
    near = lab.get("/trials/0/neighbours")
    assert [(trial["number"], trial["value"]) for trial in near["trials"]] == [(1, 80.0)]
    assert near["trials"][0]["architecture"] == {"edges": edited}
    assert 1 <= near["total"] <= 9


def test_the_network_of_a_trial_is_a_file_that_builds_and_counts_as_the_space_does(lab: Lab) -> None:
    lab.study()
    lab.queue({"edges": ["nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect", "none", "avg_pool_3x3"]})
    lab.one()
    answer = lab.server.http.get(f"/v1/studies/{lab.name}/trials/0/code")
    assert answer.headers["content-type"].startswith("text/x-python")
    built: dict[str, Any] = {"__name__": "built"}
    exec(compile(answer.text, "built.py", "exec"), built)
    assert sum(weights.numel() for weights in built["network"]().parameters()) > 70_000


def test_a_space_without_networks_has_no_code_and_says_so(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    lab.one()
    problem(lab.server.http.get(f"/v1/studies/{lab.name}/trials/0/code"), "conflict", says="there is no code")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with three studies: one with results, one under way, one that has nothing."""
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('few')}/s.db", fit_slots=0) as server:
        server.study("told", tags=["<b>"], objective={"name": "loss", "direction": "minimize"})
        for value in [float(100 - k) for k in range(60)] + [99.0]:
            server.tell(server.one("told"), value, name="told")
        server.study("running")
        server.one("running", worker_id="w")
        server.study("empty")
        yield server


def test_the_overview_has_every_study_with_its_best_so_far(few: LiveServer) -> None:
    glances = {glance["study"]["name"]: glance for glance in few.get("/v1/overview")["studies"]}
    assert list(glances) == ["empty", "running", "told"], "the last created first"
    line = glances["told"]["best_so_far"]
    assert (len(line), line[-1]) == (48, 41.0)
    assert line == sorted(line, reverse=True)
    assert (glances["running"]["workers"], glances["empty"]["workers"]) == (1, 0)
    assert glances["empty"]["best_so_far"] == []
    assert glances["told"]["study"]["best"]["number"] == 59
    few.tell(few.one("told"), 3.5, name="told")
    again = {glance["study"]["name"]: glance for glance in few.get("/v1/overview")["studies"]}
    assert again["told"]["best_so_far"][-1] == 3.5


def test_every_strategy_is_listed_with_a_schema_whose_defaults_make_a_study(few: LiveServer) -> None:
    kinds = few.get("/v1/strategies")["strategies"]
    assert (kinds[0]["name"], [kind["default"] for kind in kinds].count(True)) == ("bonanza", 1)
    for kind in kinds:
        assert kind["description"].endswith(".")
        properties = kind["options_schema"]["properties"]
        assert all(option["description"] for option in properties.values()), kind["name"]
        defaults = {name: option["default"] for name, option in properties.items()}
        few.study(f"with-{kind['name']}", strategy={"name": kind["name"]} | defaults)
