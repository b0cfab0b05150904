"""Page tokens: where the last page of a list ended."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from bonanza_server.errors import Refused


def make_token(last: object) -> str:
    """An opaque page token: where the page ended."""
    return base64.urlsafe_b64encode(json.dumps(last).encode()).decode()


def read_token(token: str | None, kind: Callable[[Any], Any]) -> Any:
    """Where the last page ended; None for the first page.

    Raises:
        Refused: the token is none of ours.
    """
    if token is None:
        return None
    try:
        last = json.loads(base64.urlsafe_b64decode(token.encode()))
        if type(last) is not kind or (kind is int and not -(2**31) <= last < 2**31):
            raise ValueError(token)
        if kind is str and not (
            last.isascii() and last.isprintable()
        ):  # no name of a study, and no text for a database
            raise ValueError(token)
    except (ValueError, binascii.Error, UnicodeDecodeError) as error:
        detail = "page_token is not one this server gave: take next_page_token of the page before, or leave it out for the first page"
        raise Refused("invalid", detail, errors=[("page_token", "not a page token of this list")]) from error
    return last
