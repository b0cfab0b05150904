"""What the SDK raises, by what a program may do about it.

::

    BonanzaError
    ├── InvalidRequest             the SDK refused to send it; also a ValueError
    ├── ServerUnreachable          no answer within the time allowed; the server may still have done it
    ├── UnexpectedAnswer           something answered that is not a Bonanza server
    ├── AskTimeout                 ``ask(timeout=…)`` ran out; also a TimeoutError
    ├── MissingExtra               a part of Bonanza that is not installed
    └── ProblemError               the server answered a problem (RFC 9457)
        ├── BadRequest             malformed, method-not-allowed, unsupported-media-type
        ├── Unauthorized           a key is needed, or it is wrong
        ├── Forbidden              the key may not do that
        ├── NotFound               no such study or trial
        ├── Conflict               the state does not allow it
        │   ├── StudyExistsDifferent
        │   ├── ResultConflict     this attempt has told another result
        │   ├── ProtocolMismatch   the value was measured under another protocol
        │   ├── DuplicateObservation
        │   ├── RequestInFlight    retried by the SDK; seen only when that took too long
        │   └── StaleRevision
        ├── TooLarge
        ├── Invalid                the request does not fit; ``errors`` point at the fields
        │   ├── InvalidSpace
        │   ├── InvalidStrategy
        │   ├── InvalidArchitecture
        │   ├── DamagedExport      no whole export of a study
        │   ├── UnknownToken
        │   └── IdempotencyKeyReused
        ├── TooSlow                retried by the SDK
        ├── TooManyRequests        retried by the SDK
        ├── Unavailable            retried by the SDK
        └── InternalError          the server failed

Every problem type of ``bonanza.problems`` has a class here; a type of a newer server is a plain ``ProblemError``. A problem is caught by
class, told apart further by ``slug``, and its message is fit for a person: the detail, then what is wrong where.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from bonanza.problems import PREFIX
from bonanza.schemas import FieldError, Problem


class BonanzaError(Exception):
    """Anything the SDK raises on purpose; the message says what to do next."""


class InvalidRequest(BonanzaError, ValueError):
    """The SDK refused to send it; nothing reached the server."""

    @classmethod
    def from_validation(cls, error: ValidationError) -> InvalidRequest:
        """What pydantic found, one clause a field."""
        return cls("; ".join(_clause(_pointer(found["loc"]), found["msg"]) for found in error.errors()))


class ServerUnreachable(BonanzaError):
    """No answer within the time allowed. A request that was sent may still have been done; sending it again under its key is safe."""


class UnexpectedAnswer(BonanzaError):
    """Something answered that is not a Bonanza server: another service, a proxy, a login page."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[object, ...]:
        return _unexpected, (str(self), self.status)  # args alone would not rebuild it in another process


class AskTimeout(BonanzaError, TimeoutError):
    """``ask(timeout=…)`` ran out while the study had nothing to give yet."""


class MissingExtra(BonanzaError):
    """A part of Bonanza that is not installed; the message has the command that installs it."""


class ProblemError(BonanzaError):
    """The server answered a problem; ``problem`` is the whole of it, members of its type in ``problem.model_extra``."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(_told(problem.detail, problem.errors or []))
        self.problem = problem

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.problem,)  # args hold the message, which would not rebuild it in another process

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def slug(self) -> str:
        """The type's name in ``bonanza.problems.PROBLEM_TYPES``."""
        return self.problem.type.removeprefix(PREFIX)

    @property
    def detail(self) -> str:
        """What happened this time."""
        return self.problem.detail

    @property
    def errors(self) -> Sequence[FieldError]:
        """What is wrong with which field."""
        return self.problem.errors or []


class BadRequest(ProblemError):
    """The server could not make sense of the request: SDK and server are of different versions, or a proxy meddles."""


class Unauthorized(ProblemError):
    """A key is needed, or it is wrong: ``Client(key=…)`` or ``BONANZA_KEY``."""


class Forbidden(ProblemError):
    """The key may not do that."""


class NotFound(ProblemError):
    """There is no such study or trial."""


class Conflict(ProblemError):
    """The state of the study or trial does not allow it."""


class StudyExistsDifferent(Conflict):
    """A study of that name exists and differs; the problem names the fields."""


class ResultConflict(Conflict):
    """This attempt has told another result; the problem holds both values."""


class ProtocolMismatch(Conflict):
    """The value was measured under another protocol than the study's; the problem holds both hashes."""


class DuplicateObservation(Conflict):
    """The study already has one of the cells, and ``on_duplicate="error"`` was asked for."""


class RequestInFlight(Conflict):
    """The same request is still being worked on, for longer than the SDK was willing to wait."""


class StaleRevision(Conflict):
    """The study has changed since it was read: ``refresh()`` it and look again."""


class TooLarge(ProblemError):
    """The body is over the server's limit."""


class Invalid(ProblemError):
    """The request does not fit; ``errors`` point at the fields."""


class InvalidSpace(Invalid):
    """The search space is not valid."""


class InvalidStrategy(Invalid):
    """The strategy is not valid."""


class InvalidArchitecture(Invalid):
    """The server found an architecture that is not of the study's space (``bonanza.spaces`` raises its own class of that name)."""


class DamagedExport(Invalid):
    """The file is no whole export of a study; the message says which line is wrong. Nothing was imported."""


class UnknownToken(Invalid):
    """The lease token is of no attempt at this trial."""


class IdempotencyKeyReused(Invalid):
    """The key was used for another request."""


class TooSlow(ProblemError):
    """What was sent did not arrive in time, for longer than the SDK was willing to try."""


class TooManyRequests(ProblemError):
    """The server asks for fewer requests, for longer than the SDK was willing to wait."""


class Unavailable(ProblemError):
    """The server cannot do that now, for longer than the SDK was willing to wait."""


class InternalError(ProblemError):
    """The server failed; its log has the request id."""


CLASSES: Final[dict[str, type[ProblemError]]] = {
    "malformed": BadRequest,
    "unauthorized": Unauthorized,
    "forbidden": Forbidden,
    "not-found": NotFound,
    "method-not-allowed": BadRequest,
    "too-slow": TooSlow,
    "conflict": Conflict,
    "study-exists-different": StudyExistsDifferent,
    "result-conflict": ResultConflict,
    "protocol-mismatch": ProtocolMismatch,
    "duplicate-observation": DuplicateObservation,
    "request-in-flight": RequestInFlight,
    "stale-revision": StaleRevision,
    "too-large": TooLarge,
    "unsupported-media-type": BadRequest,
    "invalid": Invalid,
    "invalid-space": InvalidSpace,
    "invalid-strategy": InvalidStrategy,
    "invalid-architecture": InvalidArchitecture,
    "damaged-export": DamagedExport,
    "unknown-token": UnknownToken,
    "idempotency-key-reused": IdempotencyKeyReused,
    "if-match-required": BadRequest,
    "too-many-requests": TooManyRequests,
    "internal": InternalError,
    "unavailable": Unavailable,
}
"""By slug; a test holds it equal to the keys of ``PROBLEM_TYPES``."""


def from_problem(problem: Problem) -> ProblemError:
    """The error of a problem's type; ``ProblemError`` itself for a type this version does not know."""
    return CLASSES.get(problem.type.removeprefix(PREFIX), ProblemError)(problem)


def _unexpected(message: str, status: int) -> UnexpectedAnswer:
    return UnexpectedAnswer(message, status=status)


def _pointer(loc: Sequence[str | int]) -> str:
    return "".join(f"/{part}" for part in loc)


def _told(detail: str, errors: Sequence[FieldError]) -> str:
    """The detail, then what is wrong where; what the detail quotes already is not said again."""
    quoted = [e.pointer for e in errors if e.message in detail and e.pointer not in detail]
    rest = [_clause(e.pointer, e.message) for e in errors if e.message not in detail]
    where = f" (at {', '.join(quoted)})" if quoted else ""
    return ": ".join(filter(None, [detail + where, "; ".join(rest)]))


def _clause(pointer: str, message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"{message} (at {pointer})" if pointer else message
