"""The open transaction on one study: its locked row, its trials' moves, and one event for each of them.

Every change of a trial's state goes through ``add`` or ``move``, which keep the counters of the study row; every event through ``record``. So the
invariants "one event a change" and "the counters are the sums" hold by construction. ``close`` writes what is left, before the commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from bonanza_server.errors import no_study, no_trial
from bonanza_server.store.models import attempts, events, studies, trials
from bonanza_server.store.pipeline import UNREAD

Row = dict[str, Any]

_LOCKED = (
    sa.select(studies)
    .where(studies.c.project == sa.bindparam("p"), studies.c.name == sa.bindparam("n"))
    .with_for_update()
)
# Each of the three rows is locked, not the study alone: had another transaction to be waited for, PostgreSQL reads anew only what it locks.
_LOCKED_WITH_ATTEMPT = (
    sa.select(studies, trials, attempts)
    .join_from(studies, trials, trials.c.study_id == studies.c.id)
    .join(attempts, sa.and_(attempts.c.study_id == trials.c.study_id, attempts.c.number == trials.c.number))
    .where(
        studies.c.project == sa.bindparam("p"),
        studies.c.name == sa.bindparam("n"),
        trials.c.number == sa.bindparam("k"),
        attempts.c.token == sa.bindparam("t"),
    )
    .with_for_update()
)
_HELD = (
    sa.select(trials, attempts)
    .join_from(
        trials,
        attempts,
        sa.and_(attempts.c.study_id == trials.c.study_id, attempts.c.number == trials.c.number),
    )
    .where(
        trials.c.study_id == sa.bindparam("s"),
        trials.c.number == sa.bindparam("k"),
        attempts.c.token == sa.bindparam("t"),
    )
    .with_for_update()
)
_COLUMNS = [[column.name for column in table.columns] for table in (studies, trials, attempts)]
_TRIAL = sa.select(trials).where(trials.c.study_id == sa.bindparam("s"), trials.c.number == sa.bindparam("n"))
_INSERT_TRIAL = {
    # preserve_rowcount: without it SQLAlchemy does not promise the row count of an INSERT, and PostgreSQL's is lost.
    "sqlite": sqlite.insert(trials).on_conflict_do_nothing().execution_options(preserve_rowcount=True),
    "postgresql": postgresql.insert(trials).on_conflict_do_nothing().execution_options(preserve_rowcount=True),
}
_BLANK_TRIAL: Row = {column.name: None for column in trials.columns} | {
    "phase": "search",
    "front": 0,
    "priority": 0,
    "late": False,
    "invalidated": False,
    "started": False,
    "attempts": 0,
    "leases": 0,
}
_INSERT_EVENT = sa.insert(events).execution_options(**UNREAD)
# Executed with the changed columns as further parameters: SQLAlchemy then finds the compiled statement by their names, where ``values()`` would
# build and hash a new one for each change.
_UPDATE_STUDY = sa.update(studies).where(studies.c.id == sa.bindparam("study_key")).execution_options(**UNREAD)
_UPDATE_TRIAL = (
    sa.update(trials)
    .where(trials.c.study_id == sa.bindparam("study_key"), trials.c.number == sa.bindparam("trial_key"))
    .execution_options(**UNREAD)
)
_UPDATE_ATTEMPT = (
    sa.update(attempts)
    .where(
        attempts.c.study_id == sa.bindparam("study_key"),
        attempts.c.number == sa.bindparam("trial_key"),
        attempts.c.attempt == sa.bindparam("attempt_key"),
    )
    .execution_options(**UNREAD)
)


class Ledger:
    """One study, locked for the length of a transaction. ``study`` is its row; assign to its fields to change them."""

    def __init__(self, connection: Connection, study: Row, now: float) -> None:
        """Work on the locked row ``study`` at time ``now``."""
        self.connection = connection
        self.study = study
        self.now = now
        self.trace: str | None = None
        """The trace of the ask that the next attempts are leased to."""
        self.held: tuple[Row, Row] | None = None
        """The trial and the attempt that were locked together with the study."""
        self._read = dict(study)
        self._events: list[Row] = []

    @property
    def id(self) -> int:
        """The study's key."""
        return int(self.study["id"])

    def record(self, kind: str, number: int | None = None, **data: Any) -> int:
        """Write the event of one change; return its sequence number."""
        self.study["last_event"] += 1
        seq = int(self.study["last_event"])
        self._events.append(
            {"study_id": self.id, "seq": seq, "at": self.now, "kind": kind, "number": number, "data": data}
        )
        return seq

    def said(self, kind: str) -> list[dict[str, Any]]:
        """The data of every event of one kind, also of those that this transaction has yet to write."""
        written = sa.select(events.c.data).where(events.c.study_id == self.id, events.c.kind == kind)
        return [
            *self.connection.execute(written).scalars(),
            *(event["data"] for event in self._events if event["kind"] == kind),
        ]

    def add(self, **columns: Any) -> Row | None:
        """Insert a trial with the next number; None where the study has its cell already (the unique index decides)."""
        trial = (
            _BLANK_TRIAL | {"study_id": self.id, "number": self.study["next_number"], "created_at": self.now} | columns
        )
        given = {name: value for name, value in trial.items() if value is not None}  # most are NULL, and each costs
        if self.connection.execute(_INSERT_TRIAL[self.connection.dialect.name], given).rowcount == 0:
            return None
        self.study["next_number"] += 1
        self.study[trial["state"]] += 1
        return trial

    def trial(self, number: int) -> Row:
        """The trial of that number.

        Raises:
            Refused: there is none.
        """
        row = self.connection.execute(_TRIAL, {"s": self.id, "n": number}).mappings().one_or_none()
        if row is None:
            raise no_trial(self.study["name"], number)
        return dict(row)

    def move(self, trial: Row, state: str, **columns: Any) -> None:
        """Change a trial's state and the counters with it."""
        self.study[trial["state"]] -= 1
        self.study[state] += 1
        self.change(trial, state=state, **columns)

    def change(self, trial: Row, **columns: Any) -> None:
        """Change columns of a trial, in the table and in ``trial``."""
        self.connection.execute(_UPDATE_TRIAL, {"study_key": self.id, "trial_key": trial["number"]} | columns)
        trial.update(columns)

    def change_attempt(self, number: int, attempt: int, **columns: Any) -> None:
        """Change columns of an attempt."""
        keys = {"study_key": self.id, "trial_key": number, "attempt_key": attempt}
        self.connection.execute(_UPDATE_ATTEMPT, keys | columns)

    def new_result(self, seq: int) -> None:
        """A result came or went at event ``seq``: the model is behind."""
        self.study["results"] += 1
        self.news(seq)

    def news(self, seq: int) -> None:
        """Something that a fit reads came at event ``seq``."""
        self.study["result_event"] = seq

    def close(self) -> None:
        """Write the events and the study's changed columns."""
        if self._events:
            self.connection.execute(_INSERT_EVENT, self._events)
        changed = {name: value for name, value in self.study.items() if self._read[name] != value}
        if changed:
            self.connection.execute(_UPDATE_STUDY, {"study_key": self.id} | changed)


def lock_study(connection: Connection, project: str, name: str) -> Row:
    """The study's row, locked before any trial or attempt of it (the one order everywhere, so nothing deadlocks).

    Raises:
        Refused: there is no such study.
    """
    found = connection.execute(_LOCKED, {"p": project, "n": name}).one_or_none()
    if found is None:
        raise no_study(name)
    return dict(zip(_COLUMNS[0], found, strict=True))


def _lock_with_attempt(
    connection: Connection, project: str, name: str, number: int, token: str
) -> tuple[Row, tuple[Row, Row] | None]:
    """The study's row, and those of the trial and of the attempt at it with that token, if there are such; all locked by one query."""
    keys = {"p": project, "n": name, "k": number, "t": token}
    found = connection.execute(_LOCKED_WITH_ATTEMPT, keys).one_or_none()
    if found is None:
        return lock_study(connection, project, name), None
    values = iter(found)
    study, trial, attempt = (dict(zip(names, values, strict=False)) for names in _COLUMNS)
    return study, (trial, attempt)


def _read_held(ledger: Ledger, number: int, token: str) -> tuple[Row, Row] | None:
    """The trial and the attempt at it with that token, if there are such, of a study that is locked already."""
    found = ledger.connection.execute(_HELD, {"s": ledger.id, "k": number, "t": token}).one_or_none()
    if found is None:
        return None
    values = iter(found)
    trial, attempt = (dict(zip(names, values, strict=False)) for names in _COLUMNS[1:])
    return trial, attempt


_shared: dict[int, dict[tuple[str, str], Ledger]] = {}
"""The ledgers open in each transaction whose work shares them, by the identity of its connection."""


@contextmanager
def sharing_ledgers(connection: Connection) -> Iterator[None]:
    """Within the body, which is one transaction, ``open_ledger`` goes on with the ledger of a study that it opened before.

    So the changes of several requests lock the study once, and its row and the events are written once, at the end of the body. If the body
    raises nothing is written: the transaction has to roll back.
    """
    ledgers = _shared[id(connection)] = {}
    try:
        yield
        for ledger in ledgers.values():
            ledger.close()
    finally:
        del _shared[id(connection)]


@contextmanager
def open_ledger(
    connection: Connection, project: str, name: str, now: float, *, attempt: tuple[int, str] | None = None
) -> Iterator[Ledger]:
    """Lock the study, let the body work, write what it left. A body that raises writes nothing: the transaction rolls back.

    With ``attempt`` (a trial's number and a lease token) these are read with the study, where they are.
    """
    shared = _shared.get(id(connection))
    ledger = None if shared is None else shared.get((project, name))
    if ledger is not None:
        ledger.now = now
        ledger.held = None if attempt is None else _read_held(ledger, *attempt)
        yield ledger
        return
    held = None
    if attempt is None:
        study = lock_study(connection, project, name)
    else:
        study, held = _lock_with_attempt(connection, project, name, *attempt)
    ledger = Ledger(connection, study, now)
    ledger.held = held
    yield ledger
    if shared is None:
        ledger.close()
    else:
        shared[project, name] = ledger
