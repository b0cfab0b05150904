"""A server as a Python program sees it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter, ValidationError

from bonanza import schemas
from bonanza.errors import InvalidRequest
from bonanza.outbox import OUTAGE_S, Flushed, Outbox
from bonanza.schemas import JSON
from bonanza.spaces import SearchSpace
from bonanza.study import Study
from bonanza.transport import PATIENCE_S, Network, Transport

NAME: Final = TypeAdapter(schemas.Name)
DEFAULT_SERVER: Final = "http://127.0.0.1:8423"


class Client:
    """A connection to a Bonanza server; close it, or use it in a ``with``. Threads may share it.

    Calls are tried again while the server is away (a minute; a tell ten minutes, and it is on the disk meanwhile). Errors are those
    of ``bonanza.errors``.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        key: str | None = None,
        spool: str | os.PathLike[str] | None = None,
        patience_s: float = PATIENCE_S,
        outage_s: float = OUTAGE_S,
        network: Network | None = None,
    ) -> None:
        """Connect lazily: the first call finds out whether the server is there.

        Args:
            server: its address; ``BONANZA_SERVER`` by default, else ``http://127.0.0.1:8423``.
            key: the bearer key; ``BONANZA_KEY`` by default, else none.
            spool: the folder for results not yet sent; ``BONANZA_SPOOL`` by default, else ``~/.local/state/bonanza/spool``.
            patience_s: how long a call is tried while the server is away.
            outage_s: how long a tell is.
            network: what carries the requests, an ``httpx`` transport; the real network by default.

        Raises:
            InvalidRequest: the address is none.
        """
        self.transport = Transport(
            server or os.environ.get("BONANZA_SERVER") or DEFAULT_SERVER,
            key=key or os.environ.get("BONANZA_KEY") or None,
            patience_s=patience_s,
            network=network,
        )
        self.outbox = Outbox(self.transport, folder=None if spool is None else Path(spool), outage_s=outage_s)

    @property
    def server(self) -> str:
        """The server's address."""
        return self.transport.server

    def create_study(
        self,
        name: str,
        *,
        space: Mapping[str, Any] | SearchSpace | str,
        objective: str = "accuracy",
        direction: Literal["maximize", "minimize"] = "maximize",
        bounds: tuple[float, float] | None = None,
        strategy: Mapping[str, Any] | str | None = None,
        pruner: Mapping[str, Any] | str | None = None,
        budget: Mapping[str, Any] | schemas.Budget | None = None,
        lease: Mapping[str, Any] | schemas.LeasePolicy | None = None,
        seed: int = 0,
        phases: Mapping[str, Any] | schemas.Phases | None = None,
        consistency: Literal["relaxed", "ordered"] | None = None,
        protocol: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        description: str = "",
    ) -> Study:
        """Make the study, or get it where the server has one just like it; ``study.created`` tells which.

        Args:
            name: letters, digits, dot, underscore and dash.
            space: a spec such as ``{"kind": "nasbench201"}``, a kind that needs nothing else, or a space.
            objective: the name of the number told.
            direction: which way is better.
            bounds: a value outside is refused when it is told.
            strategy: a name, or a name with options such as ``{"name": "bananas", "n_initial": 20}``; the server's default where left out.
            pruner: ``median``, ``asha``, or either with options: which trainings end early, by what they report; none where left out.
            budget: ``max_trials``, ``max_seconds``, ``target``, ``max_parallel``, ``max_failures``.
            lease: ``ttl_s``, ``heartbeat_s``, ``max_attempts``, ``trial_timeout_s``.
            seed: everything the server draws comes from it.
            phases: ``baseline {cells}``, sampled at random before the search, and ``confirm {top, seeds}``, trained again after it.
            consistency: ``ordered`` has every ask see every result told before it.
            protocol: how a trial is trained; recorded with the study.
            tags: labels to find it by.
            description: for people.

        Raises:
            StudyExistsDifferent: a study of that name differs; the problem names the fields.
            InvalidSpace, InvalidStrategy, Invalid: the server does not take it; the errors point at what.
            InvalidRequest: the SDK does not take it.
        """
        given: JSON = {
            "space": _spec(space, "kind"),
            "objective": {"name": objective, "direction": direction}
            | ({"bounds": bounds} if bounds is not None else {}),
            "seed": seed,
        }
        optional = {
            "strategy": None if strategy is None else _spec(strategy, "name"),
            "pruner": None if pruner is None else _spec(pruner, "name"),
            "budget": _fields(budget),
            "lease": _fields(lease),
            "phases": _fields(phases),
            "consistency": consistency,
            "protocol": None if protocol is None else dict(protocol),
            "tags": list(tags),
            "description": description,
        }
        given |= {field: value for field, value in optional.items() if value}
        try:
            schemas.StudySpec.model_validate(given)
        except ValidationError as error:
            raise InvalidRequest.from_validation(error) from error
        reply = self.transport.send("PUT", _path(name), body=given)
        return self._study(reply.read(schemas.Study), created=reply.status == 201)

    def study(self, name: str) -> Study:
        """The study of that name.

        Raises:
            NotFound: there is none.
        """
        return self._study(self.transport.send("GET", _path(name)).read(schemas.Study))

    def studies(self, *, page_size: int = 100) -> Iterator[Study]:
        """Every study, fetched a page at a time as the iterator goes on."""
        params: dict[str, str | int] = {"page_size": page_size}
        while True:
            page = self.transport.send("GET", "/v1/studies", params=params).read(schemas.StudyList)
            yield from (self._study(info) for info in page.studies)
            if page.next_page_token is None:
                return
            params["page_token"] = page.next_page_token

    def report_worker(
        self, worker_id: str, report: schemas.WorkerReport, *, patience_s: float | None = None
    ) -> schemas.Worker:
        """Tell how a worker is; the first time registers it. Nothing hangs on it but what people see."""
        body = report.model_dump(mode="json")
        path = f"/v1/workers/{quote(worker_id, safe='')}"
        return self.transport.send("PUT", path, body=body, patience_s=patience_s).read(schemas.Worker)

    def workers(self, *, study: str | None = None) -> list[schemas.Worker]:
        """The workers heard of in the last week, or those of one study."""
        params: dict[str, str | int] = {} if study is None else {"study": study}
        return self.transport.send("GET", "/v1/workers", params=params).read(schemas.WorkerList).workers

    def import_study(self, name: str, lines: str) -> Study:
        """Make the study ``name`` of what ``Study.export`` gave, here or at another server: whole, or not at all.

        Raises:
            DamagedExport: the lines are no whole export; the message says which is wrong.
            Conflict: there is a study of that name.
        """
        reply = self.transport.send("POST", f"{_path(name)}/import", lines=lines)
        return self._study(reply.read(schemas.Study), created=True)

    def flush_spool(self) -> Flushed:
        """Send the results that processes which died, or tells that gave up, left on the disk; those for other servers stay."""
        return self.outbox.flush()

    def health(self, *, patience_s: float | None = None) -> schemas.Health:
        """That the server answers, and its version; tried for ``patience_s`` instead of the client's."""
        return self.transport.send("GET", "/healthz", patience_s=patience_s).read(schemas.Health)

    def close(self) -> None:
        """Close the connections and let go of the spool."""
        self.outbox.close()
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _study(self, info: schemas.Study, *, created: bool = False) -> Study:
        return Study(self.transport, self.outbox, info, created=created)


def _path(name: str) -> str:
    """Where the study of that name is; a name that would change the path never gets there."""
    try:
        return f"/v1/studies/{NAME.validate_python(name)}"
    except ValidationError as error:
        raise InvalidRequest(
            f"{name!r} is no name of a study: letters, digits, dot, underscore and dash, at most 100, the first a letter or digit"
        ) from error


def _spec(given: Mapping[str, Any] | SearchSpace | str, label: str) -> JSON:
    """A spec from a spec, from its one word, or from the space itself."""
    if isinstance(given, str):
        return {label: given}
    return dict(given) if isinstance(given, Mapping) else given.spec()


def _fields(given: Mapping[str, Any] | BaseModel | None) -> JSON | None:
    """What was given and nothing else: a default spelt out would make two studies differ once a default changes."""
    if isinstance(given, BaseModel):
        return given.model_dump(mode="json", exclude_unset=True)
    return None if given is None else dict(given)
