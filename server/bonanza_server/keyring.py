"""The keys of a server: kept in memory, looked up without a query, read again often enough that what another process did with them holds here.

A key that is not known is looked for in the database before it is refused, so one that was just made works at once; one that was revoked elsewhere is
refused within ``REFRESH_S``, and at once where it was revoked.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy.engine import Connection

from bonanza_server.access import DEFAULT_PROJECT, INCLUDES, Caller
from bonanza_server.errors import Refused
from bonanza_server.limits import Buckets
from bonanza_server.store import keys
from bonanza_server.store.database import Database
from bonanza_server.store.keys import ADMIN, TOKEN
from bonanza_server.tally import Tally

log = logging.getLogger(__name__)

T = TypeVar("T")

REFRESH_S: Final = 2.0
NOTE_S: Final = 15.0
AGAIN_S: Final = 0.5
"""The least time between two looks for keys that are not known."""
WRONG_RATE: Final = 5.0
WRONG_BURST: Final = 100.0
"""Wrong keys of one address, a second and at once. Beyond, the admin key is not even compared; keys that the server made cannot be guessed, and go on working."""


@dataclass(frozen=True)
class _Held:
    row: dict[str, Any]
    digest: bytes
    caller: Caller

    def alive(self, now: float) -> bool:
        expires_at = self.row["expires_at"]
        return self.row["revoked_at"] is None and (expires_at is None or expires_at > now)


class Keyring:
    """Says who holds a key; belongs to the event loop's thread."""

    def __init__(self, admin_key: bytes | None, *, clock: Callable[[], float] = time.time) -> None:
        """``admin_key`` opens everything; stored keys are known once it is ``open``."""
        self._admin = None if admin_key is None else _admin(admin_key)
        self._admin_key = admin_key
        self._clock = clock
        self._database: Database | None = None
        self._held: dict[str, _Held] = {}
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._wrong = Buckets(WRONG_RATE, WRONG_BURST)
        self.tally = Tally()
        self._changes = 0
        self._task: asyncio.Task[None] | None = None

    async def open(self, database: Database) -> None:
        """Know the keys in ``database``, and keep knowing them until ``close``."""
        self._database = database
        await self._refresh()
        self._task = asyncio.create_task(self._keep(), name="keyring")

    async def close(self) -> None:
        """Write down what was gathered."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            with suppress(Exception):  # the database may be what is failing
                await self._note()

    @property
    def empty(self) -> bool:
        """Whether there never was a key. Revoked ones count: a server that wanted keys must not open up because the last one is over."""
        return self._admin is None and all(held.row["parent"] is not None for held in self._held.values())

    async def holder(self, token: bytes, address: str) -> Caller:
        """Who holds a Bearer key.

        Raises:
            Refused: nobody does, or too many wrong ones came from ``address``.
        """
        found = await self._find(token.decode("latin-1"), address, session=False)
        if found is None:
            found = self._if_admin(token, address)
        return self._use(found)

    def good(self, who: Caller) -> bool:
        """Whether a caller's key still opens what it did."""
        if who.key is None or who.key == ADMIN:
            return True
        held = self._held.get(who.key)
        return held is not None and held.alive(self._clock())

    async def session(self, token: str, address: str) -> Caller | None:
        """Who opened a session of the dashboard; None if it is over or made up."""
        found = await self._find(token, address, session=True)
        if found is None:
            self._wrong.take(address)
            return None
        return self._use(found)

    async def sign_in(self, token: bytes, address: str) -> str:
        """Open a session of the dashboard under a key; returns the token of the cookie.

        Raises:
            Refused: as by ``holder``.
        """
        who = await self.holder(token, address)
        held = self._admin if who.key == ADMIN else self._held[str(who.key)]
        assert held is not None
        made = await self._write(
            lambda connection: keys.open_session(connection, held.row, held.digest, now=self._clock())
        )
        self._hold(made.row)
        return made.token

    async def sign_out(self, token: str, address: str) -> None:
        """End a session."""
        found = await self._find(token, address, session=True)
        if found is not None:
            await self._write(lambda connection: keys.end_session(connection, found.row["id"]))
            self._changes += 1
            self._held.pop(found.row["id"], None)

    async def make(self, *, lasts_s: float | None, **what: Any) -> keys.Made:
        """A new key that is good for ``lasts_s`` seconds, as ``store.keys.make`` makes it; known here at once."""
        now = self._clock()
        ends = None if lasts_s is None else now + lasts_s
        made = await self._write(lambda connection: keys.make(connection, now=now, expires_at=ends, **what))
        self._hold(made.row)
        return made

    async def revoke(self, key: str, *, project: str | None, by: str | None) -> bool:
        """End a key of ``project``, or of any if that is None, here at once; False where there is none."""
        row = await self._write(
            lambda connection: keys.revoke(connection, key, project=project, now=self._clock(), by=by)
        )
        if row is not None:
            self._hold(row)
        return row is not None

    async def _find(self, token: str, address: str, *, session: bool) -> _Held | None:
        match = TOKEN.fullmatch(token)
        if match is None:
            return None
        if match[1] not in self._held and not self._wrong.wait(address):
            await self._look_again()
        held = self._held.get(match[1])
        if held is None or (held.row["parent"] is not None) != session:
            return None
        above: bytes | None = None
        if session:
            parent = self._admin if held.row["parent"] == ADMIN else self._held.get(held.row["parent"])
            if parent is None or not parent.alive(self._clock()):
                return None
            above = parent.digest
        same = hmac.compare_digest(keys.digest(token, above), held.digest)
        return held if same and held.alive(self._clock()) else None

    def _if_admin(self, token: bytes, address: str) -> _Held:
        waits = self._wrong.wait(address)
        if waits:
            raise Refused(
                "too-many-requests",
                f"too many wrong keys came from {address}: wait, then send the right one",
                retry_after_s=waits,
            )
        if self._admin is not None and self._admin_key is not None and hmac.compare_digest(token, self._admin_key):
            return self._admin
        self._wrong.take(address)
        raise Refused(
            "unauthorized",
            "the key is not one of this server's, or it is over or revoked: bonanza key list, on the server's machine, shows which there are, "
            "bonanza key create makes one; BONANZA_ADMIN_KEY is one too",
        )

    def _use(self, held: _Held) -> Caller:
        self.tally.used(held.row["parent"] or held.row["id"], self._clock())
        return held.caller

    async def _look_again(self) -> None:
        """Read the keys once for all who look for one at the same time, and not too often."""
        if self._database is None:
            return
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        await asyncio.sleep(max(0.0, self._looked_at + AGAIN_S - time.monotonic()))
        await self._refresh()

    async def _refresh(self) -> None:
        """Read all keys; once more where one was made or revoked here meanwhile, which the view read may not have seen."""
        assert self._database is not None
        while True:
            self._looked_at, changes = time.monotonic(), self._changes
            rows = await self._database.read(keys.every)
            if changes == self._changes:
                self._held = {row["id"]: _held(row) for row in rows}
                return

    def _hold(self, row: dict[str, Any]) -> None:
        self._changes += 1
        self._held[row["id"]] = _held(row)

    async def _note(self) -> None:
        assert self._database is not None
        await self.tally.write(self._database, now=self._clock())

    async def _keep(self) -> None:
        noted = time.monotonic()
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                if time.monotonic() > noted + NOTE_S:
                    noted = time.monotonic()
                    await self._note()
                await self._refresh()
            except Exception as error:  # noqa: BLE001 - the database may be away; the keys known so far go on working
                log.warning("the keys could not be read again, trying once more in %g s: %s", REFRESH_S, error)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        assert self._database is not None
        return await self._database.write(work)


def _held(row: dict[str, Any]) -> _Held:
    scopes = frozenset(scope for given in row["scopes"] for scope in INCLUDES[given])
    caller = Caller(row["project"], scopes, row["parent"] or row["id"], row["study"], row["parent"] == ADMIN)
    return _Held(row, bytes.fromhex(row["digest"]), caller)


def _admin(key: bytes) -> _Held:
    row = {
        "id": ADMIN,
        "project": DEFAULT_PROJECT,
        "name": ADMIN,
        "scopes": ["admin"],
        "study": None,
        "parent": None,
        "digest": "",
        "expires_at": None,
        "revoked_at": None,
    }
    caller = Caller(DEFAULT_PROJECT, INCLUDES["admin"], ADMIN, every_project=True)
    return _Held(row, keys.digest(key.decode("utf-8", "replace")), caller)
