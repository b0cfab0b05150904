"""A proxy between workers and servers: shares connections out among the servers that are there, and is as unreliable as a test wants.

It reads whole requests, so that it can do one twice, as a network does that lost the answer to the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import threading
from collections.abc import Sequence
from typing import Self

CHUNK = 1 << 16


class Proxy:
    """Listens on a free port of loopback, on a thread of its own, for the servers that listen on ``ports``."""

    def __init__(self, ports: Sequence[int], *, seed: int = 0) -> None:
        self.ports = list(ports)
        self.delay_s = 0.0
        """A request waits up to so long before it is passed on."""
        self.duplicated = 0.0
        """The share of requests that are sent to a server twice, its second answer thrown away."""
        self.requests = 0
        self._rng = random.Random(seed)
        self._turn = itertools.count()
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024), self._loop
        ).result(10)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self, share: float = 1.0) -> None:
        """Break that share of the connections, whatever is on them."""
        self._loop.call_soon_threadsafe(self._cut, share)

    async def _close(self) -> None:
        self._server.close()
        self._cut(1.0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _cut(self, share: float) -> None:
        for writer in list(self._open):
            if self._rng.random() < share:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        answers: asyncio.Task[None] | None = None
        upstream: asyncio.StreamWriter | None = None
        try:
            while request := await _request(reader):
                self.requests += 1
                if self.delay_s:
                    await asyncio.sleep(self._rng.uniform(0.0, self.delay_s))
                if self._rng.random() < self.duplicated:
                    asyncio.create_task(self._send_once_more(request))  # noqa: RUF006 - ended by _close at the latest
                if upstream is None:
                    back, upstream = await self._connect()
                    self._open.add(upstream)
                    answers = asyncio.create_task(_pass_on(back, writer))
                upstream.write(request)
                await upstream.drain()
        except OSError:
            pass
        finally:
            for end in (writer, upstream):
                if end is not None:
                    self._open.discard(end)
                    end.transport.abort()
            if answers is not None:
                answers.cancel()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        start = next(self._turn)
        for offset in range(len(self.ports)):
            port = self.ports[(start + offset) % len(self.ports)]
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError("no server is there")

    async def _send_once_more(self, request: bytes) -> None:
        with contextlib.suppress(OSError):
            reader, writer = await self._connect()
            self._open.add(writer)
            try:
                writer.write(request)
                await asyncio.wait_for(reader.read(CHUNK), 60)
            except TimeoutError:
                pass
            finally:
                self._open.discard(writer)
                writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """One request, head and body; empty at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0)
        return head + (await reader.readexactly(length) if length else b"")
    except asyncio.IncompleteReadError:
        return b""


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand the answers back; when the server closes, so does this."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close()
