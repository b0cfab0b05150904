"""One webhook on the wire, as standardwebhooks.com has it: an id that every try has, a time, and an HMAC-SHA256 over both and the body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

PREFIX = "whsec_"


@dataclass(frozen=True)
class Message:
    """News: its ``type``, when it happened (seconds since the epoch), and what it is about. ``id`` is the same however often it is sent."""

    id: str
    type: str
    at: float
    data: dict[str, Any]

    @property
    def body(self) -> bytes:
        """As it is sent and signed."""
        when = datetime.fromtimestamp(self.at, UTC).isoformat()
        return json.dumps({"type": self.type, "timestamp": when, "data": self.data}, ensure_ascii=False).encode()


def key_of(secret: str) -> bytes:
    """The bytes that sign: what ``whsec_`` stands before is base64, any other text is taken as it is.

    Raises:
        ValueError: it is not.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what follows {PREFIX} must be base64") from error


def headers(message: Message, key: bytes, now: float) -> dict[str, str]:
    """What goes with the body now."""
    signed = f"{message.id}.{int(now)}.".encode() + message.body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "content-type": "application/json",
    }
