"""Strategies and surrogates of somebody else's, by name (``bonanza.extensions``), and what may be set of them.

A strategy is a class with the methods of ``strategy.Strategy``. The keyword arguments of its constructor are the options of its spec and
their defaults are the spec's, so all are JSON values; what they accept is for the constructor to say, with a ``ValueError``. Besides them
any spec may set ``n_initial``, whose default is the strategy's; below 1 it would never be asked. The class is made
wherever a spec is read, in the API process too: a module that needs numpy or torch imports them where it fits.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bonanza import extensions

if TYPE_CHECKING:
    from bonanza_server.search.strategy import Strategy

INITIAL = "n_initial"


class InvalidOwn(ValueError):
    """It cannot be used so. ``pointer`` is the JSON pointer of the member of the spec, ``message`` says what to do."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(pointer, message)
        self.pointer = pointer
        self.message = message


@dataclass(frozen=True)
class OwnStrategy:
    """A strategy of somebody else's with all its options, defaults filled in, ``n_initial`` among them."""

    strategy: Strategy
    options: Mapping[str, Any]

    @property
    def n_initial(self) -> int:
        """Trials of the initial design before it is asked."""
        return int(self.options[INITIAL])


def own_strategy(name: str, given: Mapping[str, Any]) -> OwnStrategy | None:
    """The strategy of that name with these options; None where nothing has the name.

    Raises:
        InvalidOwn: It cannot be loaded, is no strategy, or has no such options.
    """
    found = _found("strategies", name, ("fit", "propose"))
    if found is None:
        return None
    known = {
        parameter.name: parameter.default
        for parameter in inspect.signature(found).parameters.values()
        if parameter.kind in {parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD}
    }
    for option in given:
        if option not in known and option != INITIAL:
            pointer = "/" + str(option).replace("~", "~0").replace("/", "~1")
            raise InvalidOwn(pointer, f"{name} has no such option; it may set {', '.join({**known, INITIAL: None})}")
    options = {option: given.get(option, default) for option, default in known.items()}
    for option, value in options.items():
        if value is inspect.Parameter.empty:
            raise InvalidOwn(f"/{option}", f"is missing; {name} needs it")
    try:
        strategy = found(**options)
        json.dumps(options, allow_nan=False)
        options = {**options, INITIAL: given.get(INITIAL, strategy.n_initial)}
    except Exception as error:  # somebody else's constructor may raise anything
        raise InvalidOwn("", f"{name} cannot be made with {options}: {type(error).__name__}: {error}") from error
    initial = options[INITIAL]
    if not isinstance(initial, int) or isinstance(initial, bool) or not 1 <= initial <= 10_000:
        raise InvalidOwn(f"/{INITIAL}", f"must be an integer from 1 to 10000, and is {initial!r} of {name}")
    return OwnStrategy(strategy, options)


def own_surrogate(name: str) -> Any | None:
    """The surrogate (``surrogate.Surrogate``) of that name, made without arguments; None where nothing has the name.

    Raises:
        InvalidOwn: It cannot be loaded or made, or is no surrogate.
    """
    found = _found("surrogates", name, ("fit",))
    if found is None:
        return None
    try:
        return found()
    except Exception as error:  # as above
        raise InvalidOwn("", f"{name} cannot be made: {type(error).__name__}: {error}") from error


def _found(group: extensions.Group, name: str, methods: tuple[str, ...]) -> Any | None:
    try:
        found = extensions.find(group, name)
    except extensions.ExtensionFailed as error:
        raise InvalidOwn("", str(error)) from error
    if found is None:
        return None
    lacks = [method for method in methods if not callable(getattr(found, method, None))]
    if not isinstance(found, type) or lacks:
        what = f"has no {' and no '.join(lacks)}" if lacks else "is no class"
        raise InvalidOwn("", f"{name!r} is no class of {group}: {found!r} {what}")
    return found
