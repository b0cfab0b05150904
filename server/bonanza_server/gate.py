"""The gate in front of the API, one ASGI layer: request ids, keys, hosts, rates, body limits, media types.

It says who the caller is (``access.caller``); what that caller may do, each route knows.

A server without keys listens on loopback alone, and then a page in the user's browser must not be able to drive it: Host must be a
loopback name (against DNS rebinding), Origin, if sent, too, no proxy may have passed the request on, and bodies must be JSON (a form can be posted from anywhere).
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bonanza_server.access import LOCAL, NOBODY, Caller, acting
from bonanza_server.dashboard import session
from bonanza_server.errors import Refused
from bonanza_server.keyring import Keyring
from bonanza_server.limits import Buckets
from bonanza_server.problem import RefusedBody, problem_response
from bonanza_server.settings import Settings, is_loopback

log = logging.getLogger(__name__)

OPEN = {"/healthz", "/readyz", "/docs", "/openapi.json", "/", "/ui"}
"""Paths that need no key: they tell nothing of any study. Nor does what is below ``/ui``: the page gets that from the API, as everybody does."""
SAFE = {"GET", "HEAD", "OPTIONS"}
IMPORT = "/import"
"""How the path of a study's import ends; its body is no JSON, but a line of it is, and no form of a web page can be sent as such."""
WITH_BODY = {"POST", "PUT", "PATCH"}
BURST_S = 10.0
"""A rate may be had in advance for so long: a thousand workers that start at once send a few thousand requests, and then few."""
PATIENCE_S = 30.0
SLOWEST = 10_000.0
"""A body may take ``PATIENCE_S``, and what it takes at so many bytes a second; what is slower holds a connection for no honest reason."""
MAKE_ONE = "make a key to serve others, with bonanza key create or by setting BONANZA_ADMIN_KEY"
AUDITED = {401, 403, 429}
HOW_TO_GIVE_A_KEY = "send Authorization: Bearer <key>, one that bonanza key create made or the value of BONANZA_ADMIN_KEY; bonanza's own commands and the SDK take it as BONANZA_KEY"
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "forwarded")


class Gate:
    """ASGI middleware; refuses with problem+json before the application sees a request."""

    def __init__(self, app: ASGIApp, settings: Settings, keyring: Keyring) -> None:
        """Guard ``app`` as ``settings`` say; ``keyring`` knows the keys."""
        self._app = app
        self._settings = settings
        self._keyring = keyring
        self._local = is_loopback(settings.host) and not settings.trusted_proxies
        self._rates = Buckets(settings.rate_limit, settings.rate_limit * BURST_S)

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
        address = scope["client"][0] if scope.get("client") else "unknown"
        who, started = NOBODY, False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
                if message["status"] in AUDITED:
                    self._keyring.tally.refused(who, message["status"], address)
            elif message.get("more_body") and not self._keyring.good(who):
                raise _Over
            await send(message)

        try:
            who = await self._caller(scope, headers, address)
            self._check(scope, headers, limit)
            with acting(who):
                await self._app(scope, _Counted(receive, limit), send_with_id)
        except Refused as refused:
            answer = refused
        except _Over:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        except Exception:
            log.exception("request %s failed", request_id)
            if started:
                raise  # the client has half an answer: uvicorn closes the connection, which is how it learns
            answer = _internal(request_id)
        else:
            return
        await problem_response(answer, instance=scope["path"], request_id=request_id)(scope, receive, send_with_id)

    async def _caller(self, scope: Scope, headers: Mapping[str, str], address: str) -> Caller:
        if self._local and self._keyring.empty:
            _check_local(headers)
            return LOCAL
        if scope["path"] in OPEN or scope["path"].startswith("/ui/"):
            who = NOBODY
        else:
            who = await self._holder(scope["method"], headers, address)
        if waits := self._rates.take(who.key or address):
            raise Refused(
                "too-many-requests",
                f"more than {self._settings.rate_limit:g} requests a second, for longer than {BURST_S:g} s, came under this key: "
                "wait, or start the server with a larger BONANZA_RATE_LIMIT",
                retry_after_s=waits,
            )
        return who

    async def _holder(self, method: str, headers: Mapping[str, str], address: str) -> Caller:
        authorization = headers.get("authorization", "")
        if not authorization and (cookies := headers.get("cookie", "")):
            given = session.in_cookies(cookies)
            who = None if given is None else await self._keyring.session(given, address)
            if who is not None:
                _check_own_page(method, headers)
                return who
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise Refused("unauthorized", f"this server needs a key: {HOW_TO_GIVE_A_KEY}")
        # Headers come decoded as Latin-1: encoded so again, they are the bytes that were sent.
        return await self._keyring.holder(given.strip().encode("latin-1"), address)

    def _check(self, scope: Scope, headers: Mapping[str, str], limit: Limit) -> None:
        declared = headers.get("content-length", "")
        if declared.isdecimal() and (len(declared) > 15 or int(declared) > limit.size):
            raise too_large(limit)
        has_body = declared not in {"", "0"} or "transfer-encoding" in headers
        media = headers.get("content-type", "").split(";")[0].strip().lower()
        wanted = "application/x-ndjson" if scope["path"].endswith(IMPORT) else "application/json"
        if scope["method"] in WITH_BODY and (has_body or media) and media != wanted:
            raise Refused("unsupported-media-type", f"send Content-Type: {wanted}, not {media or 'nothing'}")


class _Over(Exception):
    """The key under which an answer is being streamed was revoked, or its time is over."""


class Limit(NamedTuple):
    """The most bytes a body may have, and the setting that says so."""

    size: int
    setting: str


def _limit(settings: Settings, method: str, path: str) -> Limit:
    large = path.endswith(("/observations", "/features")) or (method == "PUT" and path.startswith("/v1/studies/"))
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
            f"a server without a key answers to localhost only, not to Host {host}: {MAKE_ONE}",
        )
    origin = headers.get("origin")
    if origin is not None and not _is_local(origin):
        raise Refused("forbidden", f"a page of {origin} may not use a server without a key: {MAKE_ONE}")
    if any(name in headers for name in FORWARDED):
        raise Refused(
            "forbidden",
            f"this request was passed on by a proxy, and a server without a key serves this machine alone: {MAKE_ONE}",
        )


@lru_cache(maxsize=64)  # one client sends one Host
def _is_local(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:  # such as an unfinished [::1
        return False


class _Counted:
    """A receive channel that stops a body which turns out larger than it said (chunked uploads say nothing), or which hardly comes."""

    def __init__(self, receive: Receive, limit: Limit) -> None:
        self._receive = receive
        self._limit = limit
        self._seen = 0
        self._began: float | None = None
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        try:
            async with asyncio.timeout(self._began + PATIENCE_S + self._seen / SLOWEST - now):
                message = await self._receive()
        except TimeoutError:
            raise RefusedBody(
                Refused(
                    "too-slow",
                    f"{self._seen:,} bytes of the body came in {asyncio.get_running_loop().time() - self._began:.0f} s, and not its end: send it again, faster",
                )
            ) from None
        self._whole = not message.get("more_body", False)
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._limit.size:
                raise RefusedBody(too_large(self._limit))
        return message
