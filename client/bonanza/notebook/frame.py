"""A study's trials as a pandas data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bonanza.errors import MissingExtra
from bonanza.schemas import Trial

if TYPE_CHECKING:
    import pandas

    from bonanza.study import Study


def dataframe(study: Study) -> pandas.DataFrame:
    """One row a trial, indexed by its number; metrics and costs have columns of their own, ``metrics.NAME`` and ``cost.NAME``.

    Raises:
        MissingExtra: pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise MissingExtra("a data frame needs pandas: pip install 'bonanza[plot]'") from error
    records = [_record(trial) for trial in study.trials(page_size=1_000)]
    frame = pandas.DataFrame.from_records(records, columns=None if records else ["number", "state", "value"])
    return frame.set_index("number")


def _record(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "phase": trial.phase,
        "origin": trial.origin,
        "value": trial.value,
        "predicted_mean": trial.prediction.mean if trial.prediction else None,
        "predicted_std": trial.prediction.std if trial.prediction else None,
        "arch_id": trial.arch_id,
        "architecture": trial.architecture,
        "repeat_of": trial.repeat_of,
        "seed": trial.seed,
        "attempts": trial.attempts,
        "invalidated": trial.invalidated,
        "created_at": trial.created_at,
        "started_at": trial.started_at,
        "finished_at": trial.finished_at,
        **{f"metrics.{name}": value for name, value in trial.metrics.items()},
        **{f"cost.{name}": value for name, value in trial.cost.items()},
    }
