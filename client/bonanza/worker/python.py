"""Your own function as an evaluator: ``python:MODULE:FUNCTION``.

::

    def accuracy(architecture, trial):  # trial may be left out
        for epoch in range(10):
            trial.report(epoch, accuracy=...)  # optional; raises Stopped when the server wants the training to end
        return 93.1  # or {"value": 93.1, "metrics": {...}, "cost": {...}}, or a Result

``architecture`` is a ``bonanza.spaces.Architecture`` (``.json`` is its JSON form), ``trial`` a ``TrialContext``. The module is found in
the folder the worker was started in, as ``python -m`` would. A function that can stop in time to leave a checkpoint sets
``accuracy.grace_s`` to the seconds it needs. A class that is an evaluator itself (``evaluator.Evaluator``) is made without arguments.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bonanza.spaces import Architecture, SearchSpace
from bonanza.worker.evaluator import BrokenEvaluator, Evaluator, TrialContext, measuring
from bonanza.worker.result import Result

FORM = "write python:MODULE:FUNCTION, for example python:train:accuracy for the function accuracy in train.py"


def python_evaluator(name: str) -> Evaluator:
    """The evaluator that is the class ``MODULE:CLASS``, or that calls the function ``MODULE:FUNCTION``.

    Raises:
        BrokenEvaluator: there is neither, or the class cannot be made.
    """
    module_name, colon, path = name.partition(":")
    if colon and module_name and path:
        found = _find(module_name, path)
        if isinstance(found, type) and hasattr(found, "evaluate"):
            try:
                made = found()
            except BrokenEvaluator:
                raise
            except Exception as error:  # a class of the user's may raise anything
                raise BrokenEvaluator(f"{name} cannot be made: {type(error).__name__}: {error}") from error
            return measuring(made, name)
    return PythonEvaluator(name)


class PythonEvaluator:
    """Calls a function."""

    def __init__(self, name: str) -> None:
        """Import ``MODULE:FUNCTION``.

        Raises:
            BrokenEvaluator: the module does not import, or has no such function.
        """
        module_name, colon, path = name.partition(":")
        if not colon or not module_name or not path:
            raise BrokenEvaluator(f"{name!r} names no function: {FORM}")
        self.function = _find(module_name, path)
        self.wants_trial = _positional(self.function, name) > 1
        self.grace_s = float(getattr(self.function, "grace_s", 0.0))

    def check(self, space: SearchSpace) -> None:
        """Nothing: only the function knows which spaces it takes."""

    def evaluate(self, architecture: Architecture, trial: TrialContext) -> Result:
        """What the function returns, as a result."""
        returned = self.function(architecture, trial) if self.wants_trial else self.function(architecture)
        return Result.of(returned)


def _find(module_name: str, path: str) -> Callable[..., Any]:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # a console script's path has its own folder first, not the one it was started in
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise BrokenEvaluator(f"there is no module {error.name!r} in {here} or installed: {FORM}") from error
        raise BrokenEvaluator(
            f"{module_name} needs {error.name}, which is not installed here: pip install it"
        ) from error
    except Exception as error:  # a module of the user's may raise anything while it is imported
        raise BrokenEvaluator(f"importing {module_name} failed: {type(error).__name__}: {error}") from error
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise BrokenEvaluator(f"the module {module_name} has no function {path!r}: {FORM}")
    return found  # type: ignore[no-any-return]


def _positional(function: Callable[..., Any], name: str) -> int:
    """How many arguments the function takes by position; 2 where it does not say (a C function)."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 2
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 2
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    required = [p for p in positional if p.default is p.empty]
    if not positional or len(required) > 2:
        raise BrokenEvaluator(
            f"{name} must take (architecture) or (architecture, trial), and takes {inspect.signature(function)}"
        )
    return len(positional)
