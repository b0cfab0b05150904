"""The service itself: whether it lives, whether it can work."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

import bonanza
from bonanza.schemas import Health, Readiness
from bonanza_server.access import needs
from bonanza_server.body import GuardedRoute

router = APIRouter(tags=["system"], route_class=GuardedRoute)


@router.get("/healthz", operation_id="health", openapi_extra=needs())
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok", version=bonanza.__version__)


@router.get(
    "/readyz",
    operation_id="ready",
    openapi_extra=needs(),
    responses={503: {"model": Readiness, "description": "Cannot work now; checks say why"}},
)
async def readyz(request: Request, response: Response) -> Readiness:
    """Whether studies can be served: the database answers and its schema is the one this code needs."""
    checks: dict[str, str] = await request.app.state.checks()
    bad = [name for name, said in checks.items() if said != "ok"]
    if bad:
        response.status_code = 503
    return Readiness(status="unavailable" if bad else "ready", checks=checks)
