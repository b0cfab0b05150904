"""Claims: which server process fits a study's model now, so that several of them on one PostgreSQL do not make the same fit.

A claim is the process's id in the study's row. It is good for as long as its process gives signs of life, so nobody has to renew it; the
claims of the dead are dropped by the living. It saves work and no more: a fit that two processes made all the same is stored once.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.lifecycle.ledger import Ledger
from bonanza_server.store.models import servers, studies

SILENCE_S = 10.0
"""A server that has given no sign of life for so long is dead."""


def claim(ledger: Ledger, server: str) -> bool:
    """Take the study's fits for ``server``; False where another process has them."""
    if ledger.study["fit_server"] not in {None, server}:
        return False
    ledger.study["fit_server"] = server
    return True


def release(ledger: Ledger, server: str) -> None:
    """Let others fit the study."""
    if ledger.study["fit_server"] == server:
        ledger.study["fit_server"] = None


def release_all(connection: Connection, server: str) -> None:
    """Let others fit every study that ``server`` fits: it stops."""
    connection.execute(sa.update(studies).where(studies.c.fit_server == server).values(fit_server=None))


def drop_dead(connection: Connection, now: float) -> int:
    """Drop the claims of servers that have been silent for ``SILENCE_S`` or are gone; return how many."""
    alive = sa.select(servers.c.id).where(servers.c.alive_at > now - SILENCE_S)
    dead = sa.and_(studies.c.fit_server.is_not(None), studies.c.fit_server.not_in(alive))
    return int(connection.execute(sa.update(studies).where(dead).values(fit_server=None)).rowcount)
