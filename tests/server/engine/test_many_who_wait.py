"""Hundreds of asks at once: no threads, no lost wake-ups."""

from __future__ import annotations

import asyncio
import random
import threading
import time

import httpx

from bonanza_server.waiting import WaitingRoom
from tests.server.engine.asks import Asks, numbers
from tests.server.engine.searches import SOON_S, Search, accuracy, until


def test_three_hundred_wait_without_a_thread_and_all_are_served(search: Search, asks: Asks) -> None:
    search.begin()

    async def ask_all() -> tuple[list[list[int]], int]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=search.server.url, timeout=60, limits=limits) as http:
            path, body = f"/v1/studies/{search.name}/ask", {"wait_s": 50}
            waiting = [asyncio.create_task(http.post(path, json=body)) for _ in range(300)]
            await asyncio.to_thread(until, lambda: asks.in_line() == 300)
            threads = threading.active_count()
            assert search.server.http.get("/healthz").status_code == 200
            gate.release()
            return [numbers(answer.json()) for answer in await asyncio.gather(*waiting)], threads

    with search.fits.held(search.seed) as gate:
        before = threading.active_count()
        search.measure(1)
        search.until_refit()
        served, threads = asyncio.run(ask_all())
    assert sorted(served) == [[number] for number in range(3, 303)]
    assert threads - before < 20  # the bounded pools of the databases, should they be new


def test_no_wake_up_is_lost_while_many_ask_and_tell(search: Search) -> None:
    search.study(budget={"max_parallel": 2, "max_trials": 120}, seed=search.seed)

    async def worker(http: httpx.AsyncClient) -> tuple[int, float]:
        told, longest = 0, 0.0
        while True:
            began = time.monotonic()
            answer = (await http.post(f"/v1/studies/{search.name}/ask", json={"wait_s": 50})).json()
            longest = max(longest, time.monotonic() - began)
            if answer["reason"] == "budget_reached":
                return told, longest
            [trial] = answer["trials"]
            body = {"lease_token": trial["attempt"]["token"], "value": accuracy(trial["architecture"])}
            path = f"/v1/studies/{search.name}/trials/{trial['number']}/tell"
            assert (await http.post(path, json=body)).status_code == 200
            told += 1

    async def work() -> list[tuple[int, float]]:
        async with httpx.AsyncClient(base_url=search.server.url, timeout=60) as http:
            return await asyncio.gather(*[worker(http) for _ in range(12)])

    done = asyncio.run(work())
    assert sum(told for told, _ in done) == 120
    assert max(longest for _, longest in done) < 2 * SOON_S


def test_whatever_comes_free_is_found_by_somebody() -> None:
    """200 askers look for 500 things that come one by one, each waking one; a wake-up lost would leave things lying and askers waiting."""
    room, rng = WaitingRoom(), random.Random(1)
    lying, taken = 0, 0

    async def here() -> bool:
        return rng.random() < 0.02

    async def asker() -> None:
        nonlocal lying, taken
        while taken < 500:
            with room.line("s") as ticket:
                while taken < 500:
                    await asyncio.sleep(rng.random() / 1000)  # the transaction
                    if lying:
                        lying, taken = lying - 1, taken + 1
                        break
                    if not await ticket.wait(60, here):
                        break  # hung up; another comes in its place

    async def play() -> None:
        nonlocal lying
        askers = [asyncio.create_task(asker()) for _ in range(200)]
        for _ in range(500):
            await asyncio.sleep(rng.random() / 2000)
            lying += 1
            room.wake("s")
        await asyncio.to_thread(until, lambda: taken == 500)
        room.wake("s")
        await asyncio.gather(*askers)

    asyncio.run(play())
    assert (lying, taken) == (0, 500)
    assert room.studies() == []


def test_one_wake_up_serves_as_many_as_there_is_something_for() -> None:
    room, lying, served = WaitingRoom(), 3, []

    async def here() -> bool:
        return False

    async def asker(name: int) -> None:
        nonlocal lying
        with room.line("s") as ticket:
            while not (lying and room_open.is_set()):
                await ticket.wait(60, here)
            lying -= 1
            served.append(name)

    async def play() -> None:
        askers = [asyncio.create_task(asker(name)) for name in range(6)]
        await asyncio.to_thread(until, lambda: len(room.waiting("s")) == 6)
        room_open.set()
        room.wake("s")
        await asyncio.sleep(0.1)
        assert served == [0, 1, 2]
        assert len(room.waiting("s")) == 3
        for task in askers:
            task.cancel()
        await asyncio.gather(*askers, return_exceptions=True)

    room_open = asyncio.Event()
    asyncio.run(play())


def test_a_wake_up_during_a_look_ends_the_wait_that_follows_at_once() -> None:
    room = WaitingRoom()

    async def here() -> bool:
        return False

    async def look() -> float:
        with room.line("s") as ticket:
            room.wake("s")
            began = time.monotonic()
            assert await ticket.wait(60, here)
            return time.monotonic() - began

    assert asyncio.run(look()) < SOON_S
