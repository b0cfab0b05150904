"""Many workers at once, over real sockets: one study, one counter, one referee."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from bonanza_server.lifecycle.replay import BIRTHS, MOVES
from bonanza_server.store.database import Database
from tests.live import Clock, LiveServer, create_postgres_database
from tests.server.lab import SIX_CELLS, Json, Lab
from tests.server.site import without_waiting_for_the_disk

THREADS = 8


@pytest.fixture
def lab(database_url: str) -> Iterator[Lab]:
    clock = Clock()
    with (
        LiveServer(without_waiting_for_the_disk(database_url), clock=clock, fit_slots=0, upkeep_s=3600) as server,
        closing(Database(database_url)) as database,
    ):
        lab = Lab(server, clock, database, "s")
        yield lab
        assert lab.broken() == []


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """Run ``work`` on all threads, started at the same moment."""
    barrier = threading.Barrier(THREADS)

    def run(thread: int) -> Any:
        barrier.wait()
        return work(thread)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def most_running(events: list[Json]) -> int:
    """The most trials that ever ran at a time, by the events."""
    states: dict[int, str] = {}
    most = 0
    for event in events:
        if event["number"] is not None:
            after = MOVES.get(event["kind"], (None, None))[1] or BIRTHS.get(event["kind"])
            if after is not None:
                states[event["number"]] = after
            most = max(most, sum(state == "running" for state in states.values()))
    return most


class Worker:
    """A worker that mostly does what it should."""

    def __init__(self, lab: Lab, thread: int) -> None:
        self.rng = random.Random(thread)
        self.path = f"{lab.server.url}/v1/studies/{lab.name}"
        self.http = httpx.Client(timeout=60)
        self.name = f"w{thread}"
        self.told: list[tuple[int, float]] = []
        self.refused: list[int] = []

    def work(self) -> None:
        """Until the study has nothing more to give."""
        with self.http:
            while True:
                body = {"count": self.rng.randint(1, 3), "worker_id": self.name, "wait_s": 2}
                answer = self.post("ask", body)
                if answer["retry_after_s"] is None and answer["reason"] is not None:
                    return
                for trial in answer["trials"]:
                    self.measure(trial)

    def measure(self, trial: Json) -> None:
        token, path = {"lease_token": trial["attempt"]["token"]}, f"trials/{trial['number']}"
        self.post(f"{path}/heartbeat", token)
        luck = self.rng.random()
        if luck < 0.1:
            self.post(f"{path}/release", token)
        elif luck < 0.2:
            self.post(f"{path}/tell", token | {"outcome": "failed", "error": {"kind": "infra"}})
        else:
            value = self.rng.uniform(0, 100)
            for _ in range(self.rng.randint(1, 2)):
                self.post(f"{path}/tell", token | {"value": value})
            self.told.append((trial["number"], value))

    def post(self, path: str, body: Json) -> Json:
        answer = self.http.post(f"{self.path}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        parsed: Json = answer.json()
        return parsed


def test_many_workers_on_one_study_lose_nothing_and_do_nothing_twice(lab: Lab) -> None:
    lab.study(budget={"max_trials": 120, "max_parallel": 11, "max_failures": None}, lease={"max_attempts": 100})
    workers = [Worker(lab, thread) for thread in range(THREADS)]
    stop = threading.Event()

    def lose_some() -> None:
        while not stop.wait(0.05):
            lab.pass_time(20)  # a lease is 60 s: whoever is slow by three of these is lost

    reaper = threading.Thread(target=lose_some)
    reaper.start()
    try:
        at_once(lambda thread: workers[thread].work())
    finally:
        stop.set()
        reaper.join()
    assert lab.broken() == []
    trials = lab.get("/trials?page_size=1000")["trials"]
    assert [trial["number"] for trial in trials] == list(range(120))
    assert len({trial["arch_id"] for trial in trials}) == 120
    assert {trial["state"] for trial in trials} == {"complete"}
    values = {t["number"]: {t["value"], *(m["value"] for m in t["measurements"])} for t in trials}
    told = [told for worker in workers for told in worker.told]
    assert all(value in values[number] for number, value in told)
    assert sum(map(len, values.values())) == len(told)
    assert lab.get()["trials"] | {"complete": 0} == dict.fromkeys(lab.get()["trials"], 0)


def test_max_parallel_is_never_exceeded(lab: Lab) -> None:
    lab.study(budget={"max_parallel": 3, "max_trials": 60, "max_failures": None}, lease={"max_attempts": 100})
    at_once(lambda thread: Worker(lab, thread).work())
    assert 1 < most_running(lab.events()) <= 3
    assert lab.get()["trials"]["complete"] == 60


def test_the_last_of_a_budget_goes_to_one(lab: Lab) -> None:
    lab.study(budget={"max_trials": 5})
    got = at_once(lambda _: [trial["number"] for trial in lab.ask()["trials"]])
    assert sorted(number for numbers in got for number in numbers) == list(range(5))


def test_one_key_sent_by_many_at_once_has_one_effect(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    cell = {"architectures": [{"choices": [1, 16]}]}
    for turn, (verb, body) in enumerate([("ask", {"count": 2, "wait_s": 0}), ("queue", cell), ("pause", {})] * 2):
        if verb == "ask" and turn:
            lab.post("resume")
        before = len(lab.events())
        headers, path = {"Idempotency-Key": str(turn)}, f"/v1/studies/{lab.name}/{verb}"
        answers = at_once(lambda _: lab.server.http.post(path, json=body, headers=headers))  # noqa: B023 - joined at once
        assert {answer.content for answer in answers} == {answers[0].content}
        assert sorted(answer.headers.get("Idempotent-Replayed", "") for answer in answers)[:2] == ["", "true"]
        assert len(lab.events()) - before == {"ask": 2, "queue": turn < 3, "pause": 1}[verb]


def test_one_result_told_by_many_at_once_is_told_once(lab: Lab) -> None:
    lab.study()
    for number in range(4):
        trial = lab.one()
        answers = at_once(lambda _: lab.tell(trial, 90.0))  # noqa: B023 - joined at once
        assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * (THREADS - 1)
        assert lab.kinds(trial) == ["trial.started", "trial.completed"]
        assert trial["number"] == number


def test_of_two_values_told_at_once_one_is_the_result_and_one_a_measurement(lab: Lab) -> None:
    lab.study()
    first = lab.ask(count=4)["trials"]
    lab.pass_time(60)
    again = lab.ask(count=4)["trials"]
    pairs = sorted([*first, *again], key=lambda trial: trial["number"])
    at_once(lambda thread: lab.tell(pairs[thread], float(thread)))
    for trial in lab.get("/trials")["trials"]:
        both = {trial["value"], *(measured["value"] for measured in trial["measurements"])}
        assert both == {2.0 * trial["number"], 2.0 * trial["number"] + 1}


def test_one_cell_queued_by_many_at_once_is_one_trial(lab: Lab) -> None:
    lab.study(space=SIX_CELLS)
    cells = [{"choices": [depth, width]} for depth in (1, 2) for width in (16, 32, 64)]
    answers = at_once(lambda thread: lab.queue(*random.Random(thread).sample(cells, 6)))
    assert sum(entry["created"] for queued in answers for entry in queued) == 6
    assert lab.get()["trials"]["pending"] == 6


def test_one_study_made_by_many_at_once_is_made_once(lab: Lab) -> None:
    body = {"space": SIX_CELLS, "objective": {"direction": "maximize"}}
    path = f"{lab.server.url}/v1/studies/{lab.name}"
    statuses = at_once(lambda _: httpx.put(path, json=body, timeout=60).status_code)
    assert sorted(statuses) == [200] * (THREADS - 1) + [201]


def test_two_servers_on_one_postgresql_are_one_service(postgres: str) -> None:
    url = without_waiting_for_the_disk(create_postgres_database(postgres, "two"))
    with LiveServer(url, fit_slots=0) as one, LiveServer(url, fit_slots=0) as two, closing(Database(url)) as database:
        servers = (one, two)
        one.study(budget={"max_trials": 40, "max_parallel": 4, "max_failures": None}, lease={"max_attempts": 100})
        labs = [Lab(server, Clock(), database, "s") for server in servers]
        at_once(lambda thread: Worker(labs[thread % 2], thread).work())
        assert 1 < most_running(labs[0].events()) <= 4
        assert labs[1].get()["trials"]["complete"] == 40
        one.study("t")
        for turn in range(5):

            def ask(thread: int, turn: int = turn) -> httpx.Response:
                headers = {"Idempotency-Key": f"turn {turn}"}
                return servers[thread % 2].http.post("/v1/studies/t/ask", json={"wait_s": 0}, headers=headers)

            answers = at_once(ask)
            done = [answer for answer in answers if answer.status_code == 200]
            assert {answer.json()["trials"][0]["number"] for answer in done} == {turn}
            rest = [answer.json()["type"] for answer in answers if answer.status_code != 200]
            assert set(rest) <= {"urn:bonanza:problem:request-in-flight"}
        for name in ("s", "t"):
            assert Lab(one, Clock(), database, name).broken() == []
