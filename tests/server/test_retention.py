"""What is not kept for ever: learning curves of trials that ended long ago, the answers of idempotency keys, and what keys leave behind."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.store import keys, retention
from bonanza_server.store.database import Database
from bonanza_server.store.migrate import upgrade
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


NOW = 1_700_000_000.0


def make_key(connection: Connection, name: str, *, expires_at: float | None = None) -> keys.Row:
    return keys.make(
        connection,
        project="default",
        name=name,
        scopes=["read"],
        study=None,
        expires_at=expires_at,
        now=NOW,
        by=None,
    ).row


def session_of(connection: Connection, parent: keys.Row, *, now: float = NOW) -> str:
    opened: str = keys.open_session(connection, parent, bytes.fromhex(parent["digest"]), now=now).row["id"]
    return opened


def forget_the_old(database: Database, *, now: float) -> tuple[set[str], list[float]]:
    """What is left: the ids of keys and sessions, and the moments the audit log knows of."""
    asyncio.run(forget(database, Retention(), now=now))
    with database.engine.connect() as connection:
        ids = {row["id"] for row in keys.every(connection)}
        entries = keys.logged(connection, "default", before=None, most=1_000)
    return ids, sorted({entry["at"] for entry in entries})


def test_sessions_over_by_time_or_by_their_key_go_and_keys_and_live_sessions_stay(database_url: str) -> None:
    # Its own database: once there is a key, the server of the lab would want one of every other test.
    with closing(Database(database_url)) as database:
        upgrade(database)
        with database.engine.begin() as connection:
            live = make_key(connection, "live")
            short = make_key(connection, "short", expires_at=NOW + DAY)
            revoked = make_key(connection, "revoked")
            stays, ends = session_of(connection, live, now=NOW + 5 * DAY), session_of(connection, live)
            cut = session_of(connection, short)
            orphan = session_of(connection, revoked)
            admins = keys.open_session(connection, live | {"id": keys.ADMIN}, b"", now=NOW + 5 * DAY).row["id"]
        all_keys = {live["id"], short["id"], revoked["id"]}
        assert forget_the_old(database, now=NOW)[0] == all_keys | {stays, ends, cut, orphan, admins}

        with database.engine.begin() as connection:
            keys.revoke(connection, revoked["id"], project=None, now=NOW + 60, by=None)
        assert forget_the_old(database, now=NOW + 60)[0] == all_keys | {stays, ends, cut, admins}
        assert forget_the_old(database, now=NOW + 2 * DAY)[0] == all_keys | {stays, ends, admins}
        assert forget_the_old(database, now=NOW + keys.SESSION_S + DAY)[0] == all_keys | {stays, admins}
        assert forget_the_old(database, now=NOW + keys.SESSION_S + 6 * DAY)[0] == all_keys


def test_entries_of_the_audit_log_go_when_they_are_as_old_as_is_said(database_url: str) -> None:
    with closing(Database(database_url)) as database:
        upgrade(database)
        moments = [NOW, NOW + 10 * DAY, NOW + 50 * DAY]
        with database.engine.begin() as connection:
            for at in moments:
                keys.log(connection, "refused", project="default", key=None, data={}, now=at)
        kept = keys.AUDIT_KEPT_S
        assert forget_the_old(database, now=NOW + kept)[1] == moments
        assert forget_the_old(database, now=NOW + kept + 1)[1] == moments[1:]
        assert forget_the_old(database, now=NOW + kept + 11 * DAY)[1] == moments[2:]
