"""From rows to the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bonanza.schemas import Best, Budget, LeasePolicy, Model, ModelStatus, Objective, Phases, Study, Trial
from bonanza.worker.protocols import protocol_hash
from bonanza_server.lifecycle.ledger import Row
from bonanza_server.lifecycle.phases import current

DEGRADED_AFTER = 3
"""Fits that failed in a row before the model counts as degraded."""
TRIAL_STATES = ("pending", "running", "complete", "pruned", "failed", "infeasible", "cancelled")


def moment(seconds: float | None) -> datetime | None:
    """A point in time for the wire."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def trial_fields(trial: Row, attempt: Row | None, study: Row, *, token: bool = False) -> dict[str, Any]:
    """The fields of a ``Trial``; ``attempt`` is the live one, its token only for the worker that holds it."""
    value = trial["value"]
    fields: dict[str, Any] = {
        name: trial[name]
        for name in (
            "number",
            "state",
            "phase",
            "origin",
            "architecture",
            "arch_id",
            "repeat_of",
            "priority",
            "value",
            "error",
            "late",
            "invalidated",
            "attempts",
            "protocol",
        )
    }
    protocol = trial["protocol"] or study["protocol"]
    epoch = (protocol or {}).get("objective")
    fields |= {
        "seed": trial["seed"] if trial["told_seed"] is None else trial["told_seed"],
        "protocol_hash": None if protocol is None else protocol_hash(protocol),
        "epoch": epoch if epoch in {"last", "best"} else None,
        "values": None if value is None else {study["objectives"][0]["name"]: value},
        "metrics": trial["metrics"] or {},
        "cost": trial["cost"] or {},
        "measurements": trial["measurements"] or [],
        "prediction": None if trial["mean"] is None else {"mean": trial["mean"], "std": trial["std"]},
        "tags": trial["tags"] or [],
        "note": trial["note"] or "",
        "created_at": moment(trial["created_at"]),
        "started_at": moment(trial["started_at"]),
        "finished_at": moment(trial["finished_at"]),
        "attempt": None,
    }
    if attempt is not None:
        fields["attempt"] = {
            "number": attempt["attempt"],
            "token": attempt["token"] if token else None,
            "worker_id": attempt["worker_id"],
            "expires_at": moment(attempt["expires_at"]),
            "heartbeat_s": study["lease"]["heartbeat_s"],
            "checkpoint": trial["checkpoint"],
            "traceparent": attempt["traceparent"],
        }
    return fields


def trial_answer(trial: Row, attempt: Row | None, study: Row, *, token: bool = False) -> Trial:
    """A ``Trial``."""
    return Trial.model_validate(trial_fields(trial, attempt, study, token=token))


def model_status(study: Row, *, refitting: bool) -> ModelStatus:
    """How far the model is behind."""
    return ModelStatus(
        version=study["fit_version"],
        observations=study["fit_results"],
        lag=study["results"] - study["fit_results"],
        refitting=refitting,
        degraded=study["fit_failures"] >= DEGRADED_AFTER,
    )


def model_answer(
    study: Row, fit: Row | None, *, refitting: bool, pool: int, tau: float | None, pairs: int, last_error: str | None
) -> Model:
    """A ``Model``."""
    return Model(
        **model_status(study, refitting=refitting).model_dump(),
        strategy=study["strategy"],
        fit_seconds=fit and fit["seconds"],
        fitted_at=moment(fit["created_at"] if fit else None),
        pool=pool,
        rank_correlation=tau,
        predictions=pairs,
        diagnostics=fit["diagnostics"] if fit else {},
        last_error=last_error if study["fit_failures"] else None,
    )


def study_answer(study: Row, *, space: dict[str, Any] | None, best: dict[str, Any] | None, refitting: bool) -> Study:
    """A ``Study``; ``space`` is left out of lists, ``best`` is the architecture of the best trial."""
    objectives = [Objective.model_validate(objective) for objective in study["objectives"]]
    number = study["best_number"]
    return Study(
        name=study["name"],
        state=study["state"],
        state_reason=study["state_reason"],
        space=space,
        objective=objectives[0],
        objectives=objectives,
        strategy=study["strategy"],
        pruner=study["pruner"],
        budget=Budget.model_validate(study["budget"]),
        lease=LeasePolicy.model_validate(study["lease"]),
        seed=study["seed"],
        phases=None if study["phases"] is None else Phases.model_validate(study["phases"]),
        phase=current(study),
        consistency=study["consistency"],
        protocol=study["protocol"],
        tags=study["tags"],
        description=study["description"],
        trials={state: study[state] for state in TRIAL_STATES},
        best=None
        if number is None or best is None
        else Best(number=number, value=study["best_value"], architecture=best),
        model=model_status(study, refitting=refitting),
        revision=study["revision"],
        created_at=datetime.fromtimestamp(study["created_at"], UTC),
    )
