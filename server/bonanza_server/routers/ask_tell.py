"""The hot path: ask, tell, heartbeat, report, release."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from bonanza import tracing
from bonanza.schemas import (
    AskAnswer,
    AskRequest,
    HeartbeatAnswer,
    HeartbeatRequest,
    ReleaseRequest,
    ReportRequest,
    TellAnswer,
    TellRequest,
    Trial,
)
from bonanza_server import meters
from bonanza_server.access import needs
from bonanza_server.answers import moment, trial_answer, trial_fields
from bonanza_server.body import JsonRoute
from bonanza_server.deps import IdempotencyKey, StudyName, TrialNumber, answer, key_of, service_of
from bonanza_server.in_flight import ClientGone
from bonanza_server.lifecycle import lease, pruning
from bonanza_server.lifecycle.ledger import Ledger, Row
from bonanza_server.lifecycle.tell import Told
from bonanza_server.lifecycle.tell import tell as record
from bonanza_server.problem_docs import problems

router = APIRouter(prefix="/v1/studies/{study}", tags=["ask and tell"], route_class=JsonRoute)


@router.post(
    "/ask", operation_id="ask", openapi_extra=needs("ask"), response_model=AskAnswer, responses=problems("not-found")
)
async def ask(
    study: StudyName, http: Request, request: AskRequest | None = None, idempotency_key: IdempotencyKey = None
) -> Response:
    """What should I train next? Holds the request up to ``wait_s`` while something worth waiting for may come."""
    try:
        key = await key_of(http, idempotency_key)
        asked = request or AskRequest()
        with tracing.span("ask", http.headers.get("traceparent"), study=study, worker=asked.worker_id) as trace:
            return answer(await service_of(http).ask(study, asked, key, http.is_disconnected, trace=trace))
    except ClientGone:
        return Response(status_code=499)  # nobody reads it; nothing was leased


@router.post(
    "/trials/{number}/tell",
    operation_id="tell",
    openapi_extra=needs("ask"),
    response_model=TellAnswer,
    responses=problems("not-found", "unknown-token", "result-conflict", "protocol-mismatch"),
)
async def tell(
    study: StudyName, number: TrialNumber, request: TellRequest, http: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """What came out. Kept whenever it comes; the same again is no error, other content is."""
    begun = time.perf_counter()
    done: list[tuple[Told, str | None]] = []

    def work(ledger: Ledger) -> TellAnswer:
        trial, attempt = lease.held_attempt(ledger, number)
        told = record(ledger, trial, attempt, request)
        done[:] = [(told, attempt["traceparent"])]
        fields: dict[str, Any] = trial_fields(trial, None, ledger.study)
        return TellAnswer.model_validate(fields | told._asdict())

    answered = await _post(http, idempotency_key, study, work, (number, request.lease_token))
    for told, trace in done:  # none where an idempotency key had the answer
        seconds = time.perf_counter() - begun
        meters.told(request.outcome, accepted=told.accepted, duplicate=told.duplicate, seconds=seconds)
        tracing.record("tell", trace, seconds, study=study, trial=number, outcome=request.outcome)
    return answered


@router.post(
    "/trials/{number}/heartbeat",
    operation_id="heartbeat",
    openapi_extra=needs("ask"),
    response_model=HeartbeatAnswer,
    responses=problems("not-found", "unknown-token"),
)
async def heartbeat(
    study: StudyName,
    number: TrialNumber,
    request: HeartbeatRequest,
    http: Request,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Still training: prolongs the lease and brings back what to do."""

    def work(ledger: Ledger) -> HeartbeatAnswer:
        trial, attempt = lease.held_attempt(ledger, number)
        return _beat(ledger, trial, attempt, request.progress, request.log_tail)

    return await _post(http, idempotency_key, study, work, (number, request.lease_token), wakes=0)


@router.post(
    "/trials/{number}/report",
    operation_id="report",
    openapi_extra=needs("ask"),
    response_model=HeartbeatAnswer,
    responses=problems("not-found", "unknown-token"),
)
async def report(
    study: StudyName, number: TrialNumber, request: ReportRequest, http: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """A stretch of the learning curve; a heartbeat too."""

    def work(ledger: Ledger) -> HeartbeatAnswer:
        trial, attempt = lease.held_attempt(ledger, number)
        points = [(point.step, point.metrics) for point in request.points]
        before = pruning.judged_curve(ledger, trial)
        lease.report(ledger, attempt, points)
        pruning.judge(ledger, trial, points, before)
        return _beat(ledger, trial, attempt, None, request.log_tail)

    return await _post(http, idempotency_key, study, work, (number, request.lease_token), wakes=0)


@router.post(
    "/trials/{number}/release",
    operation_id="release",
    openapi_extra=needs("ask"),
    response_model=Trial,
    responses=problems("not-found", "unknown-token"),
)
async def release(
    study: StudyName,
    number: TrialNumber,
    request: ReleaseRequest,
    http: Request,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Give a trial back unfinished; it does not count as an attempt and goes to the front."""

    def work(ledger: Ledger) -> Trial:
        trial, attempt = lease.held_attempt(ledger, number)
        lease.release(ledger, trial, attempt, reason=request.reason, checkpoint=request.checkpoint)
        return trial_answer(trial, None, ledger.study)

    return await _post(http, idempotency_key, study, work, (number, request.lease_token))


async def _post(
    http: Request,
    idempotency_key: str | None,
    study: str,
    work: Callable[[Ledger], BaseModel],
    attempt: tuple[int, str],
    *,
    wakes: int = 1,
) -> Response:
    key = await key_of(http, idempotency_key)
    return answer(await service_of(http).post(study, work, key, attempt=attempt, wakes=wakes))


def _beat(ledger: Ledger, trial: Row, attempt: Row, progress: float | None, log_tail: str | None) -> HeartbeatAnswer:
    directive, expires_at = lease.heartbeat(ledger, trial, attempt, progress, log_tail)
    return HeartbeatAnswer.model_validate(
        {"directive": directive, "expires_at": moment(expires_at), "heartbeat_s": ledger.study["lease"]["heartbeat_s"]}
    )
