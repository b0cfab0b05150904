"""uvicorn's HTTP connection with what it lacks: the head of a request must come in time, and be of a sane size.

Without that a client that sends a header every minute, or headers without end, holds a descriptor or memory for as long as it likes. What comes
after the head is the gate's to watch.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S: Final = 20.0
"""How long a connection may be without the whole head of a request: from its beginning, and from the first byte of every further one."""
MOST_HEAD_BYTES: Final = 64 << 10


class Connection(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*args, **options)
        self._in_head = True
        self._in_vain = False
        self._head_bytes = 0
        self._too_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a head."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_expecting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Look whether the head is whole."""
        super().data_received(data)
        if self._in_vain:
            return
        if not self._in_head:
            self._stop_expecting()
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD_BYTES:
            self._stop_expecting()
            if not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
        elif self._too_late is None:
            self._expect()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Where the answer did not wait for the whole body, the rest of it is read in vain, for as long as a head may take."""
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            self._in_vain = True
            self._stop_expecting()
            self._expect()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_vain = False
        super().on_message_complete()

    def _expect(self) -> None:
        self._too_late = self.loop.call_later(HEAD_S, self.timeout_keep_alive_handler)

    def _stop_expecting(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None
