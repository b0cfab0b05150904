"""The types of problem the API answers, by name. Server and SDK read the one list, so neither can invent a type.

A type is ``urn:bonanza:problem:<slug>``: stable, for programs. Title and status belong to the type; the detail is written where it happened.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PREFIX: Final = "urn:bonanza:problem:"


class ProblemType(NamedTuple):
    """One kind of problem."""

    status: int
    title: str


PROBLEM_TYPES: Final[dict[str, ProblemType]] = {
    "malformed": ProblemType(400, "The request could not be read"),
    "unauthorized": ProblemType(401, "A key is needed"),
    "forbidden": ProblemType(403, "This request is not allowed"),
    "not-found": ProblemType(404, "There is no such thing here"),
    "method-not-allowed": ProblemType(405, "This path does not do that"),
    "too-slow": ProblemType(408, "The request took too long to arrive"),
    "conflict": ProblemType(409, "The state does not allow that"),
    "study-exists-different": ProblemType(409, "A study of that name exists and differs"),
    "result-conflict": ProblemType(409, "This attempt has told another result"),
    "protocol-mismatch": ProblemType(409, "The value was measured under another protocol"),
    "duplicate-observation": ProblemType(409, "The study already has this cell"),
    "request-in-flight": ProblemType(409, "The same request is still being worked on"),
    "stale-revision": ProblemType(412, "The study has changed since you read it"),
    "too-large": ProblemType(413, "The body is too large"),
    "unsupported-media-type": ProblemType(415, "The body must be JSON"),
    "invalid": ProblemType(422, "The request does not fit the API"),
    "invalid-space": ProblemType(422, "The search space is not valid"),
    "invalid-strategy": ProblemType(422, "The strategy is not valid"),
    "invalid-architecture": ProblemType(422, "The architecture is not one of the study's space"),
    "damaged-export": ProblemType(422, "The file is no whole export of a study"),
    "unknown-token": ProblemType(422, "The lease token is of no attempt at this trial"),
    "idempotency-key-reused": ProblemType(422, "The Idempotency-Key was used for another request"),
    "if-match-required": ProblemType(428, "Say which revision you change"),
    "too-many-requests": ProblemType(429, "Too many requests"),
    "internal": ProblemType(500, "The server failed"),
    "unavailable": ProblemType(503, "The server cannot do that now"),
}
