"""A study for charts, tables and maps: columns, what runs now, the atlas; and every study at a glance."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from bonanza.schemas import (
    Atlas,
    AttemptList,
    Live,
    NeighbourList,
    Overview,
    StudyColumns,
    Trial,
    TrialList,
    ValidateAnswer,
    ValidateCells,
)
from bonanza_server.access import needs
from bonanza_server.blueprint import Cell, blueprint
from bonanza_server.body import JsonRoute
from bonanza_server.deps import (
    AttemptsDep,
    CartographyDep,
    CatalogueDep,
    ColumnsDep,
    GlancesDep,
    ReadingDep,
    StudyName,
    TrialNumber,
)
from bonanza_server.nearby import Nearby
from bonanza_server.problem_docs import problems
from bonanza_server.reading import Reading

router = APIRouter(prefix="/v1", tags=["charts"], route_class=JsonRoute)

JSON_TYPE = "application/json"
WORTH_PACKING = 20_000
"""Bytes of columns from which they are sent compressed: to an eighth of their size."""
PACKED = 4
"""The level of compression: 700 kB of ten thousand trials in some 15 ms."""
CSV_COLUMNS = (
    "number",
    "state",
    "phase",
    "origin",
    "value",
    "predicted_mean",
    "predicted_std",
    "arch_id",
    "architecture",
    "repeat_of",
    "seed",
    "attempts",
    "seconds",
    "metrics",
    "error",
    "tags",
    "note",
    "created_at",
    "started_at",
    "finished_at",
)


@router.get("/overview", operation_id="overview", openapi_extra=needs("read"))
async def overview(glances: GlancesDep) -> Overview:
    """Every study at a glance, the last created first: state, trials, workers, best so far."""
    return await glances.overview()


@router.get(
    "/studies/{study}/columns",
    operation_id="getColumns",
    openapi_extra=needs("read"),
    response_model=StudyColumns,
    responses=problems("not-found"),
)
async def columns(
    study: StudyName,
    reader: ColumnsDep,
    after: Annotated[
        int | None, Query(ge=0, le=2**53 - 1, description="only what events after this one are about; all if left out")
    ] = None,
    accept_encoding: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """The study with its trials as columns: all of them at once, or those that have changed since an event."""
    body = await reader.of(study, after)
    if len(body) < WORTH_PACKING or "gzip" not in accept_encoding:
        return Response(body, media_type=JSON_TYPE, headers={"Vary": "Accept-Encoding"})
    packed = await asyncio.to_thread(gzip.compress, body, PACKED)  # zlib lets go of the interpreter meanwhile
    headers = {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}
    return Response(packed, media_type=JSON_TYPE, headers=headers)


@router.get(
    "/studies/{study}/live",
    operation_id="getLive",
    openapi_extra=needs("read"),
    response_model=Live,
    responses=problems("not-found"),
)
async def live(study: StudyName, attempts: AttemptsDep) -> Response:
    """What runs now: attempts with the curves they report, and the workers."""
    return Response((await attempts.live(study)).model_dump_json(), media_type=JSON_TYPE)


@router.get(
    "/studies/{study}/atlas",
    operation_id="getAtlas",
    openapi_extra=needs("read"),
    response_model=Atlas,
    responses=problems("not-found", "unavailable"),
)
async def atlas(study: StudyName, cartography: CartographyDep) -> Response:
    """The measured cells laid out in the plane, and what each choice at each place goes with. Made beside the API, and kept for some seconds."""
    return Response(await cartography.atlas(study), media_type=JSON_TYPE)


@router.post(
    "/studies/{study}/validate",
    operation_id="validateForStudy",
    openapi_extra=needs("read"),
    response_model=ValidateAnswer,
    responses=problems("not-found", "invalid-architecture", "unavailable"),
)
async def validate(study: StudyName, request: ValidateCells, reading: ReadingDep, catalogue: CatalogueDep) -> Response:
    """Whether these are architectures of the study's space: their normal form, id and cost, and a picture if you like. Nothing is queued."""
    return Response(
        await catalogue.validate(request.in_space(await reading.space(study))),
        media_type=JSON_TYPE,
    )


@router.get(
    "/studies/{study}/trials/{number}/attempts",
    operation_id="listAttempts",
    openapi_extra=needs("read"),
    responses=problems("not-found"),
)
async def trial_attempts(study: StudyName, number: TrialNumber, attempts: AttemptsDep) -> AttemptList:
    """Every attempt at a trial, with what it reported and told."""
    return await attempts.of_trial(study, number)


@router.get(
    "/studies/{study}/trials/{number}/neighbours",
    operation_id="listNeighbours",
    openapi_extra=needs("read"),
    responses=problems("not-found", "unavailable"),
)
async def neighbours(
    study: StudyName, number: TrialNumber, reading: ReadingDep, catalogue: CatalogueDep
) -> NeighbourList:
    """Measured trials whose cells are one edit from this one's, best first."""
    return await Nearby(reading, catalogue).of(study, number)


@router.get(
    "/studies/{study}/trials/{number}/code",
    operation_id="exportCode",
    openapi_extra=needs("read"),
    response_class=Response,
    responses=problems("not-found", "conflict", "unavailable")
    | {200: {"content": {"text/x-python": {"schema": {"type": "string"}}}, "description": "A file that needs PyTorch"}},
)
async def code(study: StudyName, number: TrialNumber, reading: ReadingDep, cartography: CartographyDep) -> Response:
    """The network of a trial's cell as one Python file, of the published skeleton; ``bonanza export-code`` has more to set."""
    trial = await reading.trial(study, number)
    text = await cartography.run(blueprint, Cell(await reading.space(study), trial.architecture))
    return Response(text, media_type="text/x-python; charset=utf-8")


@router.get(
    "/studies/{study}/trials.csv",
    operation_id="downloadTrials",
    openapi_extra=needs("read"),
    response_class=StreamingResponse,
    responses=problems("not-found")
    | {200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "One trial a line, by number"}},
)
async def trials_csv(study: StudyName, reading: ReadingDep) -> StreamingResponse:
    """Every trial as a table for spreadsheets, numbers in full."""
    first = await reading.trials(study, filters={}, page_size=500, page_token=None)
    headers = {"Content-Disposition": f'attachment; filename="{study}.csv"'}
    return StreamingResponse(_lines(reading, study, first), media_type="text/csv; charset=utf-8", headers=headers)


async def _lines(reading: Reading, study: str, page: TrialList) -> AsyncIterator[str]:
    yield _csv([CSV_COLUMNS])
    while True:
        yield _csv([_row(trial) for trial in page.trials])
        if page.next_page_token is None:
            return
        page = await reading.trials(study, filters={}, page_size=500, page_token=page.next_page_token)


def _row(trial: Trial) -> tuple[object, ...]:
    return (
        trial.number,
        trial.state,
        trial.phase,
        trial.origin,
        trial.value,
        trial.prediction and trial.prediction.mean,
        trial.prediction and trial.prediction.std,
        trial.arch_id,
        json.dumps(trial.architecture),
        trial.repeat_of,
        trial.seed,
        trial.attempts,
        trial.cost.get("seconds"),
        json.dumps(trial.metrics),
        trial.error and _inert(str(trial.error.get("message") or trial.error.get("kind") or "")),
        _inert(", ".join(trial.tags)),
        _inert(trial.note),
        trial.created_at.isoformat(),
        trial.started_at and trial.started_at.isoformat(),
        trial.finished_at and trial.finished_at.isoformat(),
    )


def _inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _csv(rows: list[tuple[object, ...]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
