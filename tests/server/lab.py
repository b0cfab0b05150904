"""A study on a server whose clock the test moves: what the tests of the lifecycle talk to."""

from __future__ import annotations

import json
from typing import Any

from bonanza_server.store.database import Database
from tests.contracts.lifecycle import broken_invariants, rows_of
from tests.live import Clock, LiveServer

SIX_CELLS = {
    "kind": "sequence",
    "positions": [{"name": "depth", "choices": [1, 2]}, {"name": "width", "choices": [16, 32, 64]}],
}
THREE_CELLS = {"kind": "sequence", "positions": [{"name": "width", "choices": [16, 32, 64]}]}
FEW_EDGES = {"kind": "edge_cell", "nodes": 3, "ops": ["none", "skip_connect", "conv"]}
TWENTY_CELLS = {
    "kind": "sequence",
    "positions": [{"name": "depth", "choices": [1, 2, 3, 4]}, {"name": "width", "choices": [16, 32, 64, 128, 256]}],
}
TTL = 60.0
"""Seconds of a lease unless a study says otherwise."""

Json = dict[str, Any]


class Lab:
    """One study, ``name``, on a live server; over HTTP as its users talk to it."""

    def __init__(self, server: LiveServer, clock: Clock, database: Database, name: str) -> None:
        self.server = server
        self.clock = clock
        self.name = name
        self._database = database

    def study(self, **fields: Any) -> Json:
        return self.server.study(self.name, **fields)

    def ask(self, **fields: Any) -> Json:
        return self.server.ask(self.name, **fields)

    def one(self, **fields: Any) -> Json:
        return self.server.one(self.name, **fields)

    def numbers(self, count: int, **fields: Any) -> list[int]:
        return [trial["number"] for trial in self.ask(count=count, **fields)["trials"]]

    def tell(self, trial: Json, value: float | None = None, status: int = 200, **fields: Any) -> Json:
        return self.server.tell(trial, value, self.name, status, **fields)

    def fail(self, trial: Json, kind: str, **fields: Any) -> Json:
        return self.tell(trial, outcome="failed", error={"kind": kind, "message": f"it was {kind}"}, **fields)

    def beat(self, trial: Json, **fields: Any) -> Json:
        return self.act(trial, "heartbeat", lease_token=trial["attempt"]["token"], **fields)

    def release(self, trial: Json, **fields: Any) -> Json:
        return self.act(trial, "release", lease_token=trial["attempt"]["token"], **fields)

    def act(self, trial: Json | int, verb: str, status: int | None = None, **fields: Any) -> Json:
        number = trial if isinstance(trial, int) else trial["number"]
        return self.server.post(f"/v1/studies/{self.name}/trials/{number}/{verb}", fields, status=status)

    def post(self, verb: str, body: Any = None, status: int | None = None, **headers: str) -> Json:
        return self.server.post(f"/v1/studies/{self.name}/{verb}", body, status, **headers)

    def queue(self, *architectures: Any, **fields: Any) -> list[Json]:
        queued: list[Json] = self.post("queue", {"architectures": list(architectures)} | fields)["trials"]
        return queued

    def patch(self, trial: Json | int, status: int = 200, **fields: Any) -> Json:
        number = trial if isinstance(trial, int) else trial["number"]
        answer = self.server.http.patch(f"/v1/studies/{self.name}/trials/{number}", json=fields)
        assert answer.status_code == status, answer.text
        changed: Json = answer.json()
        return changed

    def change(self, **fields: Any) -> Json:
        """PATCH the study."""
        path = f"/v1/studies/{self.name}"
        etag = self.server.http.get(path).headers["ETag"]
        answer = self.server.http.patch(path, json=fields, headers={"If-Match": etag})
        assert answer.status_code == 200, answer.text
        changed: Json = answer.json()
        return changed

    def trial(self, trial: Json | int) -> Json:
        return self.server.trial(trial if isinstance(trial, int) else trial["number"], self.name)

    def get(self, path: str = "") -> Json:
        return self.server.get(f"/v1/studies/{self.name}{path}")

    def events(self) -> list[Json]:
        lines = self.server.http.get(f"/v1/studies/{self.name}/events").text.splitlines()
        return [json.loads(line) for line in lines]

    def kinds(self, trial: Json) -> list[str]:
        """The events of one trial."""
        return [event["kind"] for event in self.events() if event["number"] == trial["number"]]

    def pass_time(self, seconds: float) -> None:
        """Let the server's clock go on, and let it look after the leases."""
        self.clock.advance(seconds)
        self.server.look_after_leases()

    def broken(self) -> list[str]:
        """Invariants of the tables that do not hold."""
        return broken_invariants(self._database.read_now(lambda connection: rows_of(connection, self.name)))
