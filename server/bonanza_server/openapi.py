"""The OpenAPI document: what FastAPI derives from the routes, and what the gate in front of them adds to every one.

It is committed as ``server/openapi.json``, so that a change of the API shows in review. ``python -m bonanza_server.openapi`` prints it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Final

from fastapi import FastAPI

from bonanza.schemas import Problem
from bonanza_server.access import SCHEME
from bonanza_server.examples import BODIES, FAILED_TELL
from bonanza_server.gate import OPEN
from bonanza_server.problem_docs import EXAMPLES, JSON, add_problems, example

ANY_REQUEST: Final = ("unauthorized", "forbidden", "too-many-requests", "internal", "unavailable")
OPEN_PATH: Final = ("forbidden", "too-many-requests", "internal")
"""The paths that need neither key nor database."""
WITH_BODY: Final = ("malformed", "too-slow", "too-large", "unsupported-media-type", "invalid")
WITH_KEY: Final = ("idempotency-key-reused", "request-in-flight")
"""Every POST that changes something takes an ``Idempotency-Key``; the others answer the same without."""
STUDY: Final = "/v1/studies/{study}"

HEADERS: Final[JSON] = {
    "X-Request-Id": {
        "description": "yours, if you sent one; the server's log has it beside every failure",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "seconds to wait before the same again",
        "schema": {"type": "integer", "minimum": 1},
    },
    "ETag": {
        "description": "the study's revision; send it back as If-Match to change the study as you read it",
        "schema": {"type": "string", "pattern": r'^"\d+"$'},
    },
    "Idempotent-Replayed": {
        "description": "there when the Idempotency-Key brought back what was answered before",
        "schema": {"const": "true"},
    },
    "WWW-Authenticate": {"description": "how to give the key", "schema": {"const": "Bearer"}},
}
KEY: Final[JSON] = {
    "type": "http",
    "scheme": "bearer",
    "description": "a key of `bonanza key create` or `POST /v1/keys`, or the value of BONANZA_ADMIN_KEY; beside each operation stands which scope of a key opens it (write includes read and ask, admin everything). A server without any key listens on loopback alone and needs none",
}


def install(app: FastAPI) -> None:
    """Make ``app`` answer the completed document at ``/openapi.json``."""
    generate = app.openapi

    def openapi() -> JSON:
        if app.openapi_schema is None:
            complete(generate())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def complete(document: JSON) -> None:
    """Add the problems, headers and keys that belong to every operation."""
    components = document["components"]
    schemas = components["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own 422 never leaves this server
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    _name_bounds(schemas)
    for name, body in BODIES.items():
        schemas[name]["examples"] = [body]
    schemas["TellRequest"]["examples"].append(FAILED_TELL)
    components["examples"] = {slug: {"value": example(slug)} for slug in EXAMPLES}
    components["headers"] = HEADERS
    components["securitySchemes"] = {SCHEME: KEY}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                _drop_null(parameter["schema"])
            responses = operation["responses"]
            if "HTTPValidationError" in json.dumps(responses.get("422", {})):
                del responses["422"]
            add_problems(responses, _everywhere(path, operation))
            operation["responses"] = dict(sorted(responses.items()))
            for status, response in responses.items():
                names = _headers(path, method, status, operation)
                response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _everywhere(path: str, operation: JSON) -> list[str]:
    slugs = list(OPEN_PATH if path in OPEN else ANY_REQUEST)
    slugs += WITH_BODY if "requestBody" in operation else ()
    slugs += ["invalid"] if operation.get("parameters") else []
    slugs += WITH_KEY if _takes_key(operation) else ()
    return slugs


def _name_bounds(part: object) -> None:
    """Bounds under JSON Schema's names: where a validator of ours reads a number first, pydantic writes its own, which nobody else reads."""
    if isinstance(part, list):
        for one in part:
            _name_bounds(one)
    elif isinstance(part, dict):
        if str(part.get("type")) in {"integer", "number"}:
            for ours, theirs in (("ge", "minimum"), ("le", "maximum")):
                if ours in part:
                    part[theirs] = part.pop(ours)
        for one in part.values():
            _name_bounds(one)


def _drop_null(schema: JSON) -> None:
    """A parameter may be left out, but no URL and no header can say null."""
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    schema |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}


def _takes_key(operation: JSON) -> bool:
    return any(parameter["name"].lower() == "idempotency-key" for parameter in operation.get("parameters", ()))


def _headers(path: str, method: str, status: str, operation: JSON) -> Iterator[str]:
    response = operation["responses"][status]
    yield "X-Request-Id"
    if status < "300" and _takes_key(operation):
        yield "Idempotent-Replayed"
    if status < "300" and path == STUDY and method != "delete":
        yield "ETag"
    if status == "401":
        yield "WWW-Authenticate"
    problems = response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    if any("retry_after_s" in EXAMPLES[slug][1] for slug in problems):
        yield "Retry-After"


def text() -> str:
    """The committed form of the document."""
    from bonanza_server.app import create_app
    from bonanza_server.settings import Settings

    return json.dumps(create_app(Settings.model_construct()).openapi(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
