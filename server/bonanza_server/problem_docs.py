"""The problem types in the OpenAPI document: which answers a route may give that are no success, each with an example."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from bonanza.problems import PREFIX, PROBLEM_TYPES

JSON = dict[str, Any]


def _wrong_at(pointer: str, message: str) -> tuple[str, JSON]:
    return f"{pointer}: {message}", {"errors": [{"pointer": pointer, "message": message}]}


EXAMPLES: Final[dict[str, tuple[str, JSON]]] = {
    "malformed": ("the body cannot be read as JSON: expected `,` or `}` at line 3 column 5", {}),
    "unauthorized": (
        "this server needs a key: send Authorization: Bearer <key>, one that bonanza key create made or the value of BONANZA_ADMIN_KEY; bonanza's own commands and the SDK take it as BONANZA_KEY",
        {},
    ),
    "forbidden": (
        "this needs a key with the scope write, and this one has read: bonanza key create NAME --scope write makes one, on the server's machine",
        {},
    ),
    "not-found": ("there is no study 'cifar': PUT /v1/studies/cifar makes one, GET /v1/studies lists them", {}),
    "too-slow": ("1,042 bytes of the body came in 30 s, and not its end: send it again, faster", {}),
    "conflict": ("study 'cifar' is finished: resume it first", {"state": "finished"}),
    "study-exists-different": (
        "study 'cifar' exists and differs in seed: PATCH it to change budget, lease, tags or description, or take another name",
        {
            "errors": [{"pointer": "/seed", "message": "differs from the study that exists"}],
            "differences": {"seed": {"exists": 7, "sent": 8}},
        },
    ),
    "result-conflict": (
        "attempt 1 at trial 12 told complete 93.1 before and now tells complete 92.4; the first is kept. To replace it, PATCH the trial with invalidate: true, then POST the right value to …/observations",
        {"stored": {"outcome": "complete", "value": 93.1}, "sent": {"outcome": "complete", "value": 92.4}},
    ),
    "protocol-mismatch": (
        'trial 12 is to be trained by the protocol 94c8ab5e93b4f21f (proxy) and its value was measured under 5d41402abc4b2a76: values of different trainings cannot be compared. Tell it in a study of that protocol, or make one whose protocol says "allow_others": true',
        {"expected": "94c8ab5e93b4f21f", "told": "5d41402abc4b2a76"},
    ),
    "duplicate-observation": (
        "observation 3 is of a cell that trial 12 holds; use on_duplicate skip or measure",
        {"errors": [{"pointer": "/observations/3/architecture", "message": "already in the study"}], "trial": 12},
    ),
    "request-in-flight": (
        "another server process is doing this very request: send it again",
        {"retry_after_s": 1},
    ),
    "stale-revision": (
        "study 'cifar' is at revision 4, you changed 3: GET it again, then PATCH with its ETag",
        {"revision": 4},
    ),
    "too-large": (
        "the body is larger than 1,000,000 bytes: send it in several requests, or start the server with a larger BONANZA_BODY_LIMIT",
        {"limit": 1_000_000},
    ),
    "unsupported-media-type": ("send Content-Type: application/json, not text/plain", {}),
    "invalid": (
        "/valeu: there is no such field here: check its spelling in /docs",
        {"errors": [{"pointer": "/valeu", "message": "there is no such field here: check its spelling in /docs"}]},
    ),
    "invalid-space": _wrong_at("/space/nodes", "must be an integer from 2 to 12, not 99"),
    "invalid-strategy": _wrong_at(
        "/strategy/name",
        "'banana' is unknown; the strategies are random, evolution, local_search, bananas, bonas, nasbot, bonanza",
    ),
    "invalid-architecture": _wrong_at("/architectures/0/edges", "must be a list of 6 ops, not of 1"),
    "damaged-export": (
        "line 12: what is written there is not what was exported. Nothing was imported: export the study again",
        {"line": 12},
    ),
    "unknown-token": (
        "no attempt at trial 12 has this lease_token: use the token of the ask that gave you the trial",
        {},
    ),
    "idempotency-key-reused": (
        "Idempotency-Key 'tell-12' was used for another request before: use a new key for a new request",
        {},
    ),
    "if-match-required": (
        "send If-Match with the ETag of the study you read, so that nobody's change is overwritten unseen",
        {},
    ),
    "too-many-requests": (
        "more than 500 requests a second, for longer than 10 s, came under this key: wait, or start the server with a larger BONANZA_RATE_LIMIT",
        {"retry_after_s": 0.4},
    ),
    "internal": (
        "the server failed on this request; its log has the cause under request id 7f9c2ba4e88f827d",
        {},
    ),
    "unavailable": (
        "the database cannot be used now (the database system is starting up); nothing was changed: try again",
        {"retry_after_s": 2},
    ),
}
"""A detail and the members of each problem type, as a person would meet them."""


def problems(*slugs: str) -> dict[int | str, JSON]:
    """The responses of a route that may meet these types of problem; those that any request may meet are added by ``openapi``."""
    responses: JSON = {}
    add_problems(responses, slugs)
    return {int(status): response for status, response in responses.items()}


def add_problems(responses: JSON, slugs: Iterable[str]) -> None:
    """Document these problems; the description of a status names all types that have it."""
    for slug in slugs:
        kind = PROBLEM_TYPES[slug]
        content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
        response = responses.setdefault(str(kind.status), {})
        body = response.setdefault("content", {}).setdefault("application/problem+json", content)
        body["examples"][slug] = {"$ref": f"#/components/examples/{slug}"}
        response["description"] = " / ".join(PROBLEM_TYPES[known].title for known in body["examples"])


def example(slug: str) -> JSON:
    """A problem of that type, as the server would answer it."""
    detail, members = EXAMPLES[slug]
    kind = PROBLEM_TYPES[slug]
    fixed = {"type": PREFIX + slug, "title": kind.title, "status": kind.status, "detail": detail}
    return fixed | {"instance": "/v1/studies/cifar", "request_id": "7f9c2ba4e88f827d"} | members
