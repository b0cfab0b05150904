"""Requests under way: one with an ``Idempotency-Key`` is done once, however often it is sent while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from bonanza_server.access import project
from bonanza_server.errors import Refused
from bonanza_server.store.idempotency import Key


class Reply(NamedTuple):
    """The bytes of an answer, and whether an idempotency key brought them back."""

    status: int
    body: str
    replayed: bool = False


class ClientGone(Exception):
    """Whoever asked has hung up; nothing was leased to it."""


class InFlight:
    """What this process does now, by project and key; what it has done is in the database (``store.idempotency``)."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, str], tuple[str, asyncio.Task[Reply]]] = {}

    async def once(self, key: Key | None, run: Callable[[], Awaitable[Reply]]) -> Reply:
        """Run a request, or join the one with the same key that is under way.

        Raises:
            ClientGone: ``run`` said so of this client; one that had joined does it itself.
            Refused: the key is in use for another request.
        """
        if key is None:
            return await run()
        mine = project(), key.key
        while mine in self._tasks:
            fingerprint, task = self._tasks[mine]
            if fingerprint != key.fingerprint:
                raise Refused(
                    "idempotency-key-reused",
                    f"Idempotency-Key {key.key!r} is in use for another request: use a new key for a new request",
                )
            try:
                return (await asyncio.shield(task))._replace(replayed=True)
            except ClientGone:
                continue  # the first client hung up and nothing was done: this one does it
        task = asyncio.ensure_future(run())
        self._tasks[mine] = (key.fingerprint, task)

        def done(finished: asyncio.Task[Reply]) -> None:
            self._tasks.pop(mine, None)
            if not finished.cancelled():
                finished.exception()  # whoever wanted to hear it may have been cut off

        task.add_done_callback(done)
        return await asyncio.shield(task)
