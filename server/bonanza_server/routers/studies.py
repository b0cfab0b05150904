"""Studies: PUT to create or get, PATCH under a revision, pause, resume, finish."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response

from bonanza.schemas import (
    ConfirmRequest,
    Model,
    PredictAnswer,
    PredictRequest,
    Reason,
    Report,
    Study,
    StudyChange,
    StudyList,
    StudySpec,
)
from bonanza_server.access import needs
from bonanza_server.answers import study_answer
from bonanza_server.body import JsonRoute
from bonanza_server.deps import (
    KeyDep,
    PageSize,
    PageToken,
    PredictorDep,
    ReadingDep,
    ReporterDep,
    ServiceDep,
    StudyName,
    answer,
)
from bonanza_server.errors import Refused
from bonanza_server.lifecycle import phases
from bonanza_server.lifecycle.ledger import Ledger
from bonanza_server.problem_docs import problems
from bonanza_server.reporting import MEDIA

router = APIRouter(prefix="/v1/studies", tags=["studies"], route_class=JsonRoute)

IfMatch = Annotated[
    str | None,
    Header(
        description='the ETag of the study you read, for example "3"',
        json_schema_extra={"pattern": r'^(W/)?"\d{1,9}"$', "examples": ['"3"']},
    ),
]


@router.put(
    "/{study}",
    operation_id="putStudy",
    openapi_extra=needs("write"),
    response_model=Study,
    responses=problems("study-exists-different", "invalid-space", "invalid-strategy")
    | {201: {"model": Study, "description": "Created"}},
)
async def put_study(study: StudyName, spec: StudySpec, response: Response, service: ServiceDep) -> Study:
    """Create a study, or get the one that an equal body created."""
    made, created = await service.put_study(study, spec)
    response.status_code = 201 if created else 200
    response.headers["ETag"] = f'"{made.revision}"'
    return made


@router.get("", operation_id="listStudies", openapi_extra=needs("read"))
async def list_studies(
    reading: ReadingDep,
    state: Literal["running", "paused", "finished"] | None = None,
    tag: Annotated[str | None, Query(max_length=100)] = None,
    page_size: PageSize = 100,
    page_token: PageToken = None,
) -> StudyList:
    """Studies by name."""
    return await reading.studies(state=state, tag=tag, page_size=page_size, page_token=page_token)


@router.get("/{study}", operation_id="getStudy", openapi_extra=needs("read", "ask"), responses=problems("not-found"))
async def get_study(study: StudyName, response: Response, reading: ReadingDep) -> Study:
    """A study, its counts, its best and how far its model is behind."""
    found = await reading.study(study)
    response.headers["ETag"] = f'"{found.revision}"'
    return found


@router.patch(
    "/{study}",
    operation_id="patchStudy",
    openapi_extra=needs("write"),
    responses=problems("not-found", "stale-revision", "if-match-required"),
)
async def patch_study(
    study: StudyName,
    request: StudyChange,
    response: Response,
    service: ServiceDep,
    reading: ReadingDep,
    if_match: IfMatch = None,
) -> Study:
    """Change budget, lease, tags or description of the study as you read it; each that is given is replaced as a whole."""
    await service.patch_study(study, request, _revision(if_match))
    return await get_study(study, response, reading)


@router.delete(
    "/{study}",
    operation_id="deleteStudy",
    openapi_extra=needs("write"),
    status_code=204,
    responses=problems("not-found"),
)
async def delete_study(study: StudyName, service: ServiceDep) -> None:
    """Delete a study with all its trials; there is no way back."""
    await service.delete_study(study)


@router.post(
    "/{study}/pause",
    operation_id="pauseStudy",
    openapi_extra=needs("write"),
    response_model=Study,
    responses=problems("not-found", "conflict"),
)
async def pause(study: StudyName, service: ServiceDep, key: KeyDep, request: Reason | None = None) -> Response:
    """Start nothing more for now; what runs may still tell."""
    return answer(await service.set_state(study, "paused", request.reason if request else None, key))


@router.post(
    "/{study}/resume",
    operation_id="resumeStudy",
    openapi_extra=needs("write"),
    response_model=Study,
    responses=problems("not-found", "conflict"),
)
async def resume(study: StudyName, service: ServiceDep, key: KeyDep, request: Reason | None = None) -> Response:
    """Go on after a pause, or reopen a finished study."""
    return answer(await service.set_state(study, "running", request.reason if request else None, key))


@router.post(
    "/{study}/finish",
    operation_id="finishStudy",
    openapi_extra=needs("write"),
    response_model=Study,
    responses=problems("not-found", "conflict"),
)
async def finish(study: StudyName, service: ServiceDep, key: KeyDep, request: Reason | None = None) -> Response:
    """End a study; what runs may still tell."""
    return answer(await service.set_state(study, "finished", request.reason if request else None, key))


@router.post(
    "/{study}/confirm",
    operation_id="confirmStudy",
    openapi_extra=needs("write"),
    response_model=Study,
    responses=problems("not-found", "conflict"),
)
async def confirm(
    study: StudyName, service: ServiceDep, key: KeyDep, request: ConfirmRequest | None = None
) -> Response:
    """End the search now and train the best cells again; the model chooses them, and asks get them next."""

    def work(ledger: Ledger) -> Study:
        phases.end_by_hand(ledger, request or ConfirmRequest())
        return study_answer(ledger.study, space=None, best=None, refitting=False)

    return answer(await service.post(study, work, key))


@router.get("/{study}/model", operation_id="getModel", openapi_extra=needs("read"), responses=problems("not-found"))
async def get_model(study: StudyName, reading: ReadingDep) -> Model:
    """The surrogate: what it has seen, how long it takes, and what its predictions were worth."""
    return await reading.model(study)


@router.get(
    "/{study}/report",
    operation_id="getReport",
    openapi_extra=needs("read"),
    response_model=Report,
    responses=problems("not-found", "unavailable")
    | {
        200: {
            "content": {
                "text/markdown": {"schema": {"type": "string"}},
                "text/html": {"schema": {"type": "string"}},
            },
            "description": "The report, in the form that was asked for",
        }
    },
)
async def get_report(
    study: StudyName,
    reporter: ReporterDep,
    form: Annotated[
        Literal["json", "markdown", "html"],
        Query(alias="format", description="html is one file that opens from a disk"),
    ] = "json",
) -> Response:
    """What the study found, against random architectures, with intervals, costs, and the recommendations of "NAS evaluation is frustratingly hard"."""
    return Response(await reporter.report(study, form), media_type=MEDIA[form])


@router.post(
    "/{study}/predict",
    operation_id="predict",
    openapi_extra=needs("read"),
    responses=problems("not-found", "invalid-architecture", "unavailable"),
)
async def predict(study: StudyName, request: PredictRequest, predictor: PredictorDep) -> PredictAnswer:
    """What the model says of any architectures, measured or not. It changes nothing."""
    return await predictor.predict(study, request)


def _revision(if_match: str | None) -> int:
    if if_match is None:
        raise Refused(
            "if-match-required",
            "send If-Match with the ETag of the study you read, so that nobody's change is overwritten unseen",
        )
    match = re.fullmatch(r'(?:W/)?"(\d{1,9})"', if_match.strip())
    if match is None:
        raise Refused(
            "invalid",
            f'If-Match: {if_match} is not an ETag of a study, such as "3"',
            errors=[("If-Match", "not an ETag of a study")],
        )
    return int(match[1])
