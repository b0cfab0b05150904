"""Errors on the wire: RFC 9457 problem+json for whatever goes wrong, FastAPI's own answers included."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from bonanza.problems import PREFIX, PROBLEM_TYPES
from bonanza.schemas.base import NO_NUL
from bonanza_server.errors import Refused

log = logging.getLogger(__name__)

BY_STATUS = {
    400: "malformed",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}


FRIENDLIER = {
    "dict_type": "must be a JSON object",
    "extra_forbidden": "there is no such field here: check its spelling in /docs",
    "finite_number": 'must be a finite number; a training that ended in NaN is told with outcome "failed" and error kind "nan"',
    "missing": "is missing",
    "model_attributes_type": "must be a JSON object",
    "model_type": "must be a JSON object",
}
"""What pydantic's terse messages should say to a person who looks for what to do."""


class RefusedBody(HTTPException):
    """A refusal found while a body is read: FastAPI turns whatever else is raised there into a 400 that has lost its cause."""

    def __init__(self, refused: Refused) -> None:
        """Carry ``refused`` to its handler."""
        super().__init__(PROBLEM_TYPES[refused.slug].status, refused.detail)
        self.refused = refused


class ProblemResponse(Response):
    """An answer that is not a success."""

    media_type = "application/problem+json"


def problem_response(
    refused: Refused, *, instance: str, request_id: str | None, headers: dict[str, str] | None = None
) -> ProblemResponse:
    """The problem+json of a refusal."""
    kind = PROBLEM_TYPES[refused.slug]
    body: dict[str, Any] = {
        "type": PREFIX + refused.slug,
        "title": kind.title,
        "status": kind.status,
        "detail": refused.detail,
        "instance": instance,
        "request_id": request_id,
    }
    if refused.errors:
        body["errors"] = [{"pointer": pointer, "message": message} for pointer, message in refused.errors]
    body |= refused.members
    headers = dict(headers or {})
    if "retry_after_s" in refused.members:
        headers["Retry-After"] = str(max(1, round(refused.members["retry_after_s"])))
    if kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return ProblemResponse(json.dumps(body, default=str), status_code=kind.status, headers=headers)


def _answer(request: Request, refused: Refused, headers: dict[str, str] | None = None) -> ProblemResponse:
    return problem_response(
        refused, instance=request.url.path, request_id=getattr(request.state, "request_id", None), headers=headers
    )


def pointer(location: Sequence[int | str], body: object) -> str:
    """A JSON pointer into ``body``, or the name of a parameter.

    pydantic's locations also name the branch of a union it tried; such parts are in no body and are left out.
    """
    where, *path = location
    if where != "body":
        return ".".join(map(str, path)) or str(where)
    found, node = "", body
    for index, part in enumerate(path):
        if isinstance(node, dict) and (part in node or (index == len(path) - 1 and isinstance(part, str))):
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            continue
        found += "/" + str(part).replace("~", "~0").replace("/", "~1")
    return found


def message(item: dict[str, Any]) -> str:
    """What pydantic found wrong, for a person."""
    if item["type"] == "string_pattern_mismatch" and item["ctx"]["pattern"] == NO_NUL:
        return "has a NUL character, which no database keeps"
    return FRIENDLIER.get(item["type"]) or item["msg"].removeprefix("Value error, ")


def methods(document: dict[str, Any], path: str) -> list[str]:
    """The methods that an OpenAPI document has for a path, of which one without parameters is itself alone."""
    if path in document["paths"]:
        return sorted(map(str.upper, document["paths"][path]))
    found: set[str] = set()
    for template, operations in document["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found.update(method.upper() for method in operations)
    return sorted(found)


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return _answer(request, error)

    @app.exception_handler(RefusedBody)
    async def refused_body(request: Request, error: RefusedBody) -> Response:
        return _answer(request, error.refused)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [(pointer(item["loc"], error.body), message(item)) for item in error.errors()]
        detail = "; ".join(f"{where or 'the body'}: {message}" for where, message in errors[:3])
        more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
        return _answer(request, Refused("invalid", detail + more, errors=errors[:100]))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        slug = BY_STATUS.get(error.status_code, "malformed")
        headers = dict(error.headers or {})
        detail = str(error.detail)
        if error.status_code == 404:
            detail = f"there is nothing at {request.url.path}: /docs lists the paths"
        elif error.status_code == 405:
            # Starlette names the methods of the first route alone that has the path.
            headers["Allow"] = ", ".join(methods(app.openapi(), request.url.path))
            detail = f"{request.url.path} does not take {request.method}, only {headers['Allow']}"
        return _answer(request, Refused(slug, detail), headers)

    @app.exception_handler(OperationalError)
    @app.exception_handler(InterfaceError)
    @app.exception_handler(PoolTimeout)
    async def unavailable(request: Request, error: OperationalError | InterfaceError | PoolTimeout) -> Response:
        source = error if isinstance(error, PoolTimeout) else error.orig
        cause = next(iter(str(source).strip().splitlines()), type(source).__name__)
        log.error("the database failed: %s", cause)
        return _answer(
            request,
            Refused(
                "unavailable",
                f"the database cannot be used now ({cause}); nothing was changed: try again",
                retry_after_s=2,
            ),
        )
