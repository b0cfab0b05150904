"""The pool: the ranked proposals of a study's newest fit, kept in memory as it stands in SQL.

A pool never changes once its fit is stored, so the copy is always right; the cursor only remembers which proposals the unique index has
already refused, and is moved after the commit. A restarted server begins at the first proposal whose cell nobody has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.store.models import fits, trials

_TAKEN = sa.select(trials.c.arch_id).where(
    trials.c.study_id == sa.bindparam("s"),
    trials.c.arch_id.in_(sa.bindparam("ids", expanding=True)),
    trials.c.repeat_of.is_(None),
    sa.not_(trials.c.invalidated),
)


class Pool:
    """The proposals of one fit, best first."""

    def __init__(self, fit_id: int, version: int, event: int, proposals: list[dict[str, Any]], cursor: int = 0) -> None:
        """Hold ``proposals`` ({architecture, arch_id, mean, std, acquisition}) of fit ``fit_id``; start at ``cursor``."""
        self.fit_id = fit_id
        self.version = version
        self.event = event
        self.proposals = proposals
        self.cursor = cursor
        self._open: tuple[Connection, int] | None = None

    def cursor_in(self, connection: Connection) -> int:
        """Where to go on in the transaction of ``connection``: behind what it has taken itself, though that is not committed."""
        return self._open[1] if self._open is not None and self._open[0] is connection else self.cursor

    def advance_in(self, connection: Connection, cursor: int) -> None:
        """The transaction of ``connection`` has looked at all before ``cursor``."""
        self._open = connection, cursor

    @property
    def left(self) -> int:
        """Proposals that may still be unseen."""
        return len(self.proposals) - self.cursor


class Pools:
    """The newest pool of every study that was asked since the server started."""

    def __init__(self) -> None:
        self._pools: dict[int, Pool] = {}

    def get(self, connection: Connection, study_id: int, fit_id: int | None) -> Pool | None:
        """The pool of fit ``fit_id``, read once; None before the first fit."""
        if fit_id is None:
            return None
        held = self._pools.get(study_id)
        if held is not None and held.fit_id == fit_id:
            return held
        pool = _read(connection, study_id, fit_id)
        if (
            held is None or held.fit_id < fit_id
        ):  # a reader whose view is older than the newest fit must not bring its pool back
            self._pools[study_id] = pool
        return pool

    def newest(self, study_id: int) -> Pool | None:
        """The pool in memory; None where none was needed yet."""
        return self._pools.get(study_id)

    def put(self, study_id: int, fit_id: int, version: int, event: int, proposals: list[dict[str, Any]]) -> None:
        """Hold the pool of a fit that was just stored, so that no ask has to read it."""
        self._pools[study_id] = Pool(fit_id, version, event, proposals)

    def forget(self, study_id: int) -> None:
        """A study is gone."""
        self._pools.pop(study_id, None)


def taken(connection: Connection, study_id: int, arch_ids: Sequence[str]) -> set[str]:
    """Those of the cells that the study has."""
    return set(connection.execute(_TAKEN, {"s": study_id, "ids": arch_ids}).scalars())


def _read(connection: Connection, study_id: int, fit_id: int) -> Pool:
    row = connection.execute(sa.select(fits.c.version, fits.c.event, fits.c.pool).where(fits.c.id == fit_id)).one()
    wanted = [proposal["arch_id"] for proposal in row.pool]
    known = taken(connection, study_id, wanted)
    cursor = next((rank for rank, arch_id in enumerate(wanted) if arch_id not in known), len(wanted))
    return Pool(fit_id, row.version, row.event, row.pool, cursor)
