"""Idempotency keys: the answer of a POST, stored in the transaction of its effect and replayed for 24 hours, or as long as the server is set to."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.store.models import idempotency

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
