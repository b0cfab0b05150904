"""What measures an architecture: the protocol every evaluator fulfils, what it is given and what it returns.

An evaluator is named by a text, ``KIND:REST``, which is how the command line and the evaluator's process agree on one::

    tabular:nasbench201/cifar10     a table that was measured before (``tabular.py``)
    tabular:FILE                    a table of your own, JSON lines (``tablefile.py``)
    train:digits                    a real training (``train_evaluator.py``), on other data too (``data/``)
    python:MODULE:FUNCTION          your function (``python.py``)
    command:PROGRAM ARGS...         your program, in any language (``command.py``)
    MODULE:CLASS                    your evaluator, a class made without arguments (``python.py``)
    NAME or NAME:REST               that of an installed distribution: what its entry point in the group ``bonanza.evaluators`` makes
                                    when it is called with REST
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from bonanza import extensions
from bonanza.schemas.trial import Directive
from bonanza.spaces import Architecture, SearchSpace
from bonanza.worker.result import Result

KINDS = "tabular:nasbench201/cifar10, tabular:FILE, train:digits, python:MODULE:FUNCTION, MODULE:CLASS or command:PROGRAM ARGS..."


OURS = ("tabular", "train", "python", "command")


class BrokenEvaluator(Exception):
    """The evaluator cannot work as it was asked for: no architecture would do better. The message says what to do; the worker stops."""


class Stopped(Exception):
    """The server wants this attempt to end: raised by ``TrialContext.report``, obeyed by letting it pass.

    An evaluator that can resume later catches it, writes a checkpoint and raises it again with ``checkpoint`` set.
    """

    def __init__(self, directive: Directive, *, checkpoint: str | None = None) -> None:
        super().__init__(f"the server said {directive}")
        self.directive = directive
        self.checkpoint = checkpoint


class Link(Protocol):
    """The way from an evaluator to the server."""

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Pass on the metrics at one step of the training."""

    def directive(self) -> Directive:
        """What the server said last; ``continue`` if nothing."""


class Offline:
    """A link to nowhere, for an evaluator called by hand."""

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Nothing."""

    def directive(self) -> Directive:
        """Always ``continue``."""
        return "continue"


@dataclass(frozen=True)
class TrialContext:
    """What an evaluator knows of the trial besides the architecture."""

    number: int = 0
    seed: int = 0
    study: str = ""
    checkpoint: str | None = None
    protocol: Mapping[str, Any] | None = None
    """The trial's own, where it is not to be trained as the study's says."""
    link: Link = field(default_factory=Offline, repr=False, compare=False)

    def report(self, step: int, **metrics: float) -> None:
        """Tell the server how it goes at ``step``, without waiting for it.

        Raises:
            Stopped: the server has said to stop. What it says to this very report arrives with a later one.
        """
        self.link.report(step, metrics)
        self.check()

    def check(self) -> None:
        """Nothing, while the training may go on.

        Raises:
            Stopped: the server has said to stop.
        """
        directive = self.link.directive()
        if directive != "continue":
            raise Stopped(directive)


class Evaluator(Protocol):
    """Measures architectures, one at a time, in the evaluator's process."""

    @property
    def grace_s(self) -> float:
        """Seconds a measurement may take to end when the worker is told to exit, to leave a checkpoint; 0: it is ended at once."""

    def check(self, space: SearchSpace) -> None:
        """Whether every architecture of the space can be measured, found out before the first is asked for.

        Raises:
            BrokenEvaluator: it cannot.
        """

    def evaluate(self, architecture: Architecture, trial: TrialContext) -> Result:
        """One measurement, with ``trial.seed``. Whatever it raises becomes a failure of the trial, not of the worker."""


def evaluator_from_text(text: str, *, protocol: Mapping[str, Any] | None = None) -> Evaluator:
    """The evaluator a text names; see the module's docstring.

    Args:
        text: ``KIND:REST``.
        protocol: the study's training protocol, which the ``train`` evaluator obeys.

    Raises:
        BrokenEvaluator: no such kind, or what the evaluator needs is missing; the message names it.
    """
    kind, colon, rest = text.partition(":")
    if kind in extensions.installed("evaluators") and kind not in OURS:
        return _offered(kind, rest)
    if not colon or not rest.strip():
        raise BrokenEvaluator(f"{text!r} names no evaluator: write {KINDS}")
    # Each kind is imported here, not above: torch takes two seconds and is not installed where only tables are read.
    if kind == "tabular":
        if rest.startswith("nasbench201/") or rest == "nasbench201":
            from bonanza.worker.tabular import NasBench201Evaluator

            return NasBench201Evaluator(rest.partition("/")[2])
        from bonanza.worker.tablefile import TableFileEvaluator

        return TableFileEvaluator(rest)
    if kind == "python":
        from bonanza.worker.python import python_evaluator

        return python_evaluator(rest)
    if kind == "command":
        from bonanza.worker.command import CommandEvaluator

        return CommandEvaluator(rest)
    if kind == "train":
        try:
            from bonanza.worker.train_evaluator import TrainEvaluator
        except ModuleNotFoundError as error:
            raise BrokenEvaluator(
                f"{text} needs {error.name}, which is not installed: pip install 'bonanza[worker]'"
            ) from error
        return TrainEvaluator(rest, protocol=protocol)
    if rest.isidentifier() and _is_module(kind):
        from bonanza.worker.python import python_evaluator

        return python_evaluator(text)
    others = ", ".join(extensions.installed("evaluators"))
    raise BrokenEvaluator(
        f"there is no evaluator of kind {kind!r}: write {KINDS}" + (f"; also installed: {others}" if others else "")
    )


def _offered(kind: str, rest: str) -> Evaluator:
    """What an installed distribution makes of ``rest``."""
    try:
        make = extensions.find("evaluators", kind)
        found = make(rest) if rest else make()  # type: ignore[misc] # None has been ruled out
    except extensions.ExtensionFailed as error:
        raise BrokenEvaluator(str(error)) from error
    except BrokenEvaluator:
        raise
    except Exception as error:  # somebody else's may raise anything
        raise BrokenEvaluator(
            f"the evaluator {kind} cannot be made of {rest!r}: {type(error).__name__}: {error}"
        ) from error
    return measuring(found, kind)


def measuring(found: Any, name: str) -> Evaluator:
    """``found``, if it is an evaluator.

    Raises:
        BrokenEvaluator: it is none; the message says what it lacks.
    """
    lacks = [member for member in ("grace_s", "check", "evaluate") if not hasattr(found, member)]
    if lacks:
        raise BrokenEvaluator(
            f"{name} is no evaluator: it lacks {' and '.join(lacks)} (see bonanza.worker.evaluator.Evaluator)"
        )
    return found  # type: ignore[no-any-return]


def _is_module(name: str) -> bool:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # where the worker was started, as for ``python:``
    top = name.partition(".")[0]
    return top.isidentifier() and find_spec(top) is not None
