"""The service itself: whether it lives, whether it can work, what it has done."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

import bonanza
from bonanza.schemas import Health, Readiness
from bonanza_server import standing
from bonanza_server.access import needs
from bonanza_server.body import GuardedRoute
from bonanza_server.deps import ServiceDep

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
    """Whether studies can be served: the database answers, its schema is the one this code needs, leases are looked after, the disk has room."""
    found: Readiness = await request.app.state.readiness()
    if found.status == "unavailable":
        response.status_code = 503
    return found


@router.get("/metrics", operation_id="metrics", openapi_extra=needs("read"), response_class=PlainTextResponse)
async def metrics(service: ServiceDep) -> Response:
    """Counters, timings and how things stand, in Prometheus's text format; what it costs does not grow with the trials of a study."""
    text = await standing.exposition(service.database, service.waiting.held(), now=service.clock())
    return Response(text, media_type=CONTENT_TYPE_LATEST)
