"""Keys, for who has an admin key: made, listed, revoked, and what was done with them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from bonanza.schemas import AuditEvent, AuditList, Key, KeyId, KeyList, KeySpec, NewKey
from bonanza_server.access import caller, needs
from bonanza_server.answers import moment
from bonanza_server.body import JsonRoute
from bonanza_server.deps import KeyringDep, PageSize, PageToken, ServiceDep
from bonanza_server.errors import Refused
from bonanza_server.paging import make_token, read_token
from bonanza_server.problem_docs import problems
from bonanza_server.store import keys

router = APIRouter(prefix="/v1", tags=["keys"], route_class=JsonRoute)

Id = Annotated[KeyId, Path(description="the key's id, as it is listed")]


@router.post("/keys", operation_id="createKey", openapi_extra=needs("admin"), status_code=201)
async def create_key(spec: KeySpec, keyring: KeyringDep) -> NewKey:
    """Make a key. The answer is the only sight of it, so it is stored under no Idempotency-Key either: if the answer is lost, revoke the key and make another."""
    who = caller()
    if spec.project not in {None, who.project} and not who.every_project:
        raise Refused("forbidden", f"this key is of the project {who.project!r} and can make keys of no other")
    made = await keyring.make(
        project=spec.project or who.project,
        name=spec.name,
        scopes=spec.scopes,
        study=spec.study,
        lasts_s=spec.expires_in_s,
        by=who.key,
    )
    return NewKey.model_validate(_fields(made.row) | {"key": made.token})


@router.get("/keys", operation_id="listKeys", openapi_extra=needs("admin"))
async def list_keys(service: ServiceDep) -> KeyList:
    """The keys of the project, revoked ones too; never the keys themselves."""
    who = caller()
    rows = await service.database.read(
        lambda connection: keys.listed(connection, None if who.every_project else who.project)
    )
    return KeyList(keys=[Key.model_validate(_fields(row)) for row in rows])


@router.delete(
    "/keys/{key}",
    operation_id="revokeKey",
    openapi_extra=needs("admin"),
    status_code=204,
    responses=problems("not-found"),
)
async def revoke_key(key: Id, keyring: KeyringDep) -> None:
    """End a key, and the dashboard's sessions under it: here at once, in other server processes within seconds."""
    who = caller()
    if not await keyring.revoke(key, project=None if who.every_project else who.project, by=who.key):
        raise Refused("not-found", f"there is no key {key}: GET /v1/keys lists them")


@router.get("/audit", operation_id="listAudit", openapi_extra=needs("admin"))
async def list_audit(service: ServiceDep, page_size: PageSize = 100, page_token: PageToken = None) -> AuditList:
    """What was done with the keys of the project, the newest first: made, revoked, dashboards opened, requests refused (counted over a quarter of a minute)."""
    before: int | None = read_token(page_token, int)
    project = caller().project
    rows = await service.database.read(
        lambda connection: keys.logged(connection, project, before=before, most=page_size + 1)
    )
    page = rows[:page_size]
    return AuditList(
        events=[AuditEvent.model_validate(row | {"at": moment(row["at"])}) for row in page],
        next_page_token=make_token(page[-1]["id"]) if len(rows) > page_size else None,
    )


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    dates = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return row | {name: moment(row[name]) for name in dates}
