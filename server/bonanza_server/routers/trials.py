"""Trials: look at them, queue, import, cancel, retry, repeat, annotate, and read the events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from bonanza.schemas import (
    Explanation,
    ObservationsAnswer,
    ObservationsRequest,
    QueueAnswer,
    Queued,
    QueueRequest,
    RankedList,
    Reason,
    RepeatRequest,
    Trial,
    TrialChange,
    TrialList,
)
from bonanza.schemas.trial import Origin, TrialState
from bonanza.spaces import Architecture
from bonanza_server.access import needs
from bonanza_server.answers import trial_answer, trial_fields
from bonanza_server.body import JsonRoute
from bonanza_server.deps import (
    KeyDep,
    NewsDep,
    PageSize,
    PageToken,
    ReadingDep,
    ServiceDep,
    StudyName,
    TrialNumber,
    answer,
)
from bonanza_server.lifecycle import steer
from bonanza_server.lifecycle.ledger import Ledger
from bonanza_server.problem_docs import problems
from bonanza_server.reading import EVENTS_A_READ, Reading

router = APIRouter(prefix="/v1/studies/{study}", tags=["trials"], route_class=JsonRoute)

EVENT_STREAM = "text/event-stream"


@router.get("/trials", operation_id="listTrials", openapi_extra=needs("read"), responses=problems("not-found"))
async def list_trials(
    study: StudyName,
    reading: ReadingDep,
    state: TrialState | None = None,
    origin: Origin | None = None,
    arch_id: Annotated[str | None, Query(pattern=r"^[\x21-\x7e]{1,64}$")] = None,
    numbers: Annotated[
        str | None,
        Query(
            pattern=r"^\d{1,9}(,\d{1,9}){0,199}$",
            description="these trials and no others, at most 200: 3,1,4; everything else is then left aside",
        ),
    ] = None,
    page_size: PageSize = 100,
    page_token: PageToken = None,
) -> TrialList:
    """Trials by number."""
    if numbers is not None:
        return TrialList(trials=await reading.by_number(study, [int(number) for number in numbers.split(",")]))
    filters = {"state": state, "origin": origin, "arch_id": arch_id}
    return await reading.trials(study, filters=filters, page_size=page_size, page_token=page_token)


@router.get("/trials/{number}", operation_id="getTrial", openapi_extra=needs("read"), responses=problems("not-found"))
async def get_trial(study: StudyName, number: TrialNumber, reading: ReadingDep) -> Trial:
    """One trial."""
    return await reading.trial(study, number)


@router.patch(
    "/trials/{number}",
    operation_id="patchTrial",
    openapi_extra=needs("write"),
    response_model=Trial,
    responses=problems("not-found", "conflict"),
)
async def patch_trial(study: StudyName, number: TrialNumber, request: TrialChange, service: ServiceDep) -> Response:
    """Annotate a trial, or invalidate its result."""

    def work(ledger: Ledger) -> Trial:
        trial = ledger.trial(number)
        steer.change(ledger, trial, request)
        return trial_answer(trial, None, ledger.study)

    return answer(await service.post(study, work, None))


@router.get(
    "/trials/{number}/explain",
    operation_id="explainTrial",
    openapi_extra=needs("read"),
    responses=problems("not-found"),
)
async def explain(study: StudyName, number: TrialNumber, reading: ReadingDep) -> Explanation:
    """Why this cell: the fit, the prediction, its rank, and what was not taken."""
    return await reading.explain(study, number)


@router.post(
    "/trials/{number}/cancel",
    operation_id="cancelTrial",
    openapi_extra=needs("write"),
    response_model=Trial,
    responses=problems("not-found", "conflict"),
)
async def cancel(
    study: StudyName, number: TrialNumber, service: ServiceDep, key: KeyDep, request: Reason | None = None
) -> Response:
    """Stop a trial; its worker learns so at the next heartbeat. A result that comes all the same is kept."""

    def work(ledger: Ledger) -> Trial:
        trial = ledger.trial(number)
        steer.cancel(ledger, trial, request.reason if request else None)
        return trial_answer(trial, None, ledger.study)

    return answer(await service.post(study, work, key))


@router.post(
    "/trials/{number}/retry",
    operation_id="retryTrial",
    openapi_extra=needs("write"),
    response_model=Trial,
    responses=problems("not-found", "conflict"),
)
async def retry(study: StudyName, number: TrialNumber, service: ServiceDep, key: KeyDep) -> Response:
    """Bring a failed, infeasible or cancelled trial back under its number."""

    def work(ledger: Ledger) -> Trial:
        trial = ledger.trial(number)
        steer.retry(ledger, trial)
        return trial_answer(trial, None, ledger.study)

    return answer(await service.post(study, work, key))


@router.post(
    "/trials/{number}/repeat",
    operation_id="repeatTrial",
    openapi_extra=needs("write"),
    status_code=201,
    response_model=TrialList,
    responses=problems("not-found"),
)
async def repeat(
    study: StudyName, number: TrialNumber, service: ServiceDep, key: KeyDep, request: RepeatRequest | None = None
) -> Response:
    """Measure the same cell again, each time with another seed; or train it by another protocol, for the report to compare."""
    wanted = request or RepeatRequest()
    count = wanted.count

    def work(ledger: Ledger) -> TrialList:
        made = steer.repeat(ledger, ledger.trial(number), count, wanted.protocol)
        return TrialList(trials=[trial_answer(trial, None, ledger.study) for trial in made])

    return answer(await service.post(study, work, key, status=201, wakes=count))


@router.post(
    "/queue",
    operation_id="queueArchitectures",
    openapi_extra=needs("write"),
    status_code=201,
    response_model=QueueAnswer,
    responses=problems("not-found", "conflict", "invalid-architecture"),
)
async def queue(study: StudyName, request: QueueRequest, service: ServiceDep, key: KeyDep) -> Response:
    """Measure these cells next; a cell the study has already comes back as it is."""

    def work(ledger: Ledger, cells: list[Architecture]) -> QueueAnswer:
        queued = steer.queue(ledger, cells, priority=request.priority, tags=request.tags)
        return QueueAnswer(
            trials=[
                Queued.model_validate(trial_fields(trial, None, ledger.study) | {"created": created})
                for trial, created in queued
            ]
        )

    given = request.architectures
    return answer(await service.post_cells(study, given, "/architectures/{}", work, key, status=201, wakes=len(given)))


@router.post(
    "/observations",
    operation_id="importObservations",
    openapi_extra=needs("write"),
    response_model=ObservationsAnswer,
    responses=problems("not-found", "conflict", "invalid-architecture", "duplicate-observation"),
)
async def observations(study: StudyName, request: ObservationsRequest, service: ServiceDep, key: KeyDep) -> Response:
    """Tell without ask: results measured elsewhere, all or none of them."""

    def work(ledger: Ledger, cells: list[Architecture]) -> ObservationsAnswer:
        added, measured, skipped = steer.observe(ledger, cells, request)
        return ObservationsAnswer(added=added, measured=measured, skipped=skipped)

    given = [observation.architecture for observation in request.observations]
    return answer(await service.post_cells(study, given, "/observations/{}/architecture", work, key))


@router.get("/best", operation_id="bestTrials", openapi_extra=needs("read"), responses=problems("not-found"))
async def best(study: StudyName, reading: ReadingDep, k: Annotated[int, Query(ge=1, le=1000)] = 1) -> RankedList:
    """The k best cells, best first: each by its first trial, ranked by what all its measurements and its prediction say of its true value."""
    return await reading.best(study, k)


@router.get(
    "/events",
    operation_id="listEvents",
    openapi_extra=needs("read"),
    response_class=StreamingResponse,
    responses=problems("not-found", "unavailable")
    | {
        200: {
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                EVENT_STREAM: {"schema": {"type": "string"}},
            },
            "description": "One event a line, oldest first; or the same as server-sent events, without end",
        }
    },
)
async def events(
    study: StudyName,
    reading: ReadingDep,
    news: NewsDep,
    after: Annotated[int, Query(ge=0, le=2**53 - 1)] = 0,
    limit: Annotated[int | None, Query(ge=1, le=EVENTS_A_READ, description="of ndjson: so many and no more")] = None,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    last_event_id: Annotated[str | None, Header(description="of server-sent events: goes before after")] = None,
) -> StreamingResponse:
    """Every change of state after sequence number ``after``: as ndjson, up to now; with ``Accept: text/event-stream`` as they come, until you hang up.

    A client that reconnects sends Last-Event-ID, as browsers do by themselves, and misses none.
    """
    if EVENT_STREAM in (accept or ""):
        if (
            last_event_id is not None
            and last_event_id.isascii()
            and last_event_id.isdigit()
            and len(last_event_id) < 17
        ):
            after = int(last_event_id)
        await reading.events(study, after, limit=1)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(news.events(study, after), media_type=EVENT_STREAM, headers=headers)
    first = await reading.events(study, after, limit or EVENTS_A_READ)
    lines = _lines(reading, study, first) if limit is None else iter([_text(first)])
    return StreamingResponse(lines, media_type="application/x-ndjson")


async def _lines(reading: Reading, study: str, page: Sequence[Any]) -> AsyncIterator[str]:
    while page:
        yield _text(page)
        if len(page) < EVENTS_A_READ:
            return
        page = await reading.events(study, page[-1].seq)


def _text(page: Sequence[Any]) -> str:
    return "".join(event.model_dump_json() + "\n" for event in page)
