"""Replay: the events give the tables, none of them is superfluous, and a history that cannot be is refused."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from bonanza_server.lifecycle.audit import audit, read_rows
from bonanza_server.lifecycle.ledger import open_ledger
from bonanza_server.lifecycle.modelling import note_failure, publish
from bonanza_server.lifecycle.replay import BrokenHistory, replay
from bonanza_server.store.database import Database
from bonanza_server.store.models import events, studies, trials
from tests.live import Clock, LiveServer
from tests.server.lab import SIX_CELLS, TTL, Json, Lab


def eventful(lab: Lab) -> None:
    """A study in which every kind of event happens that workers and people can cause."""
    lab.study(space=SIX_CELLS, budget={"max_failures": 2}, lease={"max_attempts": 2})
    lab.post("observations", {"observations": [{"architecture": {"choices": [1, 16]}, "value": 70.0}]})
    measured = {"observations": [{"architecture": {"choices": [1, 16]}, "value": 71.0}], "on_duplicate": "measure"}
    lab.post("observations", measured)
    lab.queue({"choices": [2, 64]}, priority=3, tags=["mine"])
    lab.change(description="busy", budget={"max_failures": 3})
    late = lab.one(worker_id="a")
    lab.pass_time(TTL)
    lab.beat(late)
    lab.pass_time(TTL)
    live = lab.one(worker_id="b")
    lab.tell(late, outcome="failed", error={"kind": "infra"})
    lab.tell(live, 81.0, metrics={"loss": 0.2}, cost={"seconds": 9.0}, seed=4)
    first, second, third = lab.ask(count=3, worker_id="a")["trials"]
    lab.release(first, checkpoint="s3://here", reason="preempted")
    lab.tell(second, outcome="pruned", value=12.0)
    lab.fail(third, "oom")
    lab.fail(lab.one(worker_id="a"), "code")
    lab.fail(lab.one(worker_id="b"), "oom")
    assert lab.get()["state"] == "paused"
    lab.post("resume")
    again = lab.act(live, "repeat")["trials"][0]
    lab.act(again, "cancel", reason="no need")
    lab.act(again, "retry")
    lab.tell(lab.one(), outcome="cancelled")
    lab.patch(0, note="not ours", invalidate=True)
    lab.tell(lab.one(), outcome="infeasible")
    lab.post("finish", {"reason": "done"})


KINDS = {
    "study.created",
    "study.changed",
    "study.paused",
    "study.resumed",
    "study.finished",
    *(f"trial.{word}" for word in ("queued", "imported", "measured", "started", "requeued", "revived", "ignored")),
    *(f"trial.{word}" for word in ("completed", "pruned", "failed", "infeasible", "cancelled", "retried")),
    *(f"trial.{word}" for word in ("changed", "invalidated")),
}


def test_an_eventful_study_replays_to_its_tables(lab: Lab) -> None:
    eventful(lab)
    assert {event["kind"] for event in lab.events()} == KINDS
    assert lab.broken() == []


def test_the_events_on_the_wire_replay_as_the_rows_do(lab: Lab) -> None:
    eventful(lab)
    said = replay(lab.events())
    study = lab.get()
    assert {state: said.study[state] for state in study["trials"]} == study["trials"]
    assert (said.study["best_number"], said.study["best_value"]) == (study["best"]["number"], study["best"]["value"])
    assert (said.study["state"], said.study["state_reason"], said.study["revision"]) == (
        "finished",
        "done",
        study["revision"],
    )
    for trial in lab.get("/trials")["trials"]:
        told = said.trials[trial["number"]]
        for name in ("state", "value", "arch_id", "architecture", "origin", "late", "invalidated", "error", "attempts"):
            assert told[name] == trial[name], name
        assert [measured["value"] for measured in told["measurements"] or []] == [
            m["value"] for m in trial["measurements"]
        ]


def test_no_event_is_superfluous(lab: Lab) -> None:
    eventful(lab)
    whole = lab.events()
    said = replay(whole)
    for left_out in range(len(whole)):
        rest = [dict(event) for place, event in enumerate(whole) if place != left_out]
        for seq, event in enumerate(rest, 1):
            event["seq"] = seq
        try:
            without = replay(rest)
        except BrokenHistory:
            continue
        without.study["last_event"] = said.study["last_event"]
        assert without != said, whole[left_out]


CREATED: Json = {
    "seq": 1,
    "at": 0.0,
    "kind": "study.created",
    "number": None,
    "data": {"objectives": [{"direction": "maximize"}]},
}


def event(seq: int, kind: str, number: int | None = 0, **data: Any) -> Json:
    return {"seq": seq, "at": float(seq), "kind": kind, "number": number, "data": data}


def started(seq: int, number: int = 0, attempt: int = 1) -> Json:
    cell = {"architecture": {}, "arch_id": str(number), "origin": "initial", "seed": 1}
    return event(seq, "trial.started", number, attempt=attempt, worker_id="a", **cell)


@pytest.mark.parametrize(
    ("history", "complaint"),
    [
        ([], "study.created"),
        ([event(1, "study.paused", None, reason=None)], "study.created comes first"),
        ([CREATED, CREATED | {"seq": 2}], "and once"),
        ([CREATED, started(3)], "event 2 is missing"),
        ([CREATED, started(2), started(2)], "event 3 is missing"),
        ([CREATED, started(2), started(3)], "finds trial 0 running"),
        ([CREATED, started(2, number=1)], "which nothing has made"),
        ([CREATED, event(2, "trial.completed", attempt=1)], "which nothing has made"),
        ([CREATED, started(2), event(3, "trial.retried")], "finds trial 0 running"),
        ([CREATED, started(2), event(3, "trial.ignored", attempt=2, told={})], "which nothing has leased"),
        ([CREATED, started(2), event(3, "trial.vanished")], "unknown kind trial.vanished"),
        ([CREATED, started(2), event(3, "trial.failed", attempt=1, error={})], "trial.failed, lacks 'checkpoint'"),
        ([CREATED, event(2, "study.vanished", None)], "unknown kind"),
    ],
)
def test_a_history_that_cannot_be_is_refused(history: list[Json], complaint: str) -> None:
    with pytest.raises(BrokenHistory, match=complaint):
        replay(history)


def test_fits_replay_too_and_an_audit_finds_a_hand_in_the_database(database_url: str) -> None:
    clock = Clock()
    with LiveServer(database_url, clock=clock, fit_slots=0) as server:
        server.study()
        for value in (90.0, 91.0):
            server.tell(server.one(), value)
    with closing(Database(database_url)) as database:

        def fitted(connection: sa.Connection) -> None:
            with open_ledger(connection, "default", "s", clock.now) as ledger:
                read = dict(ledger.study)
                note_failure(ledger, "out of luck")
                publish(ledger, read, observations=2, proposals=[], diagnostics={}, seconds=0.1)
                note_failure(ledger, "out of memory")

        database.write_now(fitted)
        key = database.read_now(lambda connection: connection.execute(sa.select(studies.c.id)).scalar_one())
        assert audit(database.read_now(lambda connection: read_rows(connection, key))) == []
        row = database.read_now(lambda connection: connection.execute(sa.select(studies)).mappings().one())
        assert (row["fit_version"], row["fit_results"], row["fit_failures"]) == (1, 2, 1)
        tampered = [
            (
                sa.update(trials).where(trials.c.number == 1).values(value=99.9),
                "trial 1: value is 99.9, the events say 91.0",
            ),
            (sa.update(studies).values(complete=3), "the study: complete is 3, the events say 2"),
            (sa.delete(events).where(events.c.seq == 3), "event 3 is missing: the next one has sequence number 4"),
        ]
        for change, complaint in tampered:
            with database.engine.begin() as connection:
                connection.execute(change)
            found = audit(database.read_now(lambda connection: read_rows(connection, key)))
            assert complaint in map(str, found)
