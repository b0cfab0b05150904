"""Telling: a result ends an attempt and, nearly always, its trial.

GPU hours are never thrown away: a value is kept whenever it comes, from whichever attempt. The rules, in the order they are tried:
an attempt that told before repeats itself (``duplicate``) or contradicts itself (refused); a value for a trial with a result is a
further measurement; a value for any other trial completes it (``late`` when the attempt was not the live one, which is then superseded);
anything but a value counts only from the live attempt. A value that says it was measured under another protocol than the study's is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from bonanza.schemas import TellRequest
from bonanza.worker.protocols import protocol_hash
from bonanza_server.errors import Refused
from bonanza_server.lifecycle.lease import count_failure, fail, fail_or_requeue, keep_checkpoint
from bonanza_server.lifecycle.ledger import Ledger, Row
from bonanza_server.lifecycle.pruning import kept_curve
from bonanza_server.store.models import attempts, trials

RETRIED = {"infra", "lost"}
KEPT = ("value", "metrics", "cost", "seed", "protocol")
"""What an event keeps of a value; ``protocol`` only where it was told."""


class Told(NamedTuple):
    """What became of a tell."""

    accepted: bool
    duplicate: bool = False
    is_best: bool = False


def tell(ledger: Ledger, trial: Row, attempt: Row, request: TellRequest) -> Told:
    """Record what ``attempt`` told of ``trial``.

    Raises:
        Refused: the attempt told something else before, the value does not fit the objective, or it is of another protocol.
    """
    check_protocol(trial, trial.get("protocol") or ledger.study["protocol"], request)
    value = objective_value(ledger.study, request.value, request.values)
    told: dict[str, Any] = {
        "outcome": request.outcome,
        "value": value,
        "metrics": request.metrics,
        "cost": request.cost,
        "seed": request.seed,
        "error": request.error.model_dump(exclude_none=True) if request.error else None,
    }
    if request.protocol is not None:
        told["protocol"] = request.protocol
    if attempt["told"] is not None:
        return _told_before(trial, attempt, told)
    if request.log_tail is not None:
        ledger.change_attempt(trial["number"], attempt["attempt"], log_tail=request.log_tail)
    live = attempt["state"] == "leased"
    if request.outcome == "complete":
        return _complete(ledger, trial, attempt, told, live=live)
    if request.outcome == "pruned" and (live or trial["state"] in {"pending", "failed"}):
        return _pruned(ledger, trial, attempt, told, live=live)
    if not live:
        told["accepted"] = False
        ledger.change_attempt(trial["number"], attempt["attempt"], told=told)
        ledger.record("trial.ignored", trial["number"], attempt=attempt["attempt"], told=told)
        return Told(accepted=False)
    if request.outcome == "cancelled":
        _end_attempt(ledger, trial, attempt, told, state="released")
        ledger.move(trial, "cancelled", live_attempt=None, finished_at=ledger.now)
        ledger.record("trial.cancelled", trial["number"], attempt=attempt["attempt"], by="worker", told=told)
    elif request.outcome == "infeasible":
        _end_attempt(ledger, trial, attempt, told, state="failed")
        _infeasible(ledger, trial, attempt, told, told["error"], why="told")
    else:
        keep_checkpoint(ledger, trial, request.checkpoint)
        _failed(ledger, trial, attempt, told)
    return Told(accepted=True)


def check_protocol(trial: Row, protocol: Mapping[str, Any] | None, request: TellRequest) -> None:
    """Nothing, where the value is of the protocol that the trial is to be trained by, or does not say.

    Raises:
        Refused: it is of another, and the protocol does not allow others.
    """
    if request.protocol is None or protocol is None or protocol.get("allow_others") is True:
        return
    if request.outcome not in {"complete", "pruned"} or request.protocol == (expected := protocol_hash(protocol)):
        return
    name = protocol.get("name")
    raise Refused(
        "protocol-mismatch",
        f"trial {trial['number']} is to be trained by the protocol {expected}{f' ({name})' if isinstance(name, str) else ''} and its value was measured "
        f"under {request.protocol}: values of different trainings cannot be compared. Tell it in a study of that protocol, or make one whose "
        'protocol says "allow_others": true',
        expected=expected,
        told=request.protocol,
    )


def objective_value(study: Row, value: float | None, values: dict[str, float] | None, *, at: str = "") -> float | None:
    """The one objective's value from its shorthand or its map, which stand at the pointer ``at`` in the body.

    Raises:
        Refused: the map names other objectives, or the value is outside the bounds.
    """
    objective = study["objectives"][0]
    if values is not None:
        if set(values) != {objective["name"]}:
            raise Refused(
                "invalid",
                f"values must name the study's objective: {{{objective['name']!r}: …}}",
                errors=[(at + "/values", f"expected the key {objective['name']!r}")],
            )
        value = values[objective["name"]]
    bounds = objective["bounds"]
    if value is not None and bounds is not None and not bounds[0] <= value <= bounds[1]:
        detail = f"{objective['name']} = {value:g} is outside the study's bounds [{bounds[0]:g}, {bounds[1]:g}] (accuracies are in percent)"
        raise Refused("invalid", detail, errors=[(at + "/value", "outside the objective's bounds")])
    return value


def better(study: Row, a: float, b: float) -> bool:
    """Whether value ``a`` is strictly better than ``b`` for this study."""
    return a > b if study["objectives"][0]["direction"] == "maximize" else a < b


def _told_before(trial: Row, attempt: Row, told: dict[str, Any]) -> Told:
    before = dict(attempt["told"])
    accepted = before.pop("accepted", True)
    if before == told:
        return Told(accepted=accepted, duplicate=True)
    raise Refused(
        "result-conflict",
        f"attempt {attempt['attempt']} at trial {trial['number']} told {_short(before)} before and now tells {_short(told)}; the first is kept. "
        "To replace it, PATCH the trial with invalidate: true, then POST the right value to …/observations",
        stored=before,
        sent=told,
    )


def _short(told: dict[str, Any]) -> str:
    return f"{told['outcome']} {told['value']!r}" if told["value"] is not None else str(told["outcome"])


def _complete(ledger: Ledger, trial: Row, attempt: Row, told: dict[str, Any], *, live: bool) -> Told:
    number, data = (
        trial["number"],
        {"attempt": attempt["attempt"]} | {k: told[k] for k in KEPT if k in told},
    )
    _end_attempt(ledger, trial, attempt, told, state="succeeded")
    if trial["state"] == "complete":
        ledger.change(
            trial, measurements=[*(trial["measurements"] or []), {k: data[k] for k in data if k != "protocol"}]
        )
        seq = ledger.record("trial.measured", number, **data)
        if trial["protocol"] is None:
            ledger.new_result(seq)
        return Told(accepted=True)
    curve = kept_curve(ledger, trial, pruned=False)
    superseded = None if live else trial["live_attempt"]
    if superseded is not None:
        ledger.change_attempt(number, superseded, state="superseded", ended_at=ledger.now)
    ledger.move(
        trial,
        "complete",
        value=told["value"],
        metrics=told["metrics"],
        cost=told["cost"],
        told_seed=told["seed"],
        curve=curve,
        late=not live,
        error=None,
        live_attempt=None,
        finished_at=ledger.now,
    )
    more: dict[str, Any] = {} if curve is None else {"curve": curve}
    # Of another training there is no value to compare, and none for the model.
    best = trial["protocol"] is None and note_best(ledger, trial)
    more |= {"best": True} if best else {}
    seq = ledger.record("trial.completed", number, **data, **more, late=not live, superseded=superseded)
    ledger.study["failures_in_a_row"] = 0
    if trial["protocol"] is None:
        ledger.new_result(seq)
    return Told(accepted=True, is_best=best)


def note_best(ledger: Ledger, trial: Row) -> bool:
    """Keep the study's best, of equal values the earliest trial, whoever told first; True if this trial is it now."""
    study = ledger.study
    if study["best_value"] is not None and not better(study, trial["value"], study["best_value"]):
        tie = trial["value"] == study["best_value"]
        if not tie or trial["number"] > study["best_number"]:
            return False
    study.update(best_value=trial["value"], best_number=trial["number"])
    return True


def find_best(ledger: Ledger) -> None:
    """Find the study's best anew, after a result went away: the earliest of equal values."""
    maximise = ledger.study["objectives"][0]["direction"] == "maximize"
    row = ledger.connection.execute(
        sa.select(trials.c.number, trials.c.value)
        .where(
            trials.c.study_id == ledger.id,
            trials.c.state == "complete",
            sa.not_(trials.c.invalidated),
            trials.c.protocol.is_(None),
        )
        .order_by(trials.c.value.desc() if maximise else trials.c.value.asc(), trials.c.number)
        .limit(1)
    ).one_or_none()
    ledger.study.update(best_number=row and row.number, best_value=row and row.value)


def _pruned(ledger: Ledger, trial: Row, attempt: Row, told: dict[str, Any], *, live: bool) -> Told:
    _end_attempt(ledger, trial, attempt, told, state="pruned")
    curve = kept_curve(ledger, trial, pruned=True)
    ledger.move(
        trial,
        "pruned",
        value=told["value"],
        metrics=told["metrics"],
        cost=told["cost"],
        told_seed=told["seed"],
        curve=curve,
        late=not live,
        live_attempt=None,
        error=None,
        finished_at=ledger.now,
    )
    data = {k: told[k] for k in KEPT if k in told}
    more = {} if curve is None else {"curve": curve}
    seq = ledger.record("trial.pruned", trial["number"], attempt=attempt["attempt"], late=not live, **data, **more)
    if curve is not None and trial["protocol"] is None:
        ledger.new_result(seq)  # the model reads it, as a censored result
    ledger.study["failures_in_a_row"] = 0
    return Told(accepted=True)


def _failed(ledger: Ledger, trial: Row, attempt: Row, told: dict[str, Any]) -> None:
    error = told["error"] or {"kind": "code", "message": ""}
    _end_attempt(ledger, trial, attempt, told, state="failed", kind=error["kind"])
    if error["kind"] == "oom" and _ran_out_elsewhere(ledger, trial, attempt):
        _infeasible(ledger, trial, attempt, told, error, why="oom")
    elif error["kind"] in RETRIED or error["kind"] == "oom":
        fail_or_requeue(ledger, trial, attempt, error, why=error["kind"], told=told)
    else:
        fail(ledger, trial, attempt, error, why=error["kind"], told=told)
    count_failure(ledger)


def _infeasible(
    ledger: Ledger, trial: Row, attempt: Row, told: dict[str, Any], error: dict[str, Any] | None, *, why: str
) -> None:
    ledger.move(trial, "infeasible", error=error, live_attempt=None, finished_at=ledger.now)
    data = {"attempt": attempt["attempt"], "error": error, "why": why, "told": told}
    ledger.record("trial.infeasible", trial["number"], checkpoint=trial["checkpoint"], **data)


def _ran_out_elsewhere(ledger: Ledger, trial: Row, attempt: Row) -> bool:
    """Whether another worker ran out of memory on this cell too; a worker without a name counts as another."""
    others = ledger.connection.execute(
        sa.select(attempts.c.worker_id).where(
            attempts.c.study_id == ledger.id,
            attempts.c.number == trial["number"],
            attempts.c.kind == "oom",
            attempts.c.attempt != attempt["attempt"],
        )
    ).scalars()
    return any(other is None or other != attempt["worker_id"] for other in others)


def _end_attempt(
    ledger: Ledger, trial: Row, attempt: Row, told: dict[str, Any], *, state: str, kind: str | None = None
) -> None:
    ledger.change_attempt(trial["number"], attempt["attempt"], state=state, kind=kind, told=told, ended_at=ledger.now)
