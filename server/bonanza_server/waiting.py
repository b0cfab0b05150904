"""Asks in line: while they wait they hold no thread and no connection, and they are woken first come, first served.

An ask joins the line of its study before it first looks for a trial, and stays in its place until it is answered. So a wake-up that comes
while it looks reaches it, and none is lost between looking and waiting.

A wake-up is a baton: whoever had it hands it on when it leaves the line, served or not. So waking one is enough whatever there is to be
had, and costs one look too many, not one for each of a thousand that wait. Where there is much to be had, as of a fit, several are woken: their asks
are then written together.

What a change of this process wakes here it wakes in the other server processes too, by ``announce``; batons stay where they are.

Everything here but ``waiting`` runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from bonanza_server.store.lanes import MOST_TOGETHER

PRESENCE_S = 2.0
"""How often an ask that waits makes sure that its client is still there."""


MANY = MOST_TOGETHER
"""Batons of a fit: as many asks as are written in one transaction."""


class Ticket:
    """A place in a line."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.waited = False

    async def wait(self, seconds: float, gone: Callable[[], Awaitable[bool]]) -> bool:
        """Return once woken since the last time, or after ``seconds``; False as soon as ``gone()`` says that the client has hung up."""
        self.waited = True
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(end - clock(), PRESENCE_S)):
                    await self.woken.wait()
            if await gone():
                return False
            if self.woken.is_set() or clock() >= end:
                self.woken.clear()
                return True


class WaitingRoom:
    """The lines of all studies."""

    def __init__(self, tell: Callable[[str, int], None] = lambda _study, _batons: None) -> None:
        """``tell(study, batons)`` lets the other server processes know of a change."""
        self.closed = False
        self._tell = tell
        self._lines: dict[str, dict[Ticket, None]] = {}

    @contextmanager
    def line(self, study: str) -> Iterator[Ticket]:
        """A place at the end of the line, for as long as the body runs."""
        ticket = Ticket()
        self._lines.setdefault(study, {})[ticket] = None
        try:
            yield ticket
        finally:
            del self._lines[study][ticket]
            if not self._lines[study]:
                del self._lines[study]
            if ticket.waited or ticket.woken.is_set():
                self.wake(study)

    def wake(self, study: str, batons: int = 1) -> None:
        """Wake the first in line that are not awake already."""
        for ticket in self._lines.get(study, ()):
            if not ticket.woken.is_set():
                ticket.woken.set()
                batons -= 1
                if batons == 0:
                    return

    def announce(self, study: str, batons: int = 1) -> None:
        """The study has changed: wake the first in line, here and in every other server process."""
        self.wake(study, batons)
        self._tell(study, batons)

    def close(self) -> None:
        """The server stops: have everybody look once more, and wait no longer."""
        self.closed = True
        for line in self._lines.values():
            for ticket in line:
                ticket.woken.set()

    def waiting(self, study: str) -> list[Ticket]:
        """Those in line that have looked in vain, the first first; to look only, and from any thread."""
        return [ticket for ticket in list(self._lines.get(study, ())) if ticket.waited]

    def held(self) -> int:
        """How many wait, at all studies."""
        return sum(ticket.waited for line in self._lines.values() for ticket in line)

    def studies(self) -> list[str]:
        """The studies with somebody in line."""
        return list(self._lines)
