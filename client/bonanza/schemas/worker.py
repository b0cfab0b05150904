"""The wire form of a worker daemon: what it says of itself, and what the server knows of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bonanza.schemas.base import Answer, Label, Name, Request, Text, Whole

WorkerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}$")]
"""A daemon's name in URLs: letters, digits, dot, underscore, colon, at and dash, at most 200, the first a letter or digit."""

WorkerState = Literal["running", "draining", "stopped"]
SlotState = Literal["starting", "idle", "evaluating", "quarantined", "ended"]
Count = Annotated[Whole, Field(ge=0, le=2**53 - 1)]


class Slot(Request):
    """One place at which a worker measures one trial at a time."""

    name: Label = Field(description="for example gpu0, gpu0.1, cpu3")
    state: SlotState
    trial: Annotated[Whole, Field(ge=0, le=2**31 - 1)] | None = Field(default=None, description="the one under way")
    measured: Count = Field(default=0, description="results told since the worker started, failures included")
    failed: Count = Field(default=0, description="how many of them were failures")
    failures_in_a_row: Count = 0
    error: Text | None = Field(default=None, description="the newest failure, while failures_in_a_row is not 0")


class Gpu(Request):
    """One GPU as its driver sees it."""

    id: Label = Field(description="as CUDA_VISIBLE_DEVICES names it")
    name: Label
    utilisation: float | None = Field(default=None, ge=0, le=100, description="percent of the time, lately")
    memory_used_mb: Count | None = None
    memory_total_mb: Count | None = None


class WorkerReport(Request):
    """The body of ``PUT /v1/workers/{worker}``: the worker as it is now; each replaces the last."""

    study: Name | None = None
    evaluator: Text = ""
    state: WorkerState = "running"
    host: Text = ""
    versions: Annotated[dict[Label, Text], Field(max_length=50)] = Field(default_factory=dict)
    slots: Annotated[list[Slot], Field(max_length=1_000)] = Field(default_factory=list)
    gpus: Annotated[list[Gpu], Field(max_length=1_000)] = Field(default_factory=list)


class Worker(Answer):
    """A worker as the server knows it. ``silent_s`` is by the server's clock, the only one that counts."""

    id: WorkerName
    study: str | None = None
    evaluator: str = ""
    state: WorkerState
    host: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    slots: list[Slot] = Field(default_factory=list)
    gpus: list[Gpu] = Field(default_factory=list)
    registered_at: datetime
    seen_at: datetime
    silent_s: float = Field(description="seconds since its last report")


class WorkerList(Answer):
    """The workers that were heard of in the last week."""

    workers: list[Worker]
