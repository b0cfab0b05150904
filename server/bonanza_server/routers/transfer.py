"""A whole study out, as one file, and in again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from bonanza.schemas import Study
from bonanza_server.access import needs
from bonanza_server.body import GuardedRoute
from bonanza_server.deps import KeyDep, ReadingDep, ServiceDep, StudyName, answer
from bonanza_server.errors import Refused
from bonanza_server.problem_docs import problems

router = APIRouter(prefix="/v1/studies/{study}", tags=["studies"], route_class=GuardedRoute)

NDJSON = "application/x-ndjson"
LINES_A_CHUNK = 500


@router.get(
    "/export",
    operation_id="exportStudy",
    openapi_extra=needs("read"),
    response_class=StreamingResponse,
    responses=problems("not-found")
    | {
        200: {
            "content": {NDJSON: {"schema": {"type": "string"}}},
            "description": "One record a line, each with its checksum: the study, its events, fits and curves, the end",
        }
    },
)
async def export(study: StudyName, reading: ReadingDep) -> StreamingResponse:
    """The whole study as ndjson: to be kept with a paper, checked by ``bonanza replay``, or imported elsewhere."""
    lines = await reading.export(study, time.time())
    return StreamingResponse(_chunks(lines), media_type=NDJSON)


@router.post(
    "/import",
    operation_id="importStudy",
    status_code=201,
    response_model=Study,
    responses=problems("conflict", "damaged-export", "malformed", "too-large", "unsupported-media-type"),
    openapi_extra=needs("write")
    | {"requestBody": {"required": True, "content": {NDJSON: {"schema": {"type": "string"}}}}},
)
async def import_(study: StudyName, service: ServiceDep, key: KeyDep, request: Request) -> Response:
    """Make a study of an export, under this name: whole, or not at all."""
    body = await request.body()
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        detail = f"line {line}: this is no UTF-8 text. Nothing was imported: export the study again"
        raise Refused("damaged-export", detail, line=line) from error
    return answer(await service.import_study(study, text, key))


def _chunks(lines: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(lines), LINES_A_CHUNK):
        yield "".join(lines[start : start + LINES_A_CHUNK])
