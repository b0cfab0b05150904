"""The long form of the security tests: schemathesis with a key of every scope, and thousands of broken bodies.

``python -m tests.benchmarks.security`` takes some five minutes on two cores. It fails at the first 5xx, at the first answer that a scope should not get,
and where a body takes longer or more memory than any may.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from bonanza_server.access import SCOPES
from bonanza_server.examples import BODIES
from tests.live import LiveServer

ROOT = Path(__file__).parents[2]
ADMIN = "a key of at least sixteen characters"
SLOWEST_S = 20.0
"""The first cell that is looked at starts a process, which on a busy machine takes some seconds."""
MOST_MB = 300
CONFIG = """[checks]
# Which spaces, strategies and cells there are is beyond a JSON schema, so a valid request may well be refused.
positive_data_acceptance.enabled = false
# A bad body may be too large, and so refused for that.
negative_data_rejection.expected-statuses = ["4xx"]
"""
PIECES = [
    b"9" * 100_000, b"1e999999", b"-0", b"NaN", b"[" * 300, b'{"a":' * 300, b"\x00", b"\xff\xfe", b'"\\ud800"', b'"\\u0000"', b"{}", b"[]", b"null", b"true",
    b"'; DROP TABLE studies; --", b"../../etc/passwd", b"\r\n\r\n", b",", b":", b'"', b"}", b"{", b"]", b'"x":1,' * 1_000, b" " * 50_000, "\u202e\ufeff\u2028".encode(),
]  # fmt: skip


def scoped(server: LiveServer, scope: str, *, examples: int, phases: str, folder: Path) -> str:
    """schemathesis with a key of ``scope``; returns what it counted."""
    made = server.http.post(
        "/v1/keys", json={"name": scope, "scopes": [scope]}, headers={"Authorization": f"Bearer {ADMIN}"}
    )
    key = made.raise_for_status().json()
    (folder / "schemathesis.toml").write_text(CONFIG)
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.server.fuzzing",
        "BONANZA_SERVER": server.url,
        "BONANZA_KEY": ADMIN,
        "BONANZA_FUZZED_SCOPE": scope,
        "BONANZA_FUZZED_KEY": key["id"],
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--phases", phases]
    command += ["--max-examples", str(examples), "--seed", "7", "--no-color", "--request-timeout", "60"]
    ran = subprocess.run(
        [*command, "--header", f"Authorization: Bearer {key['key']}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        sys.exit(f"{scope}:\n{ran.stdout[-8_000:]}{ran.stderr[-2_000:]}")
    counted = re.search(r"\d+ generated, \d+ passed[^\n]*", ran.stdout)
    return counted[0] if counted else ran.stdout[-300:]


def broken(body: bytes, rng: random.Random) -> bytes:
    """``body`` with a few pieces put in, cut out, doubled or turned."""
    for _ in range(rng.randint(1, 4)):
        at, to = sorted(rng.randrange(len(body) + 1) for _ in range(2))
        match rng.randrange(5):
            case 0:
                body = body[:at] + rng.choice(PIECES) + body[at:]
            case 1:
                body = body[:at] + rng.choice(PIECES) + body[to:]
            case 2:
                body = body[:at] + body[to:]
            case 3:
                body = body[:to] + body[at:]
            case _:
                body = body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]
    return body


def fuzzed(server: LiveServer, count: int) -> None:
    """Send ``count`` broken bodies to every operation that takes one, in turn; print what came of them."""
    server.http.headers["Authorization"] = f"Bearer {ADMIN}"
    server.study("fuzzed", budget={"max_failures": None})
    server.ask("fuzzed", count=8)
    takes: list[tuple[str, str, str, bytes]] = []
    for path, methods in server.app.openapi()["paths"].items():
        for method, operation in methods.items():
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                name = re.findall(r"schemas/(\w+)", json.dumps(content))
                body = (
                    json.dumps(BODIES[name[0]]).encode()
                    if name
                    else server.http.get("/v1/studies/fuzzed/export").content
                )
                place = re.sub(r"\{worker\}", "gpu7", re.sub(r"\{number\}", "0", path)).replace("{study}", "fuzzed")
                takes.append((method.upper(), place, media, body))
    rng, statuses, slowest = random.Random(7), Counter[int](), (0.0, "")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        method, path, media, body = takes[number % len(takes)]
        sent = broken(body, rng)
        began = time.monotonic()
        headers = {"Content-Type": media} | ({"If-Match": '"1"'} if method == "PATCH" else {})
        if path.endswith("/ask"):
            sent = sent.replace(b'"wait_s": 10', b'"wait_s": 0')
        answer: httpx.Response = server.http.request(method, path, content=sent, headers=headers)
        took = time.monotonic() - began
        statuses[answer.status_code] += 1
        slowest = max(slowest, (took, f"{method} {path}"))
        if answer.status_code >= 500 and answer.status_code != 503:
            sys.exit(f"{answer.status_code} to {method} {path}: {sent[:2_000]!r}")
        if took > SLOWEST_S and answer.status_code != 200:
            sys.exit(f"{took:.1f} s for {method} {path}: {sent[:2_000]!r}")
        if answer.is_success and path.endswith(("/fuzzed", "/finish", "/pause")):
            server.http.post("/v1/studies/fuzzed/resume")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{count:,} broken bodies: {dict(sorted(statuses.items()))}")
    print(f"slowest {slowest[0]:.2f} s ({slowest[1]}); the process grew by {grown:.0f} MB")
    if grown > MOST_MB:
        sys.exit(f"more than {MOST_MB} MB")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=10_000)
    parser.add_argument("--examples", type=int, default=20, help="of schemathesis, for each operation")
    parser.add_argument("--phases", default="examples,coverage,fuzzing")
    parser.add_argument("--scopes", default=",".join(SCOPES))
    parser.add_argument("--database", help="of another database than a SQLite file of its own")
    given: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = given.database or f"sqlite:///{folder}/s.db"
        with LiveServer(url, fit_slots=1, admin_key=ADMIN, rate_limit=0) as server:
            if given.bodies:
                fuzzed(server, given.bodies)
            for scope in filter(None, given.scopes.split(",")):
                counted = scoped(server, scope, examples=given.examples, phases=given.phases, folder=folder)
                print(f"schemathesis, scope {scope}: {counted}", flush=True)


if __name__ == "__main__":
    main()
