"""Pruning: judge a training by its reports, and keep what its curve was worth once it has ended.

A decision is made in the transaction of the report that calls for it, from the reports that are stored by then, and stays with the trial: every later
heartbeat brings it back, so that no answer that is lost on the way costs it. Only the trials of the search itself are judged, and judged by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from pydantic import TypeAdapter

from bonanza.schemas import AshaPruner, MedianPruner, NoPruner
from bonanza.schemas.pruner import Pruner
from bonanza_server.lifecycle.ledger import Ledger, Row
from bonanza_server.search.pruner import should_prune
from bonanza_server.store.models import attempts, reports, trials

LONGEST_CURVE: Final = 64
"""Points of a learning curve that a trial keeps; of more, every k-th and the last."""

_PRUNER: Final[TypeAdapter[NoPruner | MedianPruner | AshaPruner]] = TypeAdapter(Pruner)
_SEARCHED = sa.and_(
    trials.c.study_id == sa.bindparam("s"),
    trials.c.number != sa.bindparam("k"),
    trials.c.phase == "search",
    trials.c.repeat_of.is_(None),
    sa.not_(trials.c.invalidated),
)
_COMPLETED = sa.and_(_SEARCHED, trials.c.state == "complete")
_SAME_TRIAL = sa.and_(attempts.c.study_id == trials.c.study_id, attempts.c.number == trials.c.number)
_SAME_ATTEMPT = sa.and_(
    reports.c.study_id == attempts.c.study_id,
    reports.c.number == attempts.c.number,
    reports.c.attempt == attempts.c.attempt,
)
_later = reports.alias("later")


def judge(
    ledger: Ledger, trial: Row, points: Sequence[tuple[int, dict[str, float]]], before: dict[int, float] | None
) -> None:
    """Have the trial pruned, if the study's pruner says so of the ``points`` just told; ``before`` is what ``judged_curve`` said before them."""
    pruner = _PRUNER.validate_python(ledger.study["pruner"])
    if before is None or trial["directive"] is not None:
        return
    metric, last = _metric(ledger.study), max(before, default=-1)
    told = {step: metrics[metric] for step, metrics in sorted(points) if metric in metrics}
    curve = before | {step: value for step, value in told.items() if step <= last}
    peers = _Peers(ledger, trial["number"], metric)
    for step in sorted(step for step in told if step > last):
        curve[step] = told[step]
        if should_prune(pruner, curve, peers, maximize=_maximize(ledger.study)):
            ledger.change(trial, directive="prune")
            return


def judged_curve(ledger: Ledger, trial: Row) -> dict[int, float] | None:
    """The learning curve so far of a trial that may be pruned; None where it may not: then nothing is read."""
    may = trial["phase"] == "search" and trial["repeat_of"] is None and ledger.study["pruner"]["name"] != "none"
    return _curve(ledger, trial["number"]) if may else None


def kept_curve(ledger: Ledger, trial: Row, *, pruned: bool) -> list[list[float]] | None:
    """What a trial that ends now keeps of its learning curve, [step, value] by step: what pruned trainings are completed by.

    None where nothing was reported, or where the study prunes none and this one ran to its end.
    """
    if not pruned and ledger.study["pruner"]["name"] == "none":
        return None
    points = [[step, value] for step, value in sorted(_curve(ledger, trial["number"]).items())]
    if len(points) > LONGEST_CURVE:
        every = -(-len(points) // (LONGEST_CURVE - 1))
        points = [*points[:-1:every], points[-1]]
    return points or None


def _curve(ledger: Ledger, number: int) -> dict[int, float]:
    """The values of all attempts by step; where two reported a step, the newer one counts."""
    query = (
        sa.select(reports.c.step, reports.c.metrics)
        .where(reports.c.study_id == ledger.id, reports.c.number == number)
        .order_by(reports.c.attempt, reports.c.step)
    )
    metric = _metric(ledger.study)
    return {row.step: row.metrics[metric] for row in ledger.connection.execute(query) if metric in row.metrics}


class _Peers:
    """The reports of the study's other trials (``search.pruner.Peers``), looked up by the key of each attempt rather than read through."""

    def __init__(self, ledger: Ledger, number: int, metric: str) -> None:
        self._ledger = ledger
        self._keys: dict[str, Any] = {"s": ledger.id, "k": number}
        self._value = reports.c.metrics[metric].as_float()
        self._later = _later.c.metrics[metric].as_float()

    def completed(self) -> int:
        """How many of them are complete."""
        query = sa.select(sa.func.count()).select_from(trials).where(_COMPLETED)
        return int(self._ledger.connection.execute(query, self._keys).scalar_one())

    def at(self, step: int) -> list[float]:
        """The values that the complete ones reported at ``step``; of two attempts the newer one's."""
        query = self._joined().where(_COMPLETED, reports.c.step == step, self._value.is_not(None))
        found = self._ledger.connection.execute(query.order_by(reports.c.attempt), self._keys)
        return list({row.number: float(row.value) for row in found}.values())

    def reached(self, step: int) -> list[float]:
        """Of every one that has come to ``step`` its first value there or after; of two attempts the newer one's at the same step."""
        first = (
            sa.select(sa.func.min(_later.c.step))
            .where(
                _later.c.study_id == attempts.c.study_id,
                _later.c.number == attempts.c.number,
                _later.c.attempt == attempts.c.attempt,
                _later.c.step >= step,
                self._later.is_not(None),
            )
            .correlate(attempts)
            .scalar_subquery()
        )
        query = self._joined().where(_SEARCHED, reports.c.step == first)
        rows = self._ledger.connection.execute(query.order_by(reports.c.step.desc(), reports.c.attempt), self._keys)
        return list({row.number: float(row.value) for row in rows}.values())

    def _joined(self) -> sa.Select[Any]:
        return (
            sa.select(reports.c.number, self._value.label("value"))
            .select_from(trials)
            .join(attempts, _SAME_TRIAL)
            .join(reports, _SAME_ATTEMPT)
        )


def _metric(study: Row) -> str:
    return str(study["pruner"].get("metric") or study["objectives"][0]["name"])


def _maximize(study: Row) -> bool:
    return bool(study["objectives"][0]["direction"] == "maximize")
