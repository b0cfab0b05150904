"""The strategies a study may use, with what may be set of each: what a form needs to know."""

from __future__ import annotations

from fastapi import APIRouter

from bonanza.schemas import StrategyKind, StrategyKinds, StudySpec
from bonanza_server.access import needs
from bonanza_server.body import JsonRoute
from bonanza_server.search.spec import DESCRIPTIONS, options_schema, strategy_names

router = APIRouter(prefix="/v1/strategies", tags=["strategies"], route_class=JsonRoute)


@router.get("", operation_id="listStrategies", openapi_extra=needs("read", "ask"))
async def list_strategies() -> StrategyKinds:
    """The strategies a study may use, the default first, each with the JSON Schema of its options."""
    default = StudySpec.model_fields["strategy"].get_default(call_default_factory=True)["name"]
    names = sorted(strategy_names(), key=lambda name: name != default)
    kinds = [
        StrategyKind(
            name=name,
            description=DESCRIPTIONS.get(name, "Of a package that is installed beside the server."),
            default=name == default,
            options_schema=options_schema(name),
        )
        for name in names
    ]
    return StrategyKinds(strategies=kinds)
