"""What is not kept for ever: learning curves of trials that ended long ago, and the answers of idempotency keys."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from bonanza_server.store import retention
from bonanza_server.store.models import reports, studies
from bonanza_server.store.retention import Retention, forget
from tests.server.lab import Lab

DAY = 86_400.0


def curves(lab: Lab) -> list[int]:
    """The trials of the lab's study that have reports."""
    query = (
        sa.select(reports.c.number)
        .distinct()
        .join(studies, studies.c.id == reports.c.study_id)
        .where(studies.c.name == lab.name)
        .order_by(reports.c.number)
    )
    return list(lab._database.read_now(lambda connection: connection.execute(query).scalars().all()))


def go_by(lab: Lab, days: float, kept: Retention) -> None:
    lab.clock.advance(days * DAY)
    asyncio.run(forget(lab._database, kept, now=lab.clock.now))


def test_curves_go_once_their_trial_has_ended_long_enough_ago_and_not_while_a_pruner_needs_them(lab: Lab) -> None:
    lab.study(pruner={"name": "median"})
    held = [lab.one() for _ in range(3)]
    for trial in held:
        points = [{"step": step, "metrics": {"accuracy": 50.0}} for step in (1, 2)]
        lab.act(trial, "report", lease_token=trial["attempt"]["token"], points=points)
    lab.tell(held[0], 90.0)
    go_by(lab, 20, Retention(reports=30 * DAY))
    lab.tell(held[1], 91.0)
    go_by(lab, 20, Retention(reports=30 * DAY))
    assert curves(lab) == [0, 1, 2]
    lab.post("finish")
    go_by(lab, 0, Retention(reports=None))
    assert curves(lab) == [0, 1, 2]
    go_by(lab, 0, Retention(reports=30 * DAY))
    assert curves(lab) == [1, 2]
    go_by(lab, 20, Retention(reports=30 * DAY))
    assert curves(lab) == [2]
    assert lab.trial(held[2])["state"] == "running"


def test_more_than_goes_in_one_transaction_goes_too(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "TRIALS_AT_ONCE", 2)
    lab.study()
    for trial in lab.ask(count=5)["trials"]:
        points = [{"step": 1, "metrics": {"accuracy": 50.0}}]
        lab.act(trial, "report", lease_token=trial["attempt"]["token"], points=points)
        lab.tell(trial, 90.0)
    go_by(lab, 40, Retention(reports=30 * DAY))
    assert curves(lab) == []
