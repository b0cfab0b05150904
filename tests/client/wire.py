"""A network that speaks the wire, for tests at the SDK's transport seam: answers kept by Idempotency-Key, and faults on demand.

It is no server: it leases numbered cells of NAS-Bench-201, remembers what it was told, and records every request. The end-to-end tests
run the real one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from bonanza.problems import PREFIX, PROBLEM_TYPES

SERVER = "http://bonanza.test"
OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
NOW = "2026-01-01T00:00:00Z"

Fault = Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]


def refuse_connection(request: httpx.Request, answer: Callable[[], httpx.Response]) -> httpx.Response:
    """The request never arrives."""
    raise httpx.ConnectError("[Errno 111] Connection refused", request=request)


def lose_answer(request: httpx.Request, answer: Callable[[], httpx.Response]) -> httpx.Response:
    """The request arrives and takes effect; the answer is lost."""
    answer()
    raise httpx.ReadError("connection reset by peer", request=request)


def time_out(request: httpx.Request, answer: Callable[[], httpx.Response]) -> httpx.Response:
    """Nothing comes back in time."""
    raise httpx.ReadTimeout("timed out", request=request)


def answer_with(status: int, content: str = "", **headers: str) -> Fault:
    """Something between us and the server answers instead of it."""
    return lambda request, answer: httpx.Response(
        status, text=content, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def problem(
    slug: str, detail: str = "it is so", *, headers: dict[str, str] | None = None, **members: Any
) -> httpx.Response:
    """The server's problem of that type."""
    kind = PROBLEM_TYPES[slug]
    body = {"type": PREFIX + slug, "title": kind.title, "status": kind.status, "detail": detail, **members}
    return httpx.Response(
        kind.status, content=json.dumps(body), headers={"content-type": "application/problem+json"} | (headers or {})
    )


def refuse(slug: str, detail: str = "it is so", **members: Any) -> Fault:
    """The server answers that problem, this time."""
    return lambda request, answer: problem(slug, detail, **members)


class Wire(httpx.BaseTransport):
    """Answers requests; the next ``faults`` come first, one a request."""

    def __init__(self, *, max_trials: int = 3) -> None:
        self.max_trials = max_trials
        self.faults: list[Fault] = []
        self.requests: list[httpx.Request] = []
        self.studies: dict[str, dict[str, Any]] = {}
        self.told: dict[int, list[dict[str, Any]]] = {}
        self.released: list[int] = []
        self.beats: list[int] = []
        self.points: list[dict[str, Any]] = []
        self.logs: list[str] = []
        self.directive = "continue"
        self.asks: list[dict[str, Any]] = []  # scripted answers to asks, before the usual ones
        self.started = 0
        self._answers: dict[str, httpx.Response] = {}
        self._lock = threading.Lock()

    def keys(self, end: str) -> list[str | None]:
        """The Idempotency-Keys of the requests whose path ends so."""
        return [r.headers.get("idempotency-key") for r in self.requests if r.url.path.endswith(end)]

    def bodies(self, end: str) -> list[Any]:
        """The bodies of the requests whose path ends so."""
        return [json.loads(r.content) for r in self.requests if r.url.path.endswith(end) and r.content]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self._lock:
            self.requests.append(request)
            fault = self.faults.pop(0) if self.faults else None
        return fault(request, lambda: self._once(request)) if fault else self._once(request)

    def _once(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            return self._kept(request)

    def _kept(self, request: httpx.Request) -> httpx.Response:
        key = request.headers.get("idempotency-key")
        if key is not None and key in self._answers:
            return _copy(self._answers[key])
        answer = self._answer(request)
        if key is not None:
            self._answers[key] = answer
        return _copy(answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        match [request.method, *request.url.path.strip("/").split("/")]:
            case ["GET", "healthz"]:
                return httpx.Response(200, json={"status": "ok", "version": "9.9"})
            case ["PUT", "v1", "studies", name]:
                created = name not in self.studies
                self.studies.setdefault(name, study(name, **body))
                return httpx.Response(201 if created else 200, json=self.studies[name])
            case ["GET", "v1", "studies"]:
                return self._page("studies", [s | {"space": None} for s in self.studies.values()], request)
            case [_, "v1", "studies", name, *_] if name not in self.studies:
                return problem("not-found", f"there is no study {name!r}")
            case ["GET", "v1", "studies", name]:
                return httpx.Response(200, json=self.studies[name])
            case ["POST", "v1", "studies", name, "ask"]:
                return httpx.Response(200, json=self._ask(body))
            case ["POST", "v1", "studies", _, "trials", number, verb]:
                return self._trial(int(number), verb, body)
            case ["GET", "v1", "studies", _, "best"]:
                done = [trial(n, "complete", value=t[0]["value"]) for n, t in self.told.items()]
                done.sort(key=lambda t: -t["value"])
                return httpx.Response(200, json={"trials": done[: int(request.url.params["k"])]})
            case ["GET", "v1", "studies", _, "trials"]:
                return self._page("trials", [trial(n, "complete") for n in self.told], request)
            case ["GET", "v1", "studies", _, "events"]:
                lines = [json.dumps({"seq": n, "at": NOW, "kind": "trial.told", "number": n}) for n in (1, 2, 3)]
                after = int(request.url.params["after"])
                return httpx.Response(
                    200, text="\n".join(lines[after:]) + "\n", headers={"content-type": "application/x-ndjson"}
                )
            case ["POST", "v1", "studies", name, "pause" | "resume" | "finish" as verb]:
                self.studies[name]["state"] = {"pause": "paused", "resume": "running", "finish": "finished"}[verb]
                return httpx.Response(200, json=self.studies[name])
            case ["POST", "v1", "studies", _, "queue"]:
                cells = body["architectures"]
                return httpx.Response(
                    201, json={"trials": [trial(n, "pending") | {"created": True} for n in range(len(cells))]}
                )
            case ["POST", "v1", "studies", _, "observations"]:
                return httpx.Response(200, json={"added": len(body["observations"]), "measured": 0, "skipped": 0})
        return problem("not-found", f"there is nothing at {request.url.path}")

    def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.asks:
            return {"model": {}, "trials": []} | self.asks.pop(0)
        count = min(body["count"], self.max_trials - self.started)
        trials = [trial(self.started + i, "running") for i in range(count)]
        self.started += count
        return {
            "trials": trials,
            "reason": None if count == body["count"] else "budget_reached",
            "model": {"version": 4},
        }

    def _trial(self, number: int, verb: str, body: dict[str, Any]) -> httpx.Response:
        match verb:
            case "tell":
                self.told.setdefault(number, []).append(body)
                return httpx.Response(200, json=trial(number, "complete", value=body.get("value")) | {"is_best": True})
            case "heartbeat" | "report":
                self.beats.append(number)
                self.points += body.get("points", [])
                self.logs += [body["log_tail"]] if "log_tail" in body else []
                return httpx.Response(200, json={"directive": self.directive, "heartbeat_s": 20})
            case "repeat":
                return httpx.Response(201, json={"trials": [trial(90 + i, "pending") for i in range(body["count"])]})
            case "release":
                self.released.append(number)
                return httpx.Response(200, json=trial(number, "pending"))
        return httpx.Response(200, json=trial(number, "cancelled" if verb == "cancel" else "pending"))

    @staticmethod
    def _page(name: str, rows: Iterable[dict[str, Any]], request: httpx.Request) -> httpx.Response:
        rows, size, start = (
            list(rows),
            int(request.url.params["page_size"]),
            int(request.url.params.get("page_token", 0)),
        )
        token = str(start + size) if start + size < len(rows) else None
        return httpx.Response(200, json={name: rows[start : start + size], "next_page_token": token})


def study(name: str, **spec: Any) -> dict[str, Any]:
    """A study as the server answers it."""
    objective = spec.get("objective", {"name": "accuracy", "direction": "maximize"})
    return {
        "name": name,
        "state": "running",
        "space": spec.get("space", {"kind": "nasbench201"}),
        "objective": objective,
        "objectives": [objective],
        "strategy": spec.get("strategy", {"name": "bananas"}),
        "budget": spec.get("budget", {}),
        "lease": spec.get("lease", {}),
        "seed": spec.get("seed", 0),
        "trials": {"complete": 2, "running": 1},
        "model": {"version": 3, "observations": 12, "lag": 1},
        "revision": 1,
        "created_at": NOW,
    }


def trial(number: int, state: str, *, value: float | None = None) -> dict[str, Any]:
    """A trial as the server answers it; its cell spells its number in base five."""
    attempt = {"number": 1, "token": f"token-{number}", "expires_at": NOW, "heartbeat_s": 0.05}
    return {
        "number": number,
        "state": state,
        "origin": "initial",
        "architecture": {"edges": [OPS[number // 5**edge % 5] for edge in range(6)]},
        "arch_id": f"cell-{number}",
        "seed": 1000 + number,
        "value": value,
        "attempts": 1,
        "attempt": attempt if state == "running" else None,
        "created_at": NOW,
    }


def _copy(answer: httpx.Response) -> httpx.Response:
    return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
