"""One keep-alive connection of a simulated worker: the least that speaks HTTP, so that a thousand of them leave the processor to the server."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self
from urllib.parse import urlsplit

SPACE = {"kind": "sequence", "positions": [{"name": f"edge{k}", "choices": [0, 1, 2, 3, 4]} for k in range(12)]}
"""What is searched under load."""


class Failed(Exception):
    """The server did not answer 2xx, or did not answer."""


class Connection:
    """Requests to one server, one after another; connects with the first, and again after a failure."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def post(self, path: str, body: Any, *, key: str | None = None, method: str = "POST") -> Any:
        """The JSON that was answered.

        Raises:
            Failed: nothing good was.
        """
        content = json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        if key is not None:
            head += f"Idempotency-Key: {key}\r\n"
        try:
            status, answer = await self._exchange(head.encode() + b"\r\n" + content)
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.close()
            raise Failed(f"{path}: {error!r}") from error
        except asyncio.CancelledError:
            self.close()
            raise
        if not 200 <= status < 300:
            raise Failed(f"{path}: {status} {answer[:300].decode(errors='replace')}")
        return json.loads(answer)

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        length = next(int(line[15:]) for line in head if line[:15].lower() == b"content-length:")
        answer = await reader.readexactly(length)
        if b"connection: close" in (line.lower() for line in head):
            self.close()
        return int(head[0].split()[1]), answer
