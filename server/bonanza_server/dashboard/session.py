"""Sessions of the dashboard: a cookie made from a key, so that the key itself is typed once and kept nowhere.

A session is ``expiry.tag``: until when it holds, and an HMAC of that under the key. So no table is needed, every server process with the key knows it,
and another key ends all sessions. It opens what the key opens; there is one kind of key today.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

COOKIE = "bonanza_session"
LASTS_S = 30 * 24 * 3600


def make(key: bytes, *, clock: Callable[[], float] = time.time) -> str:
    """A session that holds for ``LASTS_S``."""
    expiry = str(int(clock()) + LASTS_S)
    return f"{expiry}.{_tag(key, expiry)}"


def holds(session: str, key: bytes, *, clock: Callable[[], float] = time.time) -> bool:
    """Whether a session was made of ``key`` and is not over."""
    expiry, _, tag = session.partition(".")
    if not (expiry.isascii() and expiry.isdigit() and len(expiry) < 13):
        return False
    return hmac.compare_digest(tag.encode(), _tag(key, expiry).encode()) and int(expiry) > clock()


def in_cookies(header: str) -> str | None:
    """The session in a Cookie header."""
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def set_cookie(session: str, *, secure: bool) -> str:
    """The Set-Cookie header that keeps a session: no script reads it, no other site's page sends it."""
    return f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={LASTS_S}" + ("; Secure" if secure else "")


def clear_cookie() -> str:
    """The Set-Cookie header that ends a session."""
    return f"{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"


def _tag(key: bytes, expiry: str) -> str:
    derived = hmac.digest(key, b"bonanza dashboard session", "sha256")
    return base64.urlsafe_b64encode(hmac.digest(derived, expiry.encode(), hashlib.sha256)).decode().rstrip("=")
