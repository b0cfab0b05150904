"""What the daemon and the evaluator's process say to each other over their socket, one pickled value at a time.

::

    daemon      Setup ─────────────▶ evaluator        once
                ◀──────── Ready or Broken
                Job ───────────────▶                  once a trial
                Directive ─────────▶                  when the server says so
                ◀──────────────── Report              as the training goes
                ◀───── Done or Yielded                once a trial
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bonanza.schemas.trial import Directive
from bonanza.worker.result import Result


@dataclass(frozen=True)
class Setup:
    """Which evaluator to be, for which space; ``protocol`` is the study's, where it has one."""

    evaluator: str
    space: Mapping[str, Any]
    study: str
    protocol: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Job:
    """A trial to measure; ``architecture`` is its JSON form. ``protocol``: it is trained by this one, and not by the study's."""

    number: int
    architecture: Mapping[str, Any]
    seed: int
    checkpoint: str | None = None
    protocol: Mapping[str, Any] | None = None
    traceparent: str | None = None


@dataclass(frozen=True)
class Directed:
    """What the server wants of the trial now."""

    directive: Directive


@dataclass(frozen=True)
class Ready:
    """The evaluator can measure every architecture of the space."""

    grace_s: float


@dataclass(frozen=True)
class Broken:
    """The evaluator cannot work; the message says what to do."""

    message: str


@dataclass(frozen=True)
class Report:
    """Metrics at one step of a trial's training."""

    number: int
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Done:
    """The measurement is over; the result is tellable. ``spoiled``: the process is not fit for another."""

    result: Result
    spoiled: bool = False


@dataclass(frozen=True)
class Yielded:
    """The measurement was stopped as directed; the checkpoint is what a later attempt can resume from."""

    directive: Directive
    checkpoint: str | None = None


FromEvaluator = Ready | Broken | Report | Done | Yielded
ToEvaluator = Setup | Job | Directed
