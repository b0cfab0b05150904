"""Routes: who may use them, and bodies read strictly: UTF-8 JSON, no lone surrogates, at most 200 levels deep.

Python's own ``json`` takes more than JSON is: half a surrogate pair, which no answer could carry back, and nesting up to its recursion limit,
where whatever walks the value next would fail. NaN and the infinities are let through here, so that the schemas can refuse
them with a pointer to the field.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from bonanza_server.access import admit, declared
from bonanza_server.errors import Refused
from bonanza_server.problem import RefusedBody


class GuardedRoute(APIRoute):
    """A route that holds its callers to the scopes it declares; one that declares none cannot be made."""

    request_class: type[Request] = Request

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the check: nothing of the request's body is read for a caller who may not send it.

        Raises:
            TypeError: the route declares no scope.
        """
        handler = super().get_route_handler()
        scopes = declared(self.openapi_extra, f"{self.methods} {self.path}")
        made = self.request_class

        async def handle(request: Request) -> Response:
            if scopes:
                admit(scopes, request.path_params.get("study"))
            return await handler(made(request.scope, request.receive))

        return handle


def guarded(router: APIRouter) -> APIRouter:
    """``router``, all of whose routes hold their callers to scopes.

    Raises:
        TypeError: one does not, and would let everybody in.
    """
    for route in router.routes:
        if not isinstance(route, GuardedRoute):
            raise TypeError(f"{route} asks for no scope: give its router route_class=GuardedRoute, or JsonRoute")
    return router


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


class JsonRoute(GuardedRoute):
    """A route that reads its body through ``JsonRequest``."""

    request_class = JsonRequest
