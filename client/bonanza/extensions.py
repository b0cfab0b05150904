"""What others add to Bonanza: strategies, surrogates, spaces and evaluators of their own, found by name.

A distribution that is installed offers them as entry points, and is trusted as any code that is installed::

    [project.entry-points."bonanza.strategies"]
    nearest = "mylab.nearest:Nearest"

Without one, ``mylab.nearest:Nearest`` is itself a name (``MODULE:NAME``). Names come over the network too, in a study's body or from a
server that a worker trusts with no more than its questions, and to import a module is to run it: so it is done only for modules that
the environment variable ``BONANZA_MODULES`` lists, by commas; a package allows all that is in it. The environment, because the
processes that fit, evaluate and bench inherit it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Group = Literal["strategies", "surrogates", "spaces", "evaluators"]

VARIABLE = "BONANZA_MODULES"


class ExtensionFailed(LookupError):
    """The name is of something that cannot be used; the message says what to do."""


def installed(group: Group) -> tuple[str, ...]:
    """The names that installed distributions offer, sorted."""
    return tuple(sorted(_offered(group, tuple(sys.path))))


def find(group: Group, name: str) -> Any | None:
    """What has that name; None where nothing has. Loads its module.

    Raises:
        ExtensionFailed: Two distributions offer it, its module must not or cannot be imported, or has no such member.
    """
    offers = _offered(group, tuple(sys.path)).get(name)
    if offers is None:
        return _named(name) if ":" in name else None
    if len(offers) > 1:
        who = " and ".join(f"{offer.dist.name if offer.dist else 'something'} ({offer.value})" for offer in offers)
        raise ExtensionFailed(f"{name!r} is offered by {who}: uninstall one of them")
    try:
        return offers[0].load()
    except Exception as error:  # a module of somebody else's may raise anything while it is imported
        raise ExtensionFailed(
            f"{name!r} is {offers[0].value} and does not load: {type(error).__name__}: {error}"
        ) from error


def allow(modules: Iterable[str]) -> None:
    """Let names of these modules be imported, by this process and by those it starts."""
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*_allowed(), *modules]))


def _allowed() -> list[str]:
    return [module.strip() for module in os.environ.get(VARIABLE, "").split(",") if module.strip()]


@lru_cache(maxsize=16)
def _offered(group: Group, _path: tuple[str, ...]) -> Mapping[str, tuple[EntryPoint, ...]]:
    """By name. Reading what is installed takes some ten milliseconds, so it is done once for each ``sys.path``."""
    from importlib.metadata import entry_points  # a tenth of what importing bonanza takes, for what few processes need

    offers: dict[str, tuple[EntryPoint, ...]] = {}
    for offer in entry_points(group=f"bonanza.{group}"):
        if all(offer.value != other.value for other in offers.get(offer.name, ())):
            offers[offer.name] = (*offers.get(offer.name, ()), offer)
    return offers


def _named(name: str) -> Any:
    """The member ``NAME`` of an allowed module."""
    module, _, member = name.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), member]):
        raise ExtensionFailed(f"{name[:200]!r} names nothing: write MODULE:NAME, for example mylab.nearest:Nearest")
    if not any(module == one or module.startswith(f"{one}.") for one in _allowed()):
        raise ExtensionFailed(
            f"{name!r} is in a module that may not be imported here: set {VARIABLE}={module} for the process that is to use it, "
            "if you trust whoever sends such names, or install it as an entry point"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # a console script's path has its own folder first, not the one it was started in
    try:
        return getattr(importlib.import_module(module), member)
    except AttributeError as error:
        raise ExtensionFailed(f"the module {module} has no {member!r}") from error
    except Exception as error:  # as above
        raise ExtensionFailed(f"importing {module} from {here} failed: {type(error).__name__}: {error}") from error
