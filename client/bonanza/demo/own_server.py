"""A server of one's own, for as long as something needs it: ``bonanza serve`` as a child, on SQLite, on this machine alone."""

from __future__ import annotations

import socket
import time

from bonanza.client import Client
from bonanza.demo.children import Child, Children
from bonanza.errors import ServerUnreachable

START_S = 60.0


def start_server(children: Children, *options: str) -> tuple[Child, str]:
    """``bonanza serve`` with a SQLite file in the children's folder, on a free port; with its address. It need not listen yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = f"sqlite:///{children.folder}/bonanza.db"
    server = children.start(
        "server", "serve", "--database", database, "--host", "127.0.0.1", "--port", str(port), *options
    )
    return server, f"http://127.0.0.1:{port}"


def wait_for(client: Client, server: Child, children: Children) -> None:
    """Return when the server answers.

    Raises:
        ChildEnded: It has ended.
        ServerUnreachable: It has not answered for long.
    """
    deadline = time.monotonic() + START_S
    while True:
        children.check(server)
        try:
            client.health(patience_s=0)
        except ServerUnreachable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
