"""What comes out of one measurement: a value, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, get_args

from bonanza.schemas.trial import FailureKind, Outcome

LONGEST_LABEL: Final = 100
MOST_METRICS: Final = 200
LONGEST_REFERENCE: Final = 2_000
LONGEST_TEXT: Final = 10_000
"""The wire's limits (``bonanza.schemas.base``)."""

FIELDS: Final = ("value", "metrics", "cost", "seed", "outcome", "error", "checkpoint")


@dataclass(frozen=True)
class Failure:
    """Why a measurement came to nothing; the kind decides whether the trial is tried again (``infra`` is)."""

    kind: FailureKind
    message: str
    traceback_tail: str | None = None

    def __post_init__(self) -> None:
        """Make the texts sendable: a failure that cannot be told costs a lease, and says nothing."""
        object.__setattr__(self, "message", sendable_text(self.message, LONGEST_TEXT))
        if self.traceback_tail is not None:
            object.__setattr__(self, "traceback_tail", sendable_text(self.traceback_tail, LONGEST_TEXT))


@dataclass(frozen=True)
class Result:
    """What came out of one measurement.

    ``value`` is in the objective's unit (accuracies in percent) and needed for ``complete``; ``cost`` is what it took, by convention
    ``{"seconds": …}``; ``seed`` only where another than the trial's was used; ``checkpoint`` only where the attempt was stopped;
    ``protocol`` is the hash of how it was trained.
    """

    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    outcome: Outcome = "complete"
    error: Failure | None = None
    seed: int | None = None
    checkpoint: str | None = None
    protocol: str | None = None

    @classmethod
    def failed(cls, failure: Failure) -> Result:
        """A measurement that came to nothing."""
        return cls(outcome="failed", error=failure)

    @classmethod
    def of(cls, returned: object) -> Result:
        """What users return, as a result: a number, a mapping of the fields above, or a result.

        A mapping with an ``error`` (``{"kind": …, "message": …}``) is a failure unless it names another outcome.

        Raises:
            TypeError: it is none of these; the message says what to return.
        """
        if isinstance(returned, Result):
            return returned
        if not isinstance(returned, Mapping):
            return cls(_number(returned, "a result"))
        if unknown := sorted(str(name) for name in returned if name not in FIELDS):
            raise TypeError(f"a result has no {unknown[0]!r}; it has {', '.join(FIELDS)}")
        error = _failure(returned.get("error"))
        outcome: Any = returned.get("outcome") or ("complete" if error is None else "failed")
        if outcome not in get_args(Outcome):
            raise TypeError(f"an outcome is one of {', '.join(get_args(Outcome))}, and not {outcome!r:.100}")
        return cls(
            value=_number(returned.get("value"), "value"),
            metrics=_numbers(returned.get("metrics"), "metrics"),
            cost=_numbers(returned.get("cost"), "cost"),
            outcome=outcome,
            error=error,
            seed=_seed(returned.get("seed")),
            checkpoint=None if returned.get("checkpoint") is None else str(returned["checkpoint"]),
        )

    def tellable(self) -> Result:
        """This result as the server takes it.

        In plain Python numbers and texts, which every process can unpickle. Metrics and costs that the wire does not take are left out. JSON has no NaN: a completed measurement whose value is missing or not
        finite becomes a failure. Only ``complete`` and ``pruned`` carry a value, only ``failed`` and ``infeasible`` an error.
        """
        clean = replace(
            self,
            value=None,
            seed=None if self.seed is None else int(self.seed),
            metrics=sendable_metrics(self.metrics),
            cost=sendable_metrics(self.cost),
            checkpoint=sendable_checkpoint(self.checkpoint),
        )
        if self.outcome not in {"complete", "pruned"}:
            return replace(clean, error=None) if self.outcome == "cancelled" else clean
        if self.value is not None and math.isfinite(self.value):
            return replace(clean, value=float(self.value), error=None)
        if self.outcome == "pruned":
            return replace(clean, error=None)
        said = "nothing: it must return a value" if self.value is None else f"{self.value}, which is no number"
        kind: FailureKind = "code" if self.value is None else "nan"
        return replace(clean, outcome="failed", error=self.error or Failure(kind, f"the evaluator returned {said}"))


def _number(value: Any, what: str) -> float | None:
    """A float; numpy's and torch's scalars count as numbers, texts and truth values do not."""
    if value is None:
        return None
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        raise TypeError(f'{what} must be a number or an object like {{"value": 93.1}}, and is {value!r:.200}')
    return float(value)


def _numbers(value: Any, what: str) -> dict[str, float]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} must be an object of names and numbers, and is {value!r:.200}")
    named = ((str(name), _number(number, f"{what}[{name!r}]")) for name, number in value.items())
    return {name: number for name, number in named if number is not None}


def _seed(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53):
        return value
    raise TypeError(f"seed must be a whole number from 0 to 2**53 - 1, and is {value!r:.200}")


def _failure(value: Any) -> Failure | None:
    if value is None or isinstance(value, Failure):
        return value
    if isinstance(value, str):
        return Failure("code", value)
    if not isinstance(value, Mapping) or value.get("kind", "code") not in get_args(FailureKind):
        raise TypeError(
            f'error must be like {{"kind": "oom", "message": "…"}}, of a kind {", ".join(get_args(FailureKind))}, and is {value!r:.200}'
        )
    return Failure(value.get("kind", "code"), str(value.get("message", "")))


def sendable_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics as the wire takes them: what is not finite, and what is over the limit of 200, is left out, and long names are cut.

    A value that took hours to measure must not be refused for the name of a number beside it.
    """
    finite = ((name, float(number)) for name, number in metrics.items() if math.isfinite(number))
    named = {sendable_text(str(name), LONGEST_LABEL) or "unnamed": number for name, number in finite}
    return dict(islice(named.items(), MOST_METRICS))


def sendable_text(text: str, length: int) -> str:
    """The text without what no database keeps (NUL, lone surrogates), cut to ``length`` characters."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()[:length]


def sendable_checkpoint(checkpoint: object) -> str | None:
    """The reference, or None where the wire has no room for it: half a path resumes nothing."""
    if checkpoint is None:
        return None
    text = sendable_text(str(checkpoint), LONGEST_REFERENCE + 1)
    return text if len(text) <= LONGEST_REFERENCE else None
