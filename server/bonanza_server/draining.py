"""Draining: a server that is told to stop goes on serving until its load balancer has noticed.

``/readyz`` says so from the first moment, and every answer closes its connection, so that the next request is a load balancer's to place. A request
that was on its way meanwhile is still answered.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Draining:
    """ASGI middleware: while ``begun()``, answers close their connections."""

    def __init__(self, app: ASGIApp, begun: Callable[[], bool]) -> None:
        """Stand before ``app``."""
        self._app = app
        self._begun = begun

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let everything through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start" and self._begun():
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_last)
