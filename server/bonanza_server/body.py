"""Request bodies, read strictly: UTF-8 JSON, no lone surrogates, at most 200 levels deep.

Python's own ``json`` takes more than JSON is: half a surrogate pair, which no answer could carry back, and nesting up to its recursion limit,
where whatever walks the value next would fail. NaN and the infinities are let through here, so that the schemas can refuse
them with a pointer to the field.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from bonanza_server.errors import Refused
from bonanza_server.problem import RefusedBody


class JsonRequest(Request):
    """A request whose ``json`` is strict."""

    async def json(self) -> Any:
        """The body's value.

        Raises:
            RefusedBody: the body is not JSON.
        """
        try:
            return from_json(await self.body(), allow_inf_nan=True)
        except ValueError as error:
            raise RefusedBody(Refused("malformed", f"the body cannot be read as JSON: {error}")) from error


class JsonRoute(APIRoute):
    """A route that reads its body through ``JsonRequest``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given the strict request."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(JsonRequest(request.scope, request.receive))

        return handle
