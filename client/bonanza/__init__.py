"""Bonanza: ask what to train next, tell the accuracy.

::

    import bonanza

    with bonanza.Client("http://127.0.0.1:8423") as client:
        study = client.create_study("first", space={"kind": "nasbench201"}, budget={"max_trials": 100})
        for trial in study:
            trial.tell(train(trial.architecture, seed=trial.seed))
        print(study.best()[0].architecture)

The search spaces are in ``bonanza.spaces``, the bodies of the HTTP API in ``bonanza.schemas``.
"""

from bonanza.client import Client
from bonanza.errors import (
    AskTimeout,
    BadRequest,
    BonanzaError,
    Conflict,
    DamagedExport,
    DuplicateObservation,
    Forbidden,
    IdempotencyKeyReused,
    InternalError,
    Invalid,
    InvalidArchitecture,
    InvalidRequest,
    InvalidSpace,
    InvalidStrategy,
    MissingExtra,
    NotFound,
    ProblemError,
    ProtocolMismatch,
    RequestInFlight,
    ResultConflict,
    ServerUnreachable,
    StaleRevision,
    StudyExistsDifferent,
    TooLarge,
    TooManyRequests,
    TooSlow,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    UnknownToken,
)
from bonanza.outbox import Flushed
from bonanza.study import Study
from bonanza.trial import Trial
from bonanza.version import __version__

__all__ = [
    "AskTimeout",
    "BadRequest",
    "BonanzaError",
    "Client",
    "Conflict",
    "DamagedExport",
    "DuplicateObservation",
    "Flushed",
    "Forbidden",
    "IdempotencyKeyReused",
    "InternalError",
    "Invalid",
    "InvalidArchitecture",
    "InvalidRequest",
    "InvalidSpace",
    "InvalidStrategy",
    "MissingExtra",
    "NotFound",
    "ProblemError",
    "ProtocolMismatch",
    "RequestInFlight",
    "ResultConflict",
    "ServerUnreachable",
    "StaleRevision",
    "Study",
    "StudyExistsDifferent",
    "TooLarge",
    "TooManyRequests",
    "TooSlow",
    "Trial",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "UnknownToken",
    "__version__",
]
