"""What ``/ui`` answers: the shell of the page, its assets, and the session of whoever looks at it.

Every address below ``/ui`` is the same shell; the page reads its own address. Assets are named with a digest of their bytes and kept by browsers for a
year; they are compressed once, when first asked for.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

import bonanza
from bonanza.spaces.palette import COLOURS, PAGE
from bonanza_server.access import LOCAL, SCOPES, Caller, caller, needs
from bonanza_server.body import JsonRoute
from bonanza_server.dashboard import session
from bonanza_server.errors import Refused
from bonanza_server.keyring import Keyring

ASSETS = Path(__file__).parent / "assets"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FOREVER = "public, max-age=31536000, immutable"

router = APIRouter(prefix="/ui", include_in_schema=False, route_class=JsonRoute)


class Asset(NamedTuple):
    """A file as it is sent."""

    body: bytes
    packed: bytes | None
    media_type: str
    digest: str


@router.get("/assets/{name}", openapi_extra=needs())
async def asset(name: str, accept_encoding: Annotated[str, Header()] = "") -> Response:
    """A file of the page."""
    found = _assets().get(name)
    if found is None:
        raise Refused("not-found", f"the dashboard has no file {name}")
    headers = HEADERS | {"Cache-Control": FOREVER, "Vary": "Accept-Encoding", "ETag": f'"{found.digest}"'}
    if found.packed is not None and "gzip" in accept_encoding:
        return Response(found.packed, media_type=found.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(found.body, media_type=found.media_type, headers=headers)


@router.get("/session", openapi_extra=needs())
async def read_session(request: Request) -> Response:
    """Whether this server wants a key, and what this browser may do with the one it has given."""
    needed = caller() is not LOCAL
    who = await _signed_in(request) if needed else LOCAL
    scopes = [] if who is None else [scope for scope in SCOPES if scope in who.scopes]
    about = {
        "needed": needed,
        "signed_in": needed and who is not None,
        "scopes": scopes,
        "version": bonanza.__version__,
    }
    return JSONResponse(about, headers={"Cache-Control": "no-store"})


@router.post("/session", openapi_extra=needs())
async def sign_in(request: Request) -> Response:
    """Give a key, get a session.

    Raises:
        Refused: the key is not one of the server's.
    """
    body = await request.json()
    given = body.get("key") if isinstance(body, dict) else None
    if not isinstance(given, str):
        raise Refused("invalid", 'send {"key": "…"}', errors=[("/key", "must be a text")])
    if caller() is LOCAL:
        return Response(status_code=204)  # a server without a key is open to whoever reaches it
    made = await _keyring(request).sign_in(given.strip().encode("utf-8", "surrogatepass"), _address(request))
    cookie = session.set_cookie(made, secure=request.url.scheme == "https")
    return Response(status_code=204, headers={"Set-Cookie": cookie})


@router.delete("/session", openapi_extra=needs())
async def sign_out(request: Request) -> Response:
    """End the session of this browser."""
    given = session.in_cookies(request.headers.get("cookie", ""))
    if given is not None:
        await _keyring(request).sign_out(given, _address(request))
    return Response(status_code=204, headers={"Set-Cookie": session.clear_cookie()})


@router.get("", openapi_extra=needs())
@router.get("/{path:path}", openapi_extra=needs())
async def page(path: str = "") -> Response:  # noqa: ARG001 - the page reads it
    """The shell."""
    headers = HEADERS | {"Cache-Control": "no-cache"}
    return Response(_shell(), media_type="text/html; charset=utf-8", headers=headers)


async def _signed_in(request: Request) -> Caller | None:
    given = session.in_cookies(request.headers.get("cookie", ""))
    return None if given is None else await _keyring(request).session(given, _address(request))


def _keyring(request: Request) -> Keyring:
    keyring: Keyring = request.app.state.keyring
    return keyring


def _address(request: Request) -> str:
    return "unknown" if request.client is None else request.client.host


@cache
def _assets() -> dict[str, Asset]:
    """The files by name, and the palette, which is made of the pictures' own colours."""
    bodies = {path.name: path.read_bytes() for path in sorted(ASSETS.iterdir()) if path.is_file()}
    bodies["palette.css"] = palette_css().encode()
    return {name: _made(name, body) for name, body in bodies.items()}


def _made(name: str, body: bytes) -> Asset:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith(".js"):
        media_type = "text/javascript; charset=utf-8"
    elif name.endswith(".css"):
        media_type = "text/css; charset=utf-8"
    elif name.endswith(".woff2"):
        media_type = "font/woff2"
    packed = None if name.endswith((".woff2", ".png")) else gzip.compress(body, 9, mtime=0)
    return Asset(body, packed, media_type, hashlib.sha256(body).hexdigest()[:16])


@cache
def _shell() -> str:
    def url(name: str) -> str:
        return f"/ui/assets/{name}?{_assets()[name].digest}"

    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Bonanza</title>
<link rel="icon" type="image/svg+xml" href="{url("icon.svg")}">
<link rel="stylesheet" href="{url("palette.css")}">
<link rel="stylesheet" href="{url("app.css")}">
<script src="{url("theme.js")}"></script>
<script type="module" src="{url("app.js")}"></script>
</head>
<body>
<div id="app"></div>
<noscript><p>The dashboard needs JavaScript; everything it shows is at <a href="/docs">the API</a> too.</p></noscript>
</body>
</html>
"""


def palette_css() -> str:
    """The colours of ops as custom properties and as rules for pictures in the page, for either brightness."""
    lines = [":root{" + "".join(_properties(name, colour.light) for name, colour in COLOURS.items()) + "}"]
    dark = "".join(_properties(name, colour.dark) for name, colour in COLOURS.items())
    lines.append(f':root[data-theme="dark"]{{{dark}}}')
    page = PAGE.dark
    for name in COLOURS:
        inside = f'[data-theme="dark"] .bonanza .{name}'
        lines.append(f"{inside} rect,{inside} circle{{fill:var(--op-{name}-fill);stroke:var(--op-{name}-stroke)}}")
        lines.append(f"{inside} text{{fill:var(--op-{name}-text)}}{inside} path{{stroke:var(--op-{name}-text)}}")
        lines.append(
            f".op-{name}{{--fill:var(--op-{name}-fill);--stroke:var(--op-{name}-stroke);--ink:var(--op-{name}-text)}}"
        )
    dark = '[data-theme="dark"] .bonanza'
    lines.append(f"{dark} .count rect{{fill:{page.fill}}}{dark} .count text{{fill:{page.text}}}")
    lines.append(f"{dark} .wire{{stroke:{page.stroke}}}{dark} .tip{{fill:{page.stroke}}}")
    lines.append(".bonanza .page{fill:none}")
    return "\n".join(lines) + "\n"


def _properties(name: str, shade: tuple[str, str, str]) -> str:
    fill, stroke, text = shade
    return f"--op-{name}-fill:{fill};--op-{name}-stroke:{stroke};--op-{name}-text:{text};"
