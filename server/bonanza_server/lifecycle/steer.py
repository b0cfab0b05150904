"""What people do to trials: queue, import, cancel, retry, repeat, invalidate, annotate."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from bonanza.schemas import ObservationsRequest, TrialChange
from bonanza.spaces import Architecture
from bonanza_server.errors import Refused
from bonanza_server.lifecycle.ledger import Ledger, Row
from bonanza_server.lifecycle.tell import find_best, note_best, objective_value
from bonanza_server.store.models import trials


def trial_seed(study: Row, number: int) -> int:
    """The seed of a trial's training run, from (study seed, trial number): 31 bits, which every framework takes."""
    return random.Random(f"{study['seed']}/{number}/training").getrandbits(31)


def trial_of_cell(ledger: Ledger, arch_id: str) -> Row:
    """The trial that holds a cell the unique index has just refused."""
    row = (
        ledger.connection.execute(
            sa.select(trials).where(
                trials.c.study_id == ledger.id,
                trials.c.arch_id == arch_id,
                trials.c.repeat_of.is_(None),
                sa.not_(trials.c.invalidated),
            )
        )
        .mappings()
        .one()
    )
    return dict(row)


def queue(
    ledger: Ledger, architectures: Sequence[Architecture], *, priority: int, tags: list[str]
) -> list[tuple[Row, bool]]:
    """Queue cells; an entry is (trial, created), the trial there already where the study has the cell."""
    queued = []
    for architecture in architectures:
        trial = add_pending(
            ledger, architecture.json, architecture.arch_id, origin="queue", priority=priority, tags=tags
        )
        queued.append((trial, True) if trial else (trial_of_cell(ledger, architecture.arch_id), False))
    return queued


def repeat(ledger: Ledger, trial: Row, count: int, protocol: dict[str, Any] | None = None) -> list[Row]:
    """Queue ``count`` more measurements of a trial's cell, each with its own seed; by ``protocol`` where that is another than the study's."""
    first = trial["number"] if trial["repeat_of"] is None else trial["repeat_of"]
    other: dict[str, Any] = {} if protocol is None or protocol == ledger.study["protocol"] else {"protocol": protocol}
    made = []
    for _ in range(count):
        row = add_pending(
            ledger, trial["architecture"], trial["arch_id"], origin="repeat", repeat_of=first, tags=[], **other
        )
        assert row is not None  # the unique index does not bind repeats
        made.append(row)
    return made


def add_pending(
    ledger: Ledger, architecture: dict[str, Any], arch_id: str, *, seed: int | None = None, **columns: Any
) -> Row | None:
    """Queue a trial of the cell, its seed drawn unless it is given; None where the study has the cell, and ``columns`` make it no repeat."""
    seed = trial_seed(ledger.study, ledger.study["next_number"]) if seed is None else seed
    trial = ledger.add(state="pending", architecture=architecture, arch_id=arch_id, seed=seed, **columns)
    if trial is not None:
        ledger.record("trial.queued", trial["number"], architecture=architecture, arch_id=arch_id, seed=seed, **columns)
    return trial


def observe(
    ledger: Ledger, architectures: Sequence[Architecture], request: ObservationsRequest
) -> tuple[int, int, int]:
    """Import results measured elsewhere; return how many were (added, measured again, skipped).

    Raises:
        Refused: a cell is in the study already and ``on_duplicate`` is ``error``, or a value does not fit; nothing is imported then.
    """
    added = measured = skipped = 0
    for index, (architecture, given) in enumerate(zip(architectures, request.observations, strict=True)):
        value = objective_value(ledger.study, given.value, given.values, at=f"/observations/{index}")
        result = {"value": value, "metrics": given.metrics, "cost": given.cost, "seed": given.seed}
        seed = trial_seed(ledger.study, ledger.study["next_number"]) if given.seed is None else given.seed
        trial = ledger.add(
            state="complete",
            origin="import",
            architecture=architecture.json,
            arch_id=architecture.arch_id,
            seed=seed,
            value=value,
            metrics=given.metrics,
            cost=given.cost,
            told_seed=given.seed,
            finished_at=ledger.now,
        )
        if trial is not None:
            data = result | {
                "architecture": architecture.json,
                "arch_id": architecture.arch_id,
                "trial_seed": seed,
                "source": given.source,
            }
            data |= {"best": True} if note_best(ledger, trial) else {}
            ledger.new_result(ledger.record("trial.imported", trial["number"], **data))
            added += 1
            continue
        holder = trial_of_cell(ledger, architecture.arch_id)
        if request.on_duplicate == "error":
            detail = f"observation {index} is of a cell that trial {holder['number']} holds; use on_duplicate skip or measure"
            raise Refused(
                "duplicate-observation",
                detail,
                errors=[(f"/observations/{index}/architecture", "already in the study")],
                trial=holder["number"],
            )
        if request.on_duplicate == "measure" and holder["state"] == "complete":
            ledger.change(holder, measurements=[*(holder["measurements"] or []), result])
            ledger.new_result(
                ledger.record("trial.measured", holder["number"], **result, attempt=None, source=given.source)
            )
            measured += 1
        else:
            skipped += 1
    return added, measured, skipped


def cancel(ledger: Ledger, trial: Row, reason: str | None) -> bool:
    """Cancel a trial that has not ended; a worker on it learns so at its next heartbeat. False if it was cancelled already.

    Raises:
        Refused: it has ended otherwise.
    """
    if trial["state"] == "cancelled":
        return False
    if trial["state"] not in {"pending", "running"}:
        raise Refused(
            "conflict",
            f"trial {trial['number']} is {trial['state']}: only pending and running trials can be cancelled",
            state=trial["state"],
        )
    attempt = trial["live_attempt"]
    if attempt is not None:
        ledger.change_attempt(trial["number"], attempt, state="superseded", ended_at=ledger.now)
    ledger.move(trial, "cancelled", live_attempt=None, finished_at=ledger.now)
    ledger.record("trial.cancelled", trial["number"], attempt=attempt, by="person", reason=reason)
    return True


def retry(ledger: Ledger, trial: Row) -> None:
    """Bring a failed, infeasible or cancelled trial back, with all its attempts again.

    Raises:
        Refused: the trial is in another state.
    """
    if trial["state"] not in {"failed", "infeasible", "cancelled"}:
        detail = f"trial {trial['number']} is {trial['state']}: retry brings back failed, infeasible and cancelled trials; repeat measures a cell again"
        raise Refused("conflict", detail, state=trial["state"])
    ledger.move(trial, "pending", attempts=0, front=1, error=None, finished_at=None, late=False, directive=None)
    ledger.record("trial.retried", trial["number"])


def change(ledger: Ledger, trial: Row, request: TrialChange) -> None:
    """Annotate a trial, or invalidate its result: the row stays, the model forgets it, the cell may be proposed again.

    Raises:
        Refused: there is no completed result to invalidate.
    """
    notes = {
        name: value
        for name, value in request.model_dump(exclude={"invalidate"}, exclude_none=True).items()
        if trial[name] != value
    }
    if notes:
        ledger.change(trial, **notes)
        ledger.record("trial.changed", trial["number"], **notes)
    if not request.invalidate or trial["invalidated"]:
        return
    if trial["state"] != "complete":
        raise Refused(
            "conflict",
            f"trial {trial['number']} is {trial['state']}: only a completed result can be invalidated",
            state=trial["state"],
        )
    ledger.change(trial, invalidated=True)
    seq = ledger.record("trial.invalidated", trial["number"])
    if trial["protocol"] is None:
        ledger.new_result(seq)
    if ledger.study["best_number"] == trial["number"]:
        find_best(ledger)
