"""What routes take: the service, the reader, the idempotency key; and the problems that any of them may answer."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request
from fastapi.responses import Response

from bonanza.schemas import Name
from bonanza_server.cartography import Cartography
from bonanza_server.catalogue import Catalogue
from bonanza_server.columns import Columns
from bonanza_server.in_flight import Reply
from bonanza_server.keyring import Keyring
from bonanza_server.live import Attempts
from bonanza_server.news import News
from bonanza_server.overview import Glances
from bonanza_server.predicting import Predictor
from bonanza_server.reading import Reading
from bonanza_server.reporting import Reporter
from bonanza_server.service import Service
from bonanza_server.store.idempotency import Key

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="the same key with the same request gets the same answer for 24 hours, and the effect once",
    ),
]


def service_of(request: Request) -> Service:
    """The service. The hot path takes it, and the key, by hand: for a dependency FastAPI works a fifth longer on a request."""
    service: Service = request.app.state.service
    return service


async def key_of(request: Request, idempotency_key: str | None) -> Key | None:
    """The key of a request with such a header, and the fingerprint of what it asks for."""
    if idempotency_key is None:
        return None
    content = hashlib.sha256(f"{request.method} {request.url.path}\n".encode())
    content.update(await request.body())
    return Key(idempotency_key, content.hexdigest())


# Coroutines, though they await nothing: FastAPI sends a plain function to a thread, which costs every request 0.1 ms.
async def _service(request: Request) -> Service:
    return service_of(request)


def _held(name: str) -> Callable[[Request], Awaitable[Any]]:
    """The dependency on what the application's state holds under ``name``."""

    async def found(request: Request) -> Any:
        return getattr(request.app.state, name)

    return found


async def _key(request: Request, idempotency_key: IdempotencyKey = None) -> Key | None:
    return await key_of(request, idempotency_key)


ServiceDep = Annotated[Service, Depends(_service)]
ReadingDep = Annotated[Reading, Depends(_held("reading"))]
PredictorDep = Annotated[Predictor, Depends(_held("predictor"))]
ReporterDep = Annotated[Reporter, Depends(_held("reporter"))]
CatalogueDep = Annotated[Catalogue, Depends(_held("catalogue"))]
CartographyDep = Annotated[Cartography, Depends(_held("cartography"))]
ColumnsDep = Annotated[Columns, Depends(_held("columns"))]
AttemptsDep = Annotated[Attempts, Depends(_held("attempts"))]
GlancesDep = Annotated[Glances, Depends(_held("glances"))]
NewsDep = Annotated[News, Depends(_held("news"))]
KeyringDep = Annotated[Keyring, Depends(_held("keyring"))]
KeyDep = Annotated[Key | None, Depends(_key)]
StudyName = Annotated[Name, Path(description="the study's name")]
TrialNumber = Annotated[int, Path(ge=0, le=2**31 - 1, description="the trial's number in the study")]
PageSize = Annotated[int, Query(ge=1, le=1000)]
PageToken = Annotated[
    str | None,
    Query(max_length=500, pattern=r"^[A-Za-z0-9_=-]+$", description="next_page_token of the page before"),
]


def answer(reply: Reply) -> Response:
    """The stored bytes of a POST."""
    headers = {"Idempotent-Replayed": "true"} if reply.replayed else None
    return Response(reply.body, status_code=reply.status, media_type="application/json", headers=headers)
