"""A study of eight workers, with failures, lost leases and a server that is killed, replays bit for bit, and is the same study elsewhere."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from bonanza_server import replaying
from bonanza_server.lifecycle.archive import Archive, DamagedArchive, read, write
from bonanza_server.lifecycle.transfer import check as check_space
from bonanza_server.replaying import Checked, check
from bonanza_server.store.database import Database
from tests.contracts.lifecycle import broken_invariants, rows_of
from tests.e2e.laborer import worth
from tests.live import NB201, LiveServer, ServerProcess
from tests.server.engine.searches import until

TRIALS = 45
STUDY = {
    "space": NB201,
    "objective": {"name": "accuracy", "direction": "maximize"},
    "strategy": {"name": "bananas", "n_initial": 8, "epochs": 3, "ensemble": 2},
    "budget": {"max_trials": TRIALS, "max_failures": None},
    "phases": {"baseline": {"cells": 4}, "confirm": {"top": 2, "seeds": 2}},
    "lease": {"ttl_s": 1, "heartbeat_s": 0.5, "max_attempts": 5},
    "seed": 11,
}


class Workers:
    """Threads that ask and tell, and now and then fail or never come back."""

    def __init__(self, url: str, count: int) -> None:
        self._url = f"{url}/v1/studies/replayed"
        self._threads = [threading.Thread(target=self._labour, args=(k,)) for k in range(count)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive()

    def _labour(self, number: int) -> None:
        rng = random.Random(number)
        with httpx.Client(timeout=90) as http:
            while True:
                try:
                    answer = http.post(self._url + "/ask", json={"wait_s": 30, "worker_id": f"w{number}"})
                    asked = answer.raise_for_status().json()
                    if asked["reason"] == "budget_reached" and asked["retry_after_s"] is None:
                        return
                    for trial in asked["trials"]:
                        self._train(http, rng, trial)
                except (httpx.TransportError, httpx.HTTPStatusError):
                    time.sleep(0.2)  # the server is away

    def _train(self, http: httpx.Client, rng: random.Random, trial: dict[str, Any]) -> None:
        told: dict[str, Any] = {"lease_token": trial["attempt"]["token"]}
        luck = rng.random()
        if luck < 0.1:
            return  # lost: the lease runs out
        if luck < 0.25:
            told |= {"outcome": "failed", "error": {"kind": "infra" if luck < 0.18 else "code", "message": "bad luck"}}
        else:
            told |= {"value": worth(trial["architecture"]) + rng.random(), "cost": {"seconds": 1.5}}
        http.post(f"{self._url}/trials/{trial['number']}/tell", json=told).raise_for_status()


def checked(slot: Executor, text: str, *others: str) -> Checked:
    archive = read(text)
    beside = {other.header["name"]: other for other in map(read, others)}
    return check(archive, check_space(archive), slot, lambda done, of: None, beside)


def records(text: str) -> list[dict[str, Any]]:
    """What an export says of the study itself, without when and where it was exported."""
    lines = [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    return [{name: value for name, value in line.items() if name != "crc"} for line in lines[1:]]


def test_a_rough_study_replays_bit_for_bit_and_is_the_same_elsewhere(
    new_database: Callable[[], str], tmp_path: Path, slot: Executor
) -> None:
    url = new_database()
    server = ServerProcess(url, tmp_path / "server.log")
    server.start(timeout=120)
    at = f"{server.url}/v1/studies/replayed"
    try:
        httpx.put(at, json=STUDY).raise_for_status()
        with Workers(server.url, 8):
            until(lambda: httpx.get(at, timeout=30).json()["trials"]["complete"] >= TRIALS // 3, seconds=120)
            server.kill()
            server.start(timeout=120)
        text = httpx.get(at + "/export", timeout=30).raise_for_status().text
        assert server.stop() == 0
    finally:
        if server.process is not None:
            server.process.kill()

    events = [record["event"] for record in records(text) if "event" in record]
    kinds = Counter(event["kind"] for event in events)
    assert kinds["trial.requeued"] > 0
    assert kinds["trial.failed"] > 0
    found = checked(slot, text)
    assert found.differences == []
    assert found.circumstances == {}
    assert (found.same["baseline"], found.same["confirm"]) == (4, 2)
    assert found.same["acquisition"] > 0
    assert (
        sum(found.same.values()) + sum(found.not_checked.values()) == TRIALS + 2
    )  # the choice of two cells to confirm, besides the trials

    other = new_database()
    with LiveServer(other, fit_slots=0) as there, closing(Database(other)) as database:
        send = {"content": text.encode(), "headers": {"Content-Type": "application/x-ndjson"}}
        made = there.http.post("/v1/studies/again/import", **send)  # type: ignore[arg-type]
        assert made.status_code == 201, made.text
        assert there.http.post("/v1/studies/again/import", **send).status_code == 409  # type: ignore[arg-type]
        assert database.read_now(lambda connection: broken_invariants(rows_of(connection, "again"))) == []
        assert records(there.http.get("/v1/studies/again/export").text) == records(text)

    # A proposal that was not what the history gives is found, and named.
    lines = text.splitlines(keepends=True)
    place, event = next((k, e) for k, e in enumerate(events) if e["data"].get("fit_rank") is not None)
    event["data"]["mean"] = event["data"]["mean"] + 1e-12 * abs(event["data"]["mean"])
    altered = next(iter(write([("event", event)])))
    [difference] = checked(slot, "".join([*lines[: place + 1], altered, *lines[place + 2 :]])).differences
    assert (difference.number, difference.what) == (event["number"], "mean")


@pytest.mark.parametrize(
    "strategy",
    [
        {"name": "bonas", "n_initial": 2, "epochs": 2, "pretrain_from": ["source"]},
        {"name": "bonanza", "n_initial": 2, "warm_start_from": ["source"]},
    ],
    ids=["bonas", "bonanza"],
)
def test_a_study_that_reads_another_replays_with_that_ones_export_beside(
    tmp_path: Path, strategy: dict[str, Any], slot: Executor
) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/studies.db", executor=slot) as server:
        server.study("source")
        for _ in range(4):
            trial = server.one("source")
            server.tell(trial, worth(trial["architecture"]), "source")
        server.study(strategy=strategy)
        for _ in range(4):
            trial = server.one(wait_s=50)
            server.tell(trial, worth(trial["architecture"]))
        trial = server.one("source")
        server.tell(trial, 1.0, "source")  # after the fits: none of them saw it
        text, source = (server.http.get(f"/v1/studies/{name}/export").text for name in ("s", "source"))
    alone, beside = checked(slot, text), checked(slot, text, source)
    assert alone.not_checked == {"acquisition (its fit read other studies)": 2}
    assert (beside.differences, beside.same["acquisition"], sum(beside.not_checked.values())) == ([], 2, 0)


class Sent(Executor):
    """Another executor, and the most fits that were sent and not done at once."""

    def __init__(self, inner: Executor) -> None:
        self.most = 0
        self._inner = inner
        self._sent: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._sent.append(self._inner.submit(fn, *args, **kwargs))
        self.most = max(self.most, sum(not future.done() for future in self._sent))
        return self._sent[-1]


def test_a_study_that_was_told_features_replays_with_what_was_known_at_each_fit(
    tmp_path: Path, slot: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = [(a, b) for a in ("none", "skip_connect") for b in ("none", "nor_conv_1x1")]
    cells = [{"edges": [*["nor_conv_3x3"] * 4, *end]} for end in ends]
    with LiveServer(f"sqlite:///{tmp_path}/studies.db", executor=slot) as server:
        server.study(strategy={"name": "bonanza", "n_initial": 3})
        for number in range(5):
            trial = server.one(wait_s=50)
            server.tell(trial, worth(trial["architecture"]))
            if number >= 3:
                known = [
                    {"architecture": cell, "features": {"a": number * worth(cell)}} for cell in cells[: number - 1]
                ]
                server.post("/v1/studies/s/features", {"cells": known}, status=200)
        server.one(wait_s=50)
        text = server.http.get("/v1/studies/s/export").text
    found = checked(slot, text)
    assert (found.differences, found.same["acquisition"], found.fits) == ([], 3, 3)
    monkeypatch.setattr(replaying, "MOST_SENT", 1)  # a fit of many features is large: few wait to be made
    assert checked(few := Sent(slot), text).fits == 3
    assert few.most == 1
    archive = read(text)
    assert len(archive.features) == 2 + 3
    space, archive.features = check_space(archive), []
    assert check(archive, space, slot, lambda done, of: None, {}).differences, "they matter"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The export of a study that was told features twice, and measured nothing."""
    cells = [{"edges": ["nor_conv_3x3"] * 5 + [op]} for op in ("none", "skip_connect", "nor_conv_1x1")]
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('known')}/studies.db", fit_slots=0) as server:
        server.study()
        for value in (0.1, 1e300):
            told = [
                {"architecture": cell, "features": {"a": value * n, "é/~\u2028": n}} for n, cell in enumerate(cells)
            ]
            server.post("/v1/studies/s/features", {"cells": told}, status=200)
        return server.http.get("/v1/studies/s/export").text


def test_features_are_the_same_elsewhere(known: str, new_database: Callable[[], str]) -> None:
    with LiveServer(new_database(), fit_slots=0) as there:
        head = {"Content-Type": "application/x-ndjson"}
        assert there.http.post("/v1/studies/s/import", content=known.encode(), headers=head).status_code == 201
        assert records(there.http.get("/v1/studies/s/export").text) == records(known)
        assert there.get("/v1/studies/s/features")["cells"] == 3


def test_an_export_whose_features_are_not_those_that_were_told_is_refused_with_its_line(known: str) -> None:
    lines = [line + "\n" for line in known.removesuffix("\n").split("\n")]
    place = next(k for k, line in enumerate(lines) if '"feature": {' in line)
    feature = json.loads(lines[place])["feature"]
    wrongs: list[dict[str, Any]] = [
        {"arch_id": "0" * 20},
        {"seq": 1},
        {"seq": [2]},
        {"architecture": {}},
        {"known": None},
        {"known": {}},
        {"known": {"another": 1.0}},
    ]
    wrongs += [{"known": {"a": value}} for value in ("high", True, None, 10**400)]
    for wrong in wrongs:
        bent = read("".join([*lines[:place], next(iter(write([("feature", feature | wrong)]))), *lines[place + 1 :]]))
        with pytest.raises(DamagedArchive) as caught:
            check_space(bent)
        assert caught.value.line == place + 1
    with pytest.raises(DamagedArchive, match="no event says"):
        check_space(archive_of(lines, place, 2))
    with pytest.raises(DamagedArchive, match="not all there"):
        check_space(archive_of(lines, place, 0))


def test_an_export_whose_events_do_not_say_what_was_told_is_refused_with_their_line(known: str) -> None:
    lines = [line + "\n" for line in known.removesuffix("\n").split("\n")]
    place = next(k for k, line in enumerate(lines) if "features.told" in line)
    event = json.loads(lines[place])["event"]
    for wrong in ({}, {"cells": 3}, {"names": ["a"]}, {"cells": "3", "names": ["a"]}, {"cells": 3, "names": [1]}):
        told = next(iter(write([("event", event | {"data": wrong})])))
        with pytest.raises(DamagedArchive, match="which features were told") as caught:
            check_space(read("".join([*lines[:place], told, *lines[place + 1 :]])))
        assert caught.value.line == place + 1


def archive_of(lines: list[str], place: int, times: int) -> Archive:
    """An export with the line at ``place`` so many times, and an end that counts it so."""
    kept = [*lines[:place], *lines[place : place + 1] * times, *lines[place + 1 : -1]]
    return read("".join([*kept, next(iter(write([("end", {"lines": len(kept)})])))]))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The export of a small study."""
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('small')}/studies.db", fit_slots=0) as server:
        server.study()
        for value in (90.0, 91.0, 92.0):
            server.tell(server.one(), value)
        return server.http.get("/v1/studies/s/export").text


def damage(text: str, how: str) -> tuple[str, int]:
    """A damaged export, and the line that is wrong."""
    lines = text.splitlines(keepends=True)
    match how:
        case "digit":
            return "".join([*lines[:4], lines[4].replace("9", "8", 1), *lines[5:]]), 5
        case "doubled":
            return "".join([*lines[:4], lines[3], *lines[4:]]), 5
        case "left out":
            return "".join([*lines[:4], *lines[5:]]), 5
        case "cut":
            return "".join(lines[:-1]), len(lines)
        case "garbage":
            return "".join([*lines[:2], "garbage\n", *lines[2:]]), 3
        case "more":
            return text + "more\n", len(lines) + 1
        case "version":
            header = json.loads(lines[0])["study"] | {"version": 7}
            return "".join([next(iter(write([("study", header)]))), *lines[1:]]), 1
    raise AssertionError(how)


@pytest.mark.parametrize("how", ["digit", "doubled", "left out", "cut", "garbage", "more", "version"])
def test_a_damaged_export_is_refused_with_its_line_and_imports_nothing(
    how: str, small: str, tmp_path: Path, server: LiveServer
) -> None:
    text, line = damage(small, how)
    with pytest.raises(DamagedArchive) as caught:
        read(text)
    assert caught.value.line == line
    head = {"Content-Type": "application/x-ndjson"}
    answer = server.http.post("/v1/studies/hurt/import", content=text.encode(), headers=head)
    assert (answer.status_code, answer.json()["line"]) == (422, line)
    assert f"line {line}: " in answer.json()["detail"]
    assert server.http.get("/v1/studies/hurt").status_code == 404
