"""Search spaces on their own: what a study may use, before there is one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from bonanza.schemas import (
    SampleAnswer,
    SampleRequest,
    SpaceKind,
    SpaceKinds,
    SpaceKindSchemas,
    ValidateAnswer,
    ValidateRequest,
)
from bonanza.spaces import InvalidSpace, nearest_kind, space_kind, space_kinds
from bonanza_server.access import needs
from bonanza_server.body import JsonRoute
from bonanza_server.deps import CatalogueDep
from bonanza_server.errors import Refused
from bonanza_server.problem_docs import problems

router = APIRouter(prefix="/v1/spaces", tags=["spaces"], route_class=JsonRoute)

JSON_TYPE = "application/json"


@router.get("", operation_id="listSpaces", openapi_extra=needs("read", "ask"))
async def list_spaces() -> SpaceKinds:
    """The kinds of search space a study may use, each with an example to copy."""
    kinds = [
        SpaceKind(kind=kind.name, description=kind.description, example=dict(kind.example)) for kind in space_kinds()
    ]
    return SpaceKinds(spaces=kinds)


@router.get("/{kind}", operation_id="getSpaceKind", openapi_extra=needs("read", "ask"), responses=problems("not-found"))
async def get_space_kind(
    kind: Annotated[str, Path(description="the kind's name", examples=["nasbench201"])],
) -> SpaceKindSchemas:
    """One kind with the JSON Schemas of its specs and architectures."""
    try:
        found = space_kind(kind)
    except InvalidSpace as error:
        nearest = nearest_kind(kind)
        raise Refused(
            "not-found",
            f"the kind of a space {error.message}",
            kinds=[known.name for known in space_kinds()],
            nearest=nearest,
        ) from error
    return SpaceKindSchemas(
        kind=found.name,
        description=found.description,
        example=dict(found.example),
        spec_schema=dict(found.spec_schema),
        architecture_schema=dict(found.architecture_schema),
    )


@router.post(
    "/sample",
    operation_id="sampleSpace",
    openapi_extra=needs("read", "ask"),
    response_model=SampleAnswer,
    responses=problems("invalid-space"),
)
async def sample(request: SampleRequest, catalogue: CatalogueDep) -> Response:
    """Architectures drawn at random. The same seed draws the same, and fewer are the first of more."""
    return Response(await catalogue.sample(request), media_type=JSON_TYPE)


@router.post(
    "/validate",
    operation_id="validateArchitectures",
    openapi_extra=needs("read", "ask"),
    response_model=ValidateAnswer,
    responses=problems("invalid-space", "invalid-architecture"),
)
async def validate(request: ValidateRequest, catalogue: CatalogueDep) -> Response:
    """Whether these are architectures of the space: their normal form, id and cost, and a picture if you like."""
    return Response(await catalogue.validate(request), media_type=JSON_TYPE)
