"""A study's trials as columns: what charts and tables draw, whole or as it has changed since an event.

Rows of ten thousand trials are read without their JSON columns and written as one text, on the reader's thread. What has changed is known from
the events, so a page that keeps its last ``event`` asks for a few rows a tell, whatever the size of the study.
"""

from __future__ import annotations

from typing import Any, get_args

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import Connection

from bonanza.schemas import TrialColumns
from bonanza.schemas.trial import Origin, TrialState
from bonanza_server.answers import study_answer
from bonanza_server.engine import Engine
from bonanza_server.finding import find_study
from bonanza_server.lifecycle.ledger import Row
from bonanza_server.store.database import Database
from bonanza_server.store.models import events, fits, spaces, trials

STATES: tuple[str, ...] = get_args(TrialState)
ORIGINS: tuple[str, ...] = get_args(Origin)
PHASES = ("search", "baseline", "confirm")
NAMES = tuple(TrialColumns.model_fields)
MOST_CHANGED = 500
"""Changed trials that are read one by one; where more have changed all are read."""
MOST_FITS = 400
LATE, INVALIDATED, ERROR, MEASURED_AGAIN = 1, 2, 4, 8

_COLUMNS = (
    trials.c.number,
    trials.c.state,
    trials.c.origin,
    trials.c.phase,
    trials.c.value,
    trials.c.mean,
    trials.c.std,
    trials.c.fit_rank,
    trials.c.cost["seconds"].as_float().label("told_seconds"),
    trials.c.created_at,
    trials.c.started_at,
    trials.c.finished_at,
    trials.c.attempts,
    trials.c.last_worker,
    trials.c.repeat_of,
    trials.c.late,
    trials.c.invalidated,
    trials.c.error.is_not(None).label("has_error"),
    trials.c.measurements.is_not(None).label("measured_again"),
)


class Columns:
    """Reads studies as ``StudyColumns``."""

    def __init__(self, database: Database, engine: Engine) -> None:
        """Read from ``database``; ask ``engine`` which fits run."""
        self._database = database
        self._engine = engine

    async def of(self, name: str, after: int | None) -> bytes:
        """The JSON of a ``StudyColumns``: every trial, or those that events after ``after`` are about.

        Raises:
            Refused: there is no such study.
        """
        return await self._database.read(lambda connection: self._read(connection, name, after))

    def _read(self, connection: Connection, name: str, after: int | None) -> bytes:
        study = find_study(connection, name)
        begun = study["created_at"]
        best = sa.select(trials.c.architecture).where(
            trials.c.study_id == study["id"], trials.c.number == study["best_number"]
        )
        architecture = connection.execute(best).scalar_one_or_none()
        workers: dict[str, int] = {}
        answer = {
            "study": study_answer(study, space=None, best=architecture, refitting=study["fit_server"] is not None),
            "space_kind": kind_of_space(connection, study["space_hash"]),
            "event": study["last_event"],
            "now": round(self._engine.now() - begun, 2),
            "states": STATES,
            "origins": ORIGINS,
            "phases": PHASES,
            "trials": _trials(connection, study, after, workers),
            "workers": list(workers),
            "fits": _fits(connection, study, after),
        }
        return to_json(answer)


def _trials(connection: Connection, study: Row, after: int | None, workers: dict[str, int]) -> dict[str, list[Any]]:
    query = sa.select(*_COLUMNS).where(trials.c.study_id == study["id"]).order_by(trials.c.number)
    changed = None if after is None else _changed(connection, study["id"], after)
    if changed is not None:
        query = query.where(trials.c.number.in_(changed))
    # Column by column: a function called for each of ten thousand rows takes four times as long.
    fetched = connection.execute(query).all()
    found = dict(zip((column.name for column in _COLUMNS), zip(*fetched, strict=True), strict=False))
    if not fetched:
        return {name: [] for name in NAMES}
    begun = study["created_at"]

    def since(name: str) -> list[float | None]:
        return [None if at is None else round(at - begun, 2) for at in found[name]]

    started, finished = since("started_at"), since("finished_at")
    seconds = [
        told if told is not None else None if start is None or end is None else end - start
        for told, start, end in zip(found["told_seconds"], started, finished, strict=True)
    ]
    for worker in found["last_worker"]:
        if worker is not None:
            workers.setdefault(worker, len(workers))
    marks = (found["late"], found["invalidated"], found["has_error"], found["measured_again"])
    return {
        "number": list(found["number"]),
        "state": [_STATE[name] for name in found["state"]],
        "origin": [_ORIGIN[name] for name in found["origin"]],
        "phase": [_PHASE[name] for name in found["phase"]],
        "value": [short(value) for value in found["value"]],
        "mean": [short(value) for value in found["mean"]],
        "std": [short(value) for value in found["std"]],
        "rank": list(found["fit_rank"]),
        "seconds": [short(value) for value in seconds],
        "created": since("created_at"),
        "started": started,
        "finished": finished,
        "attempts": list(found["attempts"]),
        "worker": [None if worker is None else workers[worker] for worker in found["last_worker"]],
        "repeat_of": list(found["repeat_of"]),
        "flags": [
            LATE * late | INVALIDATED * invalidated | ERROR * bool(error) | MEASURED_AGAIN * bool(again)
            for late, invalidated, error, again in zip(*marks, strict=True)
        ],
    }


def _changed(connection: Connection, study_id: int, after: int) -> list[int] | None:
    """Numbers of the trials with events after ``after``; None where they are so many that all may as well be read."""
    query = (
        sa.select(events.c.number)
        .where(events.c.study_id == study_id, events.c.seq > after, events.c.number.is_not(None))
        .distinct()
        .limit(MOST_CHANGED + 1)
    )
    found = list(connection.execute(query).scalars())
    return found if len(found) <= MOST_CHANGED else None


_STATE, _ORIGIN, _PHASE = ({name: k for k, name in enumerate(names)} for names in (STATES, ORIGINS, PHASES))


def _fits(connection: Connection, study: Row, after: int | None) -> dict[str, list[Any]]:
    """The fits, or those published after an event, evenly thinned out; the newest is always there."""
    query = sa.select(fits.c.version, fits.c.observations, fits.c.seconds, fits.c.created_at).where(
        fits.c.study_id == study["id"]
    )
    if after is not None:
        published = sa.select(sa.func.min(events.c.at)).where(
            events.c.study_id == study["id"], events.c.seq > after, events.c.kind == "fit.published"
        )
        query = query.where(fits.c.created_at >= published.scalar_subquery())
    rows = connection.execute(query.order_by(fits.c.version)).all()
    rows = thinned(rows, MOST_FITS)
    return {
        "version": [row.version for row in rows],
        "observations": [row.observations for row in rows],
        "seconds": [short(row.seconds) for row in rows],
        "at": [round(row.created_at - study["created_at"], 2) for row in rows],
    }


def thinned(rows: Any, most: int) -> list[Any]:
    """At most ``most`` of the rows, evenly spaced, the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round((k + 1) * len(rows) / most) - 1] for k in range(most)]


def short(value: float | None) -> float | None:
    """Six significant digits: what a chart shows, at a third of the length."""
    return None if value is None else float(f"{value:.6g}")


_KINDS: dict[str, str] = {}


def kind_of_space(connection: Connection, space_hash: str) -> str:
    """The kind of a stored space, remembered: the spec of a pool has megabytes."""
    if space_hash not in _KINDS:
        query = sa.select(spaces.c.spec["kind"].as_string()).where(spaces.c.hash == space_hash)
        _KINDS[space_hash] = connection.execute(query).scalar_one()
    return _KINDS[space_hash]
