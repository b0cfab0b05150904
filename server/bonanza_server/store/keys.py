"""Keys and the audit log in SQL. A key is never stored, only what it hashes to; a session of the dashboard is a key of its own, with a parent.

A key has 256 bits of chance in it, so nothing is gained by a slow hash. What is made and revoked is logged in the transaction that does it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.store.models import audit, keys

Row = dict[str, Any]

ADMIN: Final = "admin"
"""What the key in BONANZA_ADMIN_KEY is called where keys are named by id; no id is like it."""
TOKEN: Final = re.compile(r"bnz_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
"""A key as a person holds it: known at sight, also to programs that look for secrets in places where they should not be."""
SESSION_S: Final = 30 * 86_400.0
AUDIT_KEPT_S: Final = 90 * 86_400.0


class Made(NamedTuple):
    """A key just made: its row, and the one sight of it that there will be."""

    row: Row
    token: str


def digest(token: str, parent: bytes | None = None) -> bytes:
    """What is kept of a token; a session's depends on its parent's, so that it ends with it, and is worth nothing to whoever has read the database."""
    if parent is None:
        return hashlib.sha256(token.encode()).digest()
    return hmac.digest(parent, token.encode(), "sha256")


def make(
    connection: Connection,
    *,
    project: str,
    name: str,
    scopes: Iterable[str],
    study: str | None,
    expires_at: float | None,
    now: float,
    by: str | None,
) -> Made:
    """A new key; ``by`` is the key under which it is made, None on the server's own machine."""
    made = _insert(connection, project, name, scopes, study=study, expires_at=expires_at, now=now)
    row = made.row
    data = {"name": name, "scopes": row["scopes"], "study": study, "expires_at": expires_at, "by": by}
    log(connection, "key.made", project=project, key=row["id"], data=data, now=now)
    return made


def open_session(connection: Connection, parent: Row, parent_digest: bytes, *, now: float) -> Made:
    """A session of the dashboard under a key, with what the key opens."""
    ends = min(now + SESSION_S, parent["expires_at"] or now + SESSION_S)
    made = _insert(
        connection,
        parent["project"],
        parent["name"],
        parent["scopes"],
        study=parent["study"],
        expires_at=ends,
        now=now,
        parent=(parent["id"], parent_digest),
    )
    log(connection, "session.opened", project=parent["project"], key=parent["id"], data={}, now=now)
    return made


def end_session(connection: Connection, key: str) -> None:
    """Forget a session."""
    connection.execute(sa.delete(keys).where(keys.c.id == key, keys.c.parent.is_not(None)))


def revoke(connection: Connection, key: str, *, project: str | None, now: float, by: str | None) -> Row | None:
    """End a key, of ``project`` unless that is None; None where there is no such key. Twice is once."""
    mine = [keys.c.id == key, keys.c.parent.is_(None)]
    if project is not None:
        mine.append(keys.c.project == project)
    found = connection.execute(sa.select(keys).where(*mine)).mappings().one_or_none()
    if found is None:
        return None
    live = sa.update(keys).where(*mine, keys.c.revoked_at.is_(None)).values(revoked_at=now)
    if connection.execute(live).rowcount:
        data = {"name": found["name"], "by": by}
        log(connection, "key.revoked", project=found["project"], key=key, data=data, now=now)
    return dict(found) | {"revoked_at": found["revoked_at"] or now}


def any_live(connection: Connection, now: float) -> bool:
    """Whether some key opens something."""
    live = sa.and_(
        keys.c.parent.is_(None), keys.c.revoked_at.is_(None), sa.func.coalesce(keys.c.expires_at, now + 1) > now
    )
    return connection.execute(sa.select(keys.c.id).where(live).limit(1)).first() is not None


def every(connection: Connection) -> list[Row]:
    """All keys and sessions: hundreds, and a server keeps them in memory."""
    return [dict(row) for row in connection.execute(sa.select(keys)).mappings()]


def listed(connection: Connection, project: str | None) -> list[Row]:
    """The keys of a project, or of all, the newest first, without sessions."""
    query = sa.select(keys).where(keys.c.parent.is_(None))
    if project is not None:
        query = query.where(keys.c.project == project)
    return [dict(row) for row in connection.execute(query.order_by(keys.c.created_at.desc(), keys.c.id)).mappings()]


def note(
    connection: Connection, used: Mapping[str, float], refused: Iterable[tuple[str, str | None, Row]], *, now: float
) -> None:
    """Write down when keys were last used, and what was refused: (project, key, data)."""
    for key, at in used.items():
        later = sa.or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < at)
        connection.execute(sa.update(keys).where(keys.c.id == key, later).values(last_used_at=at))
    for project, whose, data in refused:
        log(connection, "refused", project=project, key=whose, data=data, now=now)


def log(connection: Connection, kind: str, *, project: str, key: str | None, data: Row, now: float) -> None:
    """Add to the audit log."""
    row = {"at": now, "project": project, "kind": kind, "key": key, "data": data}
    connection.execute(sa.insert(audit), row)


def logged(connection: Connection, project: str, *, before: int | None, most: int) -> list[Row]:
    """The newest ``most`` of the audit log, older than the one of id ``before``."""
    query = sa.select(audit).where(audit.c.project == project)
    if before is not None:
        query = query.where(audit.c.id < before)
    return [dict(row) for row in connection.execute(query.order_by(audit.c.id.desc()).limit(most)).mappings()]


def purge(connection: Connection, now: float) -> None:
    """Drop sessions that are over, or whose key is revoked, and old entries of the log. Keys stay, revoked or over: the log speaks of them."""
    above = keys.alias("above")
    revoked = sa.select(above.c.id).where(above.c.revoked_at.is_not(None))
    over = sa.or_(keys.c.expires_at < now, keys.c.parent.in_(revoked))
    connection.execute(sa.delete(keys).where(keys.c.parent.is_not(None), over))
    connection.execute(sa.delete(audit).where(audit.c.at < now - AUDIT_KEPT_S))


def _insert(
    connection: Connection,
    project: str,
    name: str,
    scopes: Iterable[str],
    *,
    study: str | None,
    expires_at: float | None,
    now: float,
    parent: tuple[str, bytes] | None = None,
) -> Made:
    key = secrets.token_hex(6)
    token = f"bnz_{key}_{secrets.token_urlsafe(32)}"
    row = {
        "id": key,
        "project": project,
        "name": name,
        "scopes": sorted(set(scopes)),
        "study": study,
        "parent": None if parent is None else parent[0],
        "digest": digest(token, None if parent is None else parent[1]).hex(),
        "created_at": now,
        "expires_at": expires_at,
        "revoked_at": None,
        "last_used_at": None,
    }
    connection.execute(sa.insert(keys), row)
    return Made(row, token)
