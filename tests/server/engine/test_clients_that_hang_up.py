"""Nothing is leased to a client that has gone."""

from __future__ import annotations

import json
import socket

from bonanza_server.waiting import PRESENCE_S
from tests.server.engine.asks import Asks, numbers
from tests.server.engine.searches import SOON_S, Search, until


def test_nothing_is_leased_to_it(search: Search, asks: Asks) -> None:
    search.begin()
    with search.fits.held(search.seed):
        search.measure(1)
        search.until_refit()
        hang_up(search, asks)
        waiting = asks.wait()
    assert numbers(waiting.result(SOON_S)) == [3]
    assert search.get()["trials"]["running"] == 1


def test_what_it_was_woken_for_goes_to_the_next_in_line(search: Search, asks: Asks) -> None:
    search.study(budget={"max_parallel": 1}, seed=search.seed)
    trial = search.one()
    for _ in range(3):
        hang_up(search, asks)
    waiting = asks.wait()
    search.tell(trial, 70.0)
    assert numbers(waiting.result(SOON_S)) == [1]
    assert search.get()["trials"]["running"] == 1


def test_it_leaves_the_line_by_itself(search: Search, asks: Asks) -> None:
    search.study(budget={"max_parallel": 1}, seed=search.seed)
    search.one()
    hang_up(search, asks)
    until(lambda: asks.in_line() == 0, seconds=3 * PRESENCE_S)


def hang_up(search: Search, asks: Asks) -> None:
    """Ask over a socket and close it while the server holds the request."""
    before = asks.line()
    body = json.dumps({"wait_s": 30})
    with socket.create_connection(("127.0.0.1", search.server.port)) as line:
        head = f"POST /v1/studies/{search.name}/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        until(lambda: not before.issuperset(asks.line()))
