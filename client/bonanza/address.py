"""The address of a server."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from bonanza.errors import InvalidRequest


def server_address(text: str) -> str:
    """The address without a slash at its end, so that equal servers have equal addresses; a path in front of ``/v1`` is kept.

    Raises:
        InvalidRequest: it is no http address of a server.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise InvalidRequest(f"{text!r} is no address: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise InvalidRequest(f"{text!r} is no address of a server: write it like http://127.0.0.1:8423")
    return text.rstrip("/")


def is_this_machine(address: str) -> bool:
    """Whether the server is on this machine's loopback."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
