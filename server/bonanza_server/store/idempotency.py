"""Idempotency keys: the answer of a POST, stored in the transaction of its effect and replayed for 24 hours."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.store.models import idempotency

KEPT_SECONDS = 24 * 3600.0

_FIND = sa.select(idempotency).where(idempotency.c.project == sa.bindparam("p"), idempotency.c.key == sa.bindparam("k"))


class Key(NamedTuple):
    """An ``Idempotency-Key`` and the fingerprint of the request it came with."""

    key: str
    fingerprint: str


class Stored(NamedTuple):
    """What was answered the first time; ``fingerprint`` tells whether the request was the same."""

    fingerprint: str
    status: int
    body: str


def recall(connection: Connection, project: str, key: Key) -> Stored | None:
    """What this key was answered before, whatever it was asked."""
    row = connection.execute(_FIND, {"p": project, "k": key.key}).one_or_none()
    return None if row is None else Stored(row.fingerprint, row.status, row.body)


def remember(connection: Connection, project: str, key: Key, *, status: int, body: str, now: float) -> None:
    """Store an answer beside its effect."""
    connection.execute(
        sa.insert(idempotency),
        {
            "project": project,
            "key": key.key,
            "fingerprint": key.fingerprint,
            "status": status,
            "body": body,
            "created_at": now,
        },
    )


def purge(connection: Connection, now: float) -> int:
    """Drop what is older than a day; return how many."""
    return int(connection.execute(sa.delete(idempotency).where(idempotency.c.created_at < now - KEPT_SECONDS)).rowcount)
