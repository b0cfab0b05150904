"""The gate in front of the API, one ASGI layer: request ids, keys, hosts, body limits, media types.

Without an admin key the server listens on loopback alone, and then a page in the user's browser must not be able to drive it: Host must be a
loopback name (against DNS rebinding), Origin, if sent, too, and bodies must be JSON (a form can be posted from anywhere).
"""

from __future__ import annotations

import hmac
import logging
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bonanza_server.dashboard import session
from bonanza_server.errors import Refused
from bonanza_server.problem import RefusedBody, problem_response
from bonanza_server.settings import Settings, is_loopback

log = logging.getLogger(__name__)

OPEN = {"/healthz", "/readyz", "/docs", "/openapi.json", "/", "/ui"}
"""Paths that need no key: they tell nothing of any study. Nor does what is below ``/ui``: the page gets that from the API, as everybody does."""
SAFE = {"GET", "HEAD", "OPTIONS"}
IMPORT = "/import"
"""How the path of a study's import ends; its body is no JSON, but a line of it is, and no form of a web page can be sent as such."""
WITH_BODY = {"POST", "PUT", "PATCH"}


class Gate:
    """ASGI middleware; refuses with problem+json before the application sees a request."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Guard ``app`` as ``settings`` say."""
        self._app = app
        self._settings = settings
        self._key = settings.key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = headers.get("x-request-id", "")
        if not (request_id.isascii() and request_id.isprintable() and 0 < len(request_id) <= 100):
            request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        limit = _limit(self._settings, scope["method"], scope["path"])
        counted = _Counted(receive, limit)
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            self._check(scope, headers, limit)
            await self._app(scope, counted, send_with_id)
        except Refused as refused:
            answer = refused
        except Exception:
            log.exception("request %s failed", request_id)
            if started:
                raise  # the client has half an answer: uvicorn closes the connection, which is how it learns
            answer = _internal(request_id)
        else:
            return
        await problem_response(answer, instance=scope["path"], request_id=request_id)(scope, receive, send_with_id)

    def _check(self, scope: Scope, headers: Mapping[str, str], limit: Limit) -> None:
        if self._key is None:
            _check_local(headers)
        elif scope["path"] not in OPEN and not scope["path"].startswith("/ui/"):
            _check_key(scope["method"], headers, self._key)
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit.size:
            raise too_large(limit)
        has_body = declared not in {"", "0"} or "transfer-encoding" in headers
        media = headers.get("content-type", "").split(";")[0].strip().lower()
        wanted = "application/x-ndjson" if scope["path"].endswith(IMPORT) else "application/json"
        if scope["method"] in WITH_BODY and (has_body or media) and media != wanted:
            raise Refused("unsupported-media-type", f"send Content-Type: {wanted}, not {media or 'nothing'}")


class Limit(NamedTuple):
    """The most bytes a body may have, and the setting that says so."""

    size: int
    setting: str


def _limit(settings: Settings, method: str, path: str) -> Limit:
    large = path.endswith("/observations") or (method == "PUT" and path.startswith("/v1/studies/"))
    name = "import_limit" if path.endswith(IMPORT) else "large_body_limit" if large else "body_limit"
    return Limit(getattr(settings, name), f"BONANZA_{name.upper()}")


def too_large(limit: Limit) -> Refused:
    """The body is over ``limit``."""
    detail = f"the body is larger than {limit.size:,} bytes: send it in several requests, or start the server with a larger {limit.setting}"
    return Refused("too-large", detail, limit=limit.size)


def _internal(request_id: str) -> Refused:
    return Refused(
        "internal",
        f"the server failed on this request; its log has the cause under request id {request_id}. "
        "Look at what you wanted to change before you send it again",
    )


def _check_key(method: str, headers: Mapping[str, str], key: bytes) -> None:
    authorization = headers.get("authorization", "")
    if not authorization and (cookies := headers.get("cookie", "")):
        given = session.in_cookies(cookies)
        if given is not None and session.holds(given, key):
            _check_own_page(method, headers)
            return
    scheme, _, given = authorization.partition(" ")
    # Headers come decoded as Latin-1: encoded so again, they are the bytes that were sent.
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), key):
        what = "the key is not the server's" if authorization else "this server needs a key"
        how = "send Authorization: Bearer <the value of BONANZA_ADMIN_KEY>, or give it to bonanza's own commands and the SDK as BONANZA_KEY"
        raise Refused("unauthorized", f"{what}: {how}")


def _check_own_page(method: str, headers: Mapping[str, str]) -> None:
    """That a change under a session comes of our own page: the cookie is SameSite=Strict, and this holds where a browser knows no such thing."""
    origin = headers.get("origin")
    if method not in SAFE and origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise Refused("forbidden", f"a page of {origin} may not use the session of this server's dashboard")


def _check_local(headers: Mapping[str, str]) -> None:
    host = headers.get("host", "localhost")
    if not _is_local("//" + host):
        raise Refused(
            "forbidden",
            f"a server without a key answers to localhost only, not to Host {host}: set BONANZA_ADMIN_KEY to serve others",
        )
    origin = headers.get("origin")
    if origin is not None and not _is_local(origin):
        raise Refused("forbidden", f"a page of {origin} may not use a server without a key: set BONANZA_ADMIN_KEY")


@lru_cache(maxsize=64)  # one client sends one Host
def _is_local(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:  # such as an unfinished [::1
        return False


class _Counted:
    """A receive channel that stops a body which turns out larger than it said (chunked uploads say nothing)."""

    def __init__(self, receive: Receive, limit: Limit) -> None:
        self._receive = receive
        self._limit = limit
        self._seen = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._limit.size:
                raise RefusedBody(too_large(self._limit))
        return message
