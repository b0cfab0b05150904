"""Whether a study's tables are what its model says."""

from __future__ import annotations

from typing import Any

from bonanza_server.lifecycle.audit import StudyRows
from tests.server.study_model import StudyModel
from tests.server.trial_model import Trial

SAME = ("state", "repeat_of", "priority", "started", "late", "invalidated", "value", "checkpoint")
"""Columns of a trial that its model has under the same name."""


def agree(rows: StudyRows, model: StudyModel) -> None:
    """Fail where the rows of a study and its model differ."""
    study, best = rows.study, model.best
    assert (study["state"], study["failures_in_a_row"]) == (model.state, model.failures)
    assert (study["best_number"], study["best_value"]) == ((best.number, best.value) if best else (None, None))
    assert [_row(trial) for trial in rows.trials] == [_said(trial) for trial in model.trials]
    leases = [(trial.number, a.number, a.state, a.kind) for trial in model.trials for a in trial.attempts]
    assert [(a["number"], a["attempt"], a["state"], a["kind"]) for a in rows.attempts] == leases


def _row(trial: dict[str, Any]) -> tuple[Any, ...]:
    error = trial["error"] and trial["error"]["kind"]
    further = [measured["value"] for measured in trial["measurements"] or []]
    return (trial["arch_id"], trial["attempts"], error, further, *(trial[name] for name in SAME))


def _said(trial: Trial) -> tuple[Any, ...]:
    return (trial.cell, trial.counted, trial.error, trial.further, *(getattr(trial, name) for name in SAME))
