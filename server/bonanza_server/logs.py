"""The server's log: lines for people or JSON for machines, each with the id of the request it was written in; and one line a request.

``AccessLog`` is the outermost ASGI layer. The request's id is made by the gate, further in, and is in the scope once it is.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bonanza_server import meters

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

access = logging.getLogger("bonanza_server.access")
_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "request_id",
    "taskName",
    "color_message",
}
"""What every record has; anything else was given as ``extra``, and is a field of its own in JSON."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure(form: Format, level: Level | None) -> None:
    """Send the process's log to standard error. ``level`` None: warnings for people; for machines every request too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_with_request_id)
    handler.setFormatter(_Json() if form == "json" else Lines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel((level or ("info" if form == "json" else "warning")).upper())
    for noisy in ("httpx", "httpcore", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def request_id() -> str | None:
    """Of the request that this is done for, if it is for one."""
    scope = _scope.get()
    return None if scope is None else scope.get("state", {}).get("request_id")


class AccessLog:
    """ASGI middleware: counts requests, and logs each with method, path, status and milliseconds."""

    def __init__(self, app: ASGIApp) -> None:
        """Around ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 499  # the client's own, should it hang up before any answer
        token = _scope.set(scope)

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            meters.answered(status)
            if access.isEnabledFor(logging.INFO):
                fields = {"method": scope["method"], "path": scope["path"], "status": status}
                fields["ms"] = round((time.perf_counter() - begun) * 1000, 1)
                access.info("%(method)s %(path)s %(status)d in %(ms)s ms", fields, extra=fields)
            _scope.reset(token)


def _with_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id()
    return True


class Lines(logging.Formatter):
    """A record as a line for people."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Whatever a client sent, one line, that moves no terminal's cursor."""
        line = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), super().formatMessage(record))
        request = getattr(record, "request_id", None)
        return line if request is None else f"{line} [request {request}]"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if getattr(record, "request_id", None) is not None:
            line["request_id"] = getattr(record, "request_id", None)
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
