"""The cookie of the dashboard's sessions: a key is typed once and kept nowhere; what the browser keeps is a session under it (``keyring.Keyring.sign_in``)."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from bonanza_server.store.keys import SESSION_S

COOKIE = "bonanza_session"


def in_cookies(header: str) -> str | None:
    """The session in a Cookie header."""
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def set_cookie(session: str, *, secure: bool) -> str:
    """The Set-Cookie header that keeps a session: no script reads it, no other site's page sends it."""
    return f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SESSION_S:.0f}" + (
        "; Secure" if secure else ""
    )


def clear_cookie() -> str:
    """The Set-Cookie header that ends a session."""
    return f"{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
