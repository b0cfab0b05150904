"""Workers: what the daemons say of themselves, for people who look after them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from bonanza.schemas import Name, Worker, WorkerList, WorkerName, WorkerReport
from bonanza_server.access import needs
from bonanza_server.body import JsonRoute
from bonanza_server.deps import ServiceDep
from bonanza_server.problem_docs import problems
from bonanza_server.workers import Workers

router = APIRouter(prefix="/v1/workers", tags=["workers"], route_class=JsonRoute)

Id = Annotated[WorkerName, Path(description="the worker's own name")]


@router.put("/{worker}", operation_id="putWorker", openapi_extra=needs("ask"))
async def put_worker(worker: Id, report: WorkerReport, service: ServiceDep) -> Worker:
    """Say how a worker is, every half minute or so; the first time registers it. No lease hangs on it."""
    return await Workers(service).put(worker, report)


@router.get("", operation_id="listWorkers", openapi_extra=needs("read"))
async def list_workers(
    service: ServiceDep, study: Annotated[Name | None, Query(description="only those of this study")] = None
) -> WorkerList:
    """The workers heard of in the last week, by name."""
    return WorkerList(workers=await Workers(service).list(study))


@router.get("/{worker}", operation_id="getWorker", openapi_extra=needs("read"), responses=problems("not-found"))
async def get_worker(worker: Id, service: ServiceDep) -> Worker:
    """One worker: its slots, its GPUs, when it was last heard of."""
    return await Workers(service).get(worker)
