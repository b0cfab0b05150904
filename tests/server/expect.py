"""What every problem must be, whatever went wrong."""

from __future__ import annotations

from typing import Any

import httpx

from bonanza.problems import PREFIX, PROBLEM_TYPES
from bonanza.schemas import Problem


def problem(answer: httpx.Response, slug: str, *, says: str = "", at: str | None = None) -> dict[str, Any]:
    """The body of ``answer``, which must be a problem of type ``slug`` whose detail ``says`` this, with an error pointing ``at`` that."""
    kind = PROBLEM_TYPES[slug]
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    Problem.model_validate(body)
    assert (body["type"], body["title"], body["status"]) == (PREFIX + slug, kind.title, kind.status), body
    assert answer.status_code == kind.status
    assert body["instance"] == answer.request.url.path
    assert body["request_id"] == answer.headers["x-request-id"]
    assert says in body["detail"], body["detail"]
    if at is not None:
        assert at in [error["pointer"] for error in body["errors"]], body["errors"]
        if slug in {"invalid-space", "invalid-strategy", "invalid-architecture"}:
            assert body["detail"].startswith(f"{at}: ")  # who shows the detail alone must show what it is about
    return body
