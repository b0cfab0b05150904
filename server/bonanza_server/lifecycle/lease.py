"""Leases: taken by ask, prolonged by heartbeats, given back by release, run out when nobody is heard of.

Only the server's clock counts. A release is not counted as an attempt; an expiry is. A worker that was cut off longer than its lease but
comes back before anybody else took the trial gets its lease again: the GPU hours are spent already.
"""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from bonanza_server.errors import Refused
from bonanza_server.lifecycle.ledger import Ledger, Row
from bonanza_server.store.models import attempts, reports, studies, trials
from bonanza_server.store.pipeline import UNREAD

_INSERT = sa.insert(attempts).execution_options(**UNREAD)
_OVERDUE = (
    sa.select(studies.c.project, studies.c.name, attempts.c.number, attempts.c.attempt)
    .join(studies, studies.c.id == attempts.c.study_id)
    .where(attempts.c.state == "leased", attempts.c.expires_at <= sa.bindparam("now"))
    .order_by(attempts.c.expires_at)
    .limit(1000)
)
_UPSERT_REPORT = {
    name: statement.on_conflict_do_update(
        index_elements=["study_id", "number", "attempt", "step"],
        set_={"metrics": statement.excluded.metrics, "at": statement.excluded.at},
    )
    for name, statement in (("sqlite", sqlite.insert(reports)), ("postgresql", postgresql.insert(reports)))
}


def new_attempt(ledger: Ledger, number: int, attempt: int, worker_id: str | None) -> Row:
    """Insert a leased attempt and return its row. The caller moves the trial and records the event."""
    policy = ledger.study["lease"]
    timeout = policy["trial_timeout_s"]
    deadline = None if timeout is None else ledger.now + timeout
    row: Row = {
        "study_id": ledger.id,
        "number": number,
        "attempt": attempt,
        "token": secrets.token_urlsafe(18),
        "worker_id": worker_id,
        "state": "leased",
        "leased_at": ledger.now,
        "expires_at": _expiry(policy, ledger.now, deadline),
        "deadline": deadline,
        "traceparent": ledger.trace,
    }
    ledger.connection.execute(_INSERT, row)
    return row


def _expiry(policy: dict[str, Any], now: float, deadline: float | None) -> float:
    expires = float(now + policy["ttl_s"])
    return expires if deadline is None else min(expires, deadline)


def held_attempt(ledger: Ledger, number: int) -> tuple[Row, Row]:
    """Trial ``number`` and the attempt at it that the ledger was opened with.

    Raises:
        Refused: there is no such trial, or no attempt at it ever had the token.
    """
    if ledger.held is None:
        ledger.trial(number)  # refuses where there is none
        raise Refused(
            "unknown-token",
            f"no attempt at trial {number} has this lease_token: use the token of the ask that gave you the trial",
        )
    return ledger.held


def heartbeat(
    ledger: Ledger, trial: Row, attempt: Row, progress: float | None = None, log_tail: str | None = None
) -> tuple[str, float | None]:
    """Prolong the lease, keep what is news of its training; return the directive for the worker and when the lease runs out now (None: it has none any more)."""
    policy = ledger.study["lease"]
    overdue = attempt["deadline"] is not None and attempt["deadline"] <= ledger.now
    news = {"progress": progress, "log_tail": log_tail}
    columns: Row = {"heartbeat_at": ledger.now} | {name: told for name, told in news.items() if told is not None}
    if attempt["state"] == "leased" and not overdue:
        expires = _expiry(policy, ledger.now, attempt["deadline"])
        ledger.change_attempt(trial["number"], attempt["attempt"], expires_at=expires, **columns)
        return trial["directive"] or "continue", expires
    if attempt["state"] == "expired" and attempt["told"] is None and trial["state"] == "pending" and not overdue:
        expires = _expiry(policy, ledger.now, attempt["deadline"])
        ledger.change_attempt(
            trial["number"],
            attempt["attempt"],
            state="leased",
            expires_at=expires,
            ended_at=None,
            **columns,
        )
        # A retry in between has set the count to nothing; the lease that is live now counts, or its release would leave -1.
        ledger.move(trial, "running", live_attempt=attempt["attempt"], front=0, attempts=max(1, trial["attempts"]))
        ledger.record("trial.revived", trial["number"], attempt=attempt["attempt"])
        return trial["directive"] or "continue", expires
    return ("cancel" if trial["state"] == "cancelled" or overdue else "superseded"), None


def report(ledger: Ledger, attempt: Row, points: list[tuple[int, dict[str, float]]]) -> None:
    """Keep points of the learning curve; a step told again is overwritten."""
    rows = {
        step: {
            "study_id": ledger.id,
            "number": attempt["number"],
            "attempt": attempt["attempt"],
            "step": step,
            "metrics": metrics,
            "at": ledger.now,
        }
        for step, metrics in points
    }
    ledger.connection.execute(_UPSERT_REPORT[ledger.connection.dialect.name], list(rows.values()))


def release(ledger: Ledger, trial: Row, attempt: Row, *, reason: str | None, checkpoint: str | None) -> bool:
    """Take an unfinished trial back, to the front and uncounted. False where the attempt held it no more."""
    if attempt["state"] != "leased":
        return False
    ledger.change_attempt(trial["number"], attempt["attempt"], state="released", ended_at=ledger.now)
    keep_checkpoint(ledger, trial, checkpoint)
    _requeue(ledger, trial, attempt, why="released", counted=False, reason=reason)
    return True


def keep_checkpoint(ledger: Ledger, trial: Row, checkpoint: str | None) -> None:
    """Hold what the next attempt can resume from; no news leaves the last one standing."""
    if checkpoint is not None:
        ledger.change(trial, checkpoint=checkpoint)


def fail_or_requeue(
    ledger: Ledger, trial: Row, attempt: Row, error: dict[str, Any], *, why: str, told: Row | None = None
) -> None:
    """Another attempt if one is left, else the trial has failed with ``error``. The attempt's own row is the caller's."""
    if trial["attempts"] >= ledger.study["lease"]["max_attempts"]:
        fail(ledger, trial, attempt, error, why=why, told=told)
    else:
        _requeue(ledger, trial, attempt, why=why, counted=True, told=told, error=error)


def fail(ledger: Ledger, trial: Row, attempt: Row, error: dict[str, Any], *, why: str, told: Row | None = None) -> None:
    """The trial has failed for good."""
    ledger.move(trial, "failed", error=error, live_attempt=None, finished_at=ledger.now)
    data = {"attempt": attempt["attempt"], "error": error, "why": why, "told": told}
    ledger.record("trial.failed", trial["number"], checkpoint=trial["checkpoint"], **data)


def _requeue(
    ledger: Ledger,
    trial: Row,
    attempt: Row,
    *,
    why: str,
    counted: bool,
    reason: str | None = None,
    told: Row | None = None,
    **columns: Any,
) -> None:
    ledger.move(trial, "pending", live_attempt=None, front=1, attempts=trial["attempts"] - (not counted), **columns)
    data = {"attempt": attempt["attempt"], "why": why, "counted": counted, "reason": reason, "told": told}
    ledger.record("trial.requeued", trial["number"], checkpoint=trial["checkpoint"], **data, **columns)


def count_failure(ledger: Ledger) -> None:
    """One more failure in a row; too many pause the study, so that one bad evaluator cannot burn the space."""
    ledger.study["failures_in_a_row"] += 1
    limit = ledger.study["budget"]["max_failures"]
    if limit is not None and ledger.study["failures_in_a_row"] >= limit and ledger.study["state"] == "running":
        reason = f"{limit} failures in a row: look at the errors of the last trials, mend the evaluator, then resume"
        ledger.study.update(state="paused", state_reason=reason, revision=ledger.study["revision"] + 1)
        ledger.record("study.paused", reason=reason, by="max_failures")


def overdue(connection: Connection, now: float) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """The (trial, attempt) pairs whose lease has run out, by (project, study)."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for project, name, number, attempt in connection.execute(_OVERDUE, {"now": now}):
        found.setdefault((project, name), []).append((number, attempt))
    return found


def expire(ledger: Ledger, number: int, attempt_number: int) -> bool:
    """End one lease that ran out; False where a heartbeat, a tell or another process was quicker."""
    row = (
        ledger.connection.execute(
            sa.select(attempts).where(
                attempts.c.study_id == ledger.id, attempts.c.number == number, attempts.c.attempt == attempt_number
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None or row["state"] != "leased" or row["expires_at"] > ledger.now:
        return False
    attempt = dict(row)
    trial = ledger.trial(number)
    if attempt["deadline"] is not None and attempt["expires_at"] >= attempt["deadline"]:
        # By the attempt's own row: the study's trial_timeout_s may have been changed, or taken away, since.
        message = f"ran for {ledger.now - attempt['leased_at']:.0f} s, longer than trial_timeout_s let it"
        error = {"kind": "timeout", "message": message}
        ledger.change_attempt(number, attempt_number, state="failed", kind="timeout", ended_at=ledger.now)
        fail(ledger, trial, attempt, error, why="timeout")
    else:
        error = {"kind": "lost", "message": "the worker was not heard of for the length of the lease"}
        ledger.change_attempt(number, attempt_number, state="expired", ended_at=ledger.now)
        fail_or_requeue(ledger, trial, attempt, error, why="expired")
    if trial["state"] == "failed":
        count_failure(ledger)
    return True


def extend_all(connection: Connection, seconds: float) -> int:
    """Give every live lease the length of an outage back; its workers could not be heard. Return how many."""
    live = attempts.c.state == "leased"
    shifted = connection.execute(
        sa.update(attempts)
        .where(live)
        .values(expires_at=attempts.c.expires_at + seconds, deadline=attempts.c.deadline + seconds)
    )
    return int(shifted.rowcount)


def take_up(ledger: Ledger, worker_id: str, count: int) -> list[tuple[Row, Row]]:
    """Up to ``count`` (trial, attempt) rows that this worker holds, oldest first. It asked for them, so it lives: their leases are prolonged."""
    held = ledger.connection.execute(
        sa.select(attempts)
        .where(
            attempts.c.study_id == ledger.id,
            attempts.c.state == "leased",
            attempts.c.worker_id == worker_id,
            sa.or_(attempts.c.deadline.is_(None), attempts.c.deadline > ledger.now),
        )
        .order_by(attempts.c.number)
        .limit(count)
    ).mappings()
    rows = [dict(row) for row in held]
    found = ledger.connection.execute(
        sa.select(trials).where(trials.c.study_id == ledger.id, trials.c.number.in_([row["number"] for row in rows]))
    )
    by_number = {row["number"]: dict(row) for row in found.mappings()}
    taken = [(by_number[row["number"]], row) for row in rows]
    for trial, attempt in taken:
        _, attempt["expires_at"] = heartbeat(ledger, trial, attempt)
    return taken
