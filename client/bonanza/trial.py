"""A trial as its trainer holds it: an architecture to measure, and the lease that lets it tell."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import ValidationError

from bonanza import schemas
from bonanza.errors import (
    BonanzaError,
    InternalError,
    InvalidRequest,
    ServerUnreachable,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
)
from bonanza.pulse import Pulse
from bonanza.schemas.trial import Directive, FailureKind, Outcome
from bonanza.spaces import Architecture

if TYPE_CHECKING:
    from bonanza.study import Study

log = logging.getLogger(__name__)

BEAT_PATIENCE_S: Final = 5.0
AWAY: Final = (ServerUnreachable, UnexpectedAnswer, Unavailable, TooManyRequests, InternalError)
"""A server that is down, behind a proxy that says so, or in trouble: no reason to stop a training."""
POINTS_AT_ONCE: Final = 1_000  # the wire's limit


class Trial:
    """One lease on one architecture. ``record`` is the server's answer to the ask.

    ``with trial:`` heartbeats from a thread while the body trains, so that a long training keeps its lease; a body that raises
    releases the trial. Without it, call ``heartbeat`` or ``report`` more often than every ``heartbeat_s`` seconds.
    """

    def __init__(self, study: Study, record: schemas.Trial) -> None:
        """Made by ``study.ask``."""
        self.study = study
        self.record = record
        self.directive: Directive = "continue"
        self.ended = False
        self._attempt = _attempt(record)
        self._points: dict[int, dict[str, float]] = {}
        self._lock = threading.Lock()
        self._pulse: Pulse | None = None

    def __repr__(self) -> str:
        return f"<Trial {self.number} of {self.study.name}: {self.arch.text}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the trial with its cell."""
        from bonanza.notebook import html

        return html.trial(self)

    @property
    def number(self) -> int:
        """Dense in the study, from 0."""
        return self.record.number

    @property
    def architecture(self) -> dict[str, Any]:
        """The architecture in its space's JSON form."""
        return self.record.architecture

    @cached_property
    def arch(self) -> Architecture:
        """The architecture as a value of the study's space."""
        return self.study.space.validate(self.record.architecture)

    @property
    def seed(self) -> int:
        """For the training run; tell another if you used another."""
        return self.record.seed

    @property
    def attempt(self) -> schemas.Attempt:
        """The lease: its token, when it runs out, what a previous attempt left to resume from."""
        return self._attempt

    def tell(
        self,
        value: float | None = None,
        *,
        outcome: Outcome = "complete",
        metrics: Mapping[str, float] | None = None,
        cost: Mapping[str, float] | None = None,
        seed: int | None = None,
        checkpoint: str | None = None,
        error: schemas.TrialError | None = None,
        protocol: str | None = None,
        log_tail: str | None = None,
    ) -> schemas.TellAnswer:
        """Tell what came out; it is on the disk before it is sent, and sent again until the server has it.

        Args:
            value: the objective, in its own unit (accuracies in percent). Needed for ``complete``, optional for ``pruned``.
            outcome: ``complete``, ``pruned``, ``failed``, ``infeasible`` or ``cancelled``.
            metrics: further numbers worth keeping.
            cost: what it took, for example ``{"seconds": 812.5}``.
            seed: the training's, if it was another than the trial's.
            checkpoint: where a later attempt may resume.
            error: how it failed; ``fail`` is the short way.
            protocol: the hash of how it was trained, to be refused should it not be the study's.
            log_tail: the last lines that it printed, at most 4,000 characters, for people.

        Raises:
            InvalidRequest: a value that is not finite, or does not go with the outcome; nothing was sent.
            ResultConflict: this attempt has told another result; the trial keeps the first.
            ProtocolMismatch: the study's protocol is another.
            ServerUnreachable: the server stayed away; a note on the error says where the result is safe.
        """
        body = self._body(
            schemas.TellRequest,
            outcome=outcome,
            value=_number("value", value),
            metrics={name: _number(f"metrics/{name}", number) for name, number in (metrics or {}).items()},
            cost={name: _number(f"cost/{name}", number) for name, number in (cost or {}).items()},
            seed=seed,
            error=error,
            checkpoint=checkpoint,
            protocol=protocol,
            log_tail=log_tail,
        )
        self._rest()
        answer = self.study.outbox.tell(f"{self._path}/tell", body)
        self.ended = True
        return answer

    def fail(
        self, kind: FailureKind, message: str = "", *, traceback_tail: str | None = None, infeasible: bool = False
    ) -> schemas.TellAnswer:
        """Tell that the training failed. ``infra`` is tried again on another worker; ``infeasible`` says that no worker can train this cell."""
        try:
            error = schemas.TrialError(kind=kind, message=message, traceback_tail=traceback_tail)
        except ValidationError as found:
            raise InvalidRequest.from_validation(found) from found
        return self.tell(outcome="infeasible" if infeasible else "failed", error=error)

    def heartbeat(self, progress: float | None = None, *, log_tail: str | None = None) -> Directive:
        """Say that the training goes on (``progress`` from 0 to 1), and learn what to do: ``continue``, ``prune``, ``cancel``, ``yield``, ``superseded``.

        ``log_tail``, the last lines that it has printed, replaces what was sent of them before; the dashboard shows it.

        An absent server is no reason to stop a training: the answer is ``continue`` then, and a warning is logged.
        """
        return self._beat("heartbeat", self._body(schemas.HeartbeatRequest, progress=progress, log_tail=log_tail))

    def report(
        self, step: int, metrics: Mapping[str, float] | None = None, *, log_tail: str | None = None, **more: float
    ) -> Directive:
        """Tell the metrics at one step, ``trial.report(3, loss=0.9, accuracy=61.2)``; it is a heartbeat too, and answers like one.

        Points that an absent server did not take go with the next report.
        """
        named = {name: _number(f"metrics/{name}", number) for name, number in {**(metrics or {}), **more}.items()}
        point = {"step": step, "metrics": named}
        self._body(schemas.ReportRequest, points=[point])
        with self._lock:
            self._points[step] = {name: number for name, number in named.items() if number is not None}
            while len(self._points) > POINTS_AT_ONCE:
                del self._points[next(iter(self._points))]
            sent = dict(self._points)
        body = self._body(
            schemas.ReportRequest, points=[{"step": s, "metrics": m} for s, m in sent.items()], log_tail=log_tail
        )
        return self._beat("report", body, taken=sent)

    def release(self, reason: str | None = None, *, checkpoint: str | None = None) -> None:
        """Give the trial back unfinished; another worker gets it, from ``checkpoint``, and it does not count as an attempt."""
        self._release(reason, checkpoint=checkpoint, patience_s=None)

    def __enter__(self) -> Self:
        self._pulse = Pulse(self.heartbeat, self._attempt.heartbeat_s, name=f"bonanza-{self.study.name}-{self.number}")
        self._pulse.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rest()
        if kind is None or self.ended:
            return
        try:
            self._release(kind.__name__, checkpoint=None, patience_s=BEAT_PATIENCE_S)
        except BonanzaError as failure:
            # The body's own error is the one to see; the lease runs out by itself.
            log.warning("trial %d could not be released: %s", self.number, failure)

    @property
    def _path(self) -> str:
        return f"{self.study.path}/trials/{self.number}"

    def _rest(self) -> None:
        if self._pulse is not None:
            self._pulse.stop()

    def _release(self, reason: str | None, *, checkpoint: str | None, patience_s: float | None) -> None:
        body = self._body(schemas.ReleaseRequest, reason=reason, checkpoint=checkpoint)
        self._rest()
        self.study.transport.send("POST", f"{self._path}/release", body=body, patience_s=patience_s)
        self.ended = True

    def _beat(
        self, verb: str, body: dict[str, Any], *, taken: Mapping[int, dict[str, float]] | None = None
    ) -> Directive:
        transport = self.study.transport
        patience_s = min(BEAT_PATIENCE_S, transport.patience_s)
        try:
            reply = transport.send("POST", f"{self._path}/{verb}", body=body, keyed=False, patience_s=patience_s)
        except AWAY as error:
            log.warning("trial %d goes on without the server: %s", self.number, error)
            return "continue"
        with self._lock:
            for step, metrics in (taken or {}).items():
                if self._points.get(step) == metrics:
                    del self._points[step]
        self.directive = reply.read(schemas.HeartbeatAnswer).directive
        return self.directive

    def _body(self, request: type[schemas.Request], **fields: Any) -> dict[str, Any]:
        given = {name: field for name, field in fields.items() if field is not None and field != {}}
        try:
            checked = request.model_validate({"lease_token": self._attempt.token, **given})
        except ValidationError as error:
            raise InvalidRequest.from_validation(error) from error
        return checked.model_dump(mode="json", exclude_unset=True)


def _attempt(record: schemas.Trial) -> schemas.Attempt:
    if record.attempt is None or record.attempt.token is None:
        raise InvalidRequest(f"trial {record.number} is leased to nobody here: only a trial from ask can be told")
    return record.attempt


def _number(name: str, value: float | None) -> float | None:
    """A plain float: numpy's and torch's scalars are no JSON."""
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{name} must be a number, not {type(value).__name__}") from error
    if not math.isfinite(number):
        raise InvalidRequest(
            f'{name} is {number}, and JSON has no such number; a training that diverged is told with trial.fail("nan")'
        )
    return number
