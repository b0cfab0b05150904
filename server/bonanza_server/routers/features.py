"""Features: what is known of architectures without training them."""

from __future__ import annotations

from fastapi import APIRouter, Response

from bonanza.schemas import FeatureList, FeaturesAnswer, FeaturesRequest
from bonanza.spaces import Architecture
from bonanza_server.access import needs
from bonanza_server.body import JsonRoute
from bonanza_server.deps import KeyDep, ReadingDep, ServiceDep, StudyName, answer
from bonanza_server.lifecycle import features
from bonanza_server.lifecycle.ledger import Ledger
from bonanza_server.problem_docs import problems

router = APIRouter(prefix="/v1/studies/{study}", tags=["trials"], route_class=JsonRoute)


@router.post(
    "/features",
    operation_id="tellFeatures",
    openapi_extra=needs("write"),
    response_model=FeaturesAnswer,
    responses=problems("not-found", "conflict", "invalid-architecture"),
)
async def tell_features(study: StudyName, request: FeaturesRequest, service: ServiceDep, key: KeyDep) -> Response:
    """Tell what is known of architectures without training them, all or none of it: the next fit reads it. A value told again goes before the first."""

    def work(ledger: Ledger, cells: list[Architecture]) -> FeaturesAnswer:
        return features.tell(ledger, cells, [cell.features for cell in request.cells])

    given = [cell.architecture for cell in request.cells]
    return answer(await service.post_cells(study, given, "/cells/{}/architecture", work, key))


@router.get("/features", operation_id="listFeatures", openapi_extra=needs("read"), responses=problems("not-found"))
async def list_features(study: StudyName, reading: ReadingDep) -> FeatureList:
    """Each feature: how many architectures have it, and how well it orders those that were measured."""
    return await reading.features(study)
