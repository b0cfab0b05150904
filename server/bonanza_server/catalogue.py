"""Search spaces without a study: sampled, validated and drawn in a process of their own.

What a space of somebody's own design costs is not known before: a cell may take a microsecond or, built for it, hours
in ``canonical_form``. A thread could not be stopped, and would take the event loop's turns at the interpreter from asks.
The process yields to them, stops by itself after ``CPU_S``, and is killed if it does not.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from bonanza.schemas import (
    SampleAnswer,
    SampleRequest,
    SpaceArchitecture,
    ValidArchitecture,
    ValidateAnswer,
    ValidateRequest,
)
from bonanza.schemas.space import Cut
from bonanza.spaces import Architecture, InvalidArchitecture, InvalidSpace, SearchSpace, draw, space_from_spec
from bonanza_server.errors import Refused, invalid
from bonanza_server.slot import JobLost, JobOutOfMemory, JobTimedOut

CPU_S = 5.0
"""Processor seconds after which a request is answered with what it has so far."""
DEADLINE_S = 30.0
"""Seconds after which its process is killed: one architecture alone took all that time."""
MEMORY_BYTES = 1 << 30
MOST_BYTES = 16_000_000
"""Of an answer, after which no architecture is added."""
MOST_WAITING = 16
"""Requests, the one under way included, beyond which others are sent away."""

R = TypeVar("R")
T = TypeVar("T")
A = TypeVar("A", bound=SpaceArchitecture)


def process() -> Executor:
    """The process, not started before the first request."""
    from bonanza_server.executor import LocalExecutor

    return LocalExecutor(1, deadline_seconds=DEADLINE_S, memory_bytes=MEMORY_BYTES, preload=(__name__,))


class Catalogue:
    """Answers as JSON, made by ``executor``; belongs to the event loop's thread."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._waiting = 0

    async def sample(self, request: SampleRequest) -> str:
        """A ``SampleAnswer``.

        Raises:
            Refused: the space is not valid, or too much for this server.
        """
        return await self.run(sample, request)

    async def validate(self, request: ValidateRequest) -> str:
        """A ``ValidateAnswer``.

        Raises:
            Refused: the space or an architecture is not valid, or too much for this server.
        """
        return await self.run(validate, request)

    async def neighbours(self, request: NeighboursRequest) -> tuple[int, list[str]]:
        """How many cells are one edit from an architecture, and which of the ids known are among them.

        Raises:
            Refused: the space is too much for this server.
        """
        return await self.run(neighbours, request)

    async def run(self, work: Callable[[R], T], request: R) -> T:
        """``work(request)`` in the process.

        Raises:
            Refused: what ``work`` refuses; the space is too much for this server; too many wait.
        """
        if self._waiting >= MOST_WAITING:
            raise Refused("unavailable", "the server is busy with other spaces: try again", retry_after_s=2)
        self._waiting += 1
        try:
            return await asyncio.wrap_future(self._executor.submit(work, request))
        except (JobTimedOut, JobOutOfMemory) as error:
            much = f"{DEADLINE_S:g} s" if isinstance(error, JobTimedOut) else f"{MEMORY_BYTES >> 30} GiB"
            raise Refused(
                "invalid",
                f"this space is too much for a request: more than {much} for one architecture. Use it in Python, where nothing bounds it",
                errors=[("/space", "too much work")],
            ) from error
        except JobLost as error:
            raise Refused("unavailable", f"the work was lost ({error}): try again", retry_after_s=1) from error
        finally:
            self._waiting -= 1


def sample(request: SampleRequest) -> str:
    """The architectures that a generator of the request's seed draws, one after another: fewer are the first of more."""
    space = _space(request)
    rng = random.Random(request.seed)
    drawn = (SpaceArchitecture(**_forms(space.sample(rng))) for _ in range(request.count))
    found, reason = _within_bounds(drawn, request.count)
    return SampleAnswer(architectures=found, reason=reason).model_dump_json()


def validate(request: ValidateRequest) -> str:
    """The architectures of the request; if any is none of the space, all that are wrong with all of those."""
    space = _space(request)
    one = request.architectures is None
    values = [request.architecture] if request.architectures is None else request.architectures
    valid: list[Architecture] = []
    errors: list[tuple[str, str]] = []
    for k, value in enumerate(values):
        try:
            valid.append(space.validate(value))
        except InvalidArchitecture as error:
            errors += invalid("invalid-architecture", error, "/architecture" if one else f"/architectures/{k}").errors
    if errors:
        more = f" (and {len(errors) - 1} more architectures are not valid)" if len(errors) > 1 else ""
        raise Refused("invalid-architecture", ": ".join(errors[0]) + more, errors=errors)
    made = (_described(arch, request) for arch in valid)
    found, reason = _within_bounds(made, len(valid))
    return ValidateAnswer(space=space.spec(), architectures=found, reason=reason).model_dump_json()


@dataclass(frozen=True)
class NeighboursRequest:
    """An architecture of a stored study, and the ids of the cells that the study has measured."""

    space: dict[str, Any]
    architecture: dict[str, Any]
    known: frozenset[str]


def neighbours(request: NeighboursRequest) -> tuple[int, list[str]]:
    """How many cells, by id, are one edit away, and those of them that are known; as far as ``CPU_S`` goes."""
    space = space_from_spec(request.space)
    origin = space.validate(request.architecture)
    seen: set[str] = set()
    until = time.process_time() + CPU_S
    for near in space.neighbors(origin):
        seen.add(near.arch_id)
        if time.process_time() > until:
            break
    seen.discard(origin.arch_id)
    return len(seen), sorted(seen & request.known)


def _space(request: SampleRequest | ValidateRequest) -> SearchSpace:
    try:
        return space_from_spec(request.space)
    except InvalidSpace as error:
        raise invalid("invalid-space", error, "/space") from error


def _forms(arch: Architecture) -> dict[str, object]:
    return {"architecture": arch.json, "text": arch.text, "arch_id": arch.arch_id}


def _described(arch: Architecture, request: ValidateRequest) -> ValidArchitecture:
    cost = arch.space.cost(arch)
    return ValidArchitecture(
        **_forms(arch),
        parameters=None if cost is None else cost.parameters,
        flops=None if cost is None else cost.flops,
        svg=draw(arch, simplified=request.simplified) if request.draw else None,
    )


def _within_bounds(made: Iterable[A], count: int) -> tuple[list[A], Cut | None]:
    """As many as there are time and room for, at least one; why there are fewer than ``count``."""
    found: list[A] = []
    size, until = 0, time.process_time() + CPU_S
    for item in made:
        found.append(item)
        size += len(item.model_dump_json())
        if len(found) == count:
            break
        if size > MOST_BYTES:
            return found, "size_limit"
        if time.process_time() > until:
            return found, "time_limit"
    return found, None
