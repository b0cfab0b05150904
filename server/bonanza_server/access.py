"""Who asks, and what a caller may: scopes, projects, and what each operation needs.

An operation declares its scopes where it is declared, ``openapi_extra=needs("write")``: the OpenAPI document shows them, and the route holds every caller
to them (``body.GuardedRoute``), so what is written down is what is done. The gate says who the caller is before the application sees a request.

A caller is of one project, and sees its studies, workers and keys alone. Who it is goes with the context of the request, into the threads of the
database too; work that no request asked for names its project.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from bonanza.schemas.key import Scope
from bonanza_server.errors import Refused

DEFAULT_PROJECT: Final = "default"
SCHEME: Final = "key"
"""The name of the one security scheme in the OpenAPI document."""

INCLUDES: Final[dict[Scope, frozenset[Scope]]] = {
    "read": frozenset({"read"}),
    "ask": frozenset({"ask"}),
    "write": frozenset({"read", "ask", "write"}),
    "admin": frozenset({"read", "ask", "write", "admin"}),
}
"""What each scope of a key allows. A worker needs ``ask`` alone, and may then see the study it works at, not what others measured."""
SCOPES: Final[tuple[Scope, ...]] = tuple(INCLUDES)


@dataclass(frozen=True)
class Caller:
    """Somebody who asks: of which project, with which scopes, bound to one study or not, under which key."""

    project: str
    scopes: frozenset[Scope]
    key: str | None = None
    study: str | None = None
    every_project: bool = False
    """Whether it may make keys of other projects: whoever has the machine may, whoever has a key of a project may not."""


LOCAL: Final = Caller(DEFAULT_PROJECT, INCLUDES["admin"], every_project=True)
"""Whoever reaches a server without keys, which listens to this machine alone."""
NOBODY: Final = Caller(DEFAULT_PROJECT, frozenset())
"""Whoever asks what needs no key."""

_caller: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """Who asks. ``LookupError`` where no request is being answered: a default would be somebody's project."""
    return _caller.get()


def project() -> str:
    """The caller's project."""
    return _caller.get().project


@contextmanager
def acting(who: Caller) -> Iterator[None]:
    """Answer to ``who`` in the body."""
    token = _caller.set(who)
    try:
        yield
    finally:
        _caller.reset(token)


def in_project(name: str) -> Caller:
    """The server itself, at work in a project."""
    return Caller(name, frozenset())


def place(of: str, study: str) -> str:
    """What a study is called among those of all projects; no name has a slash in it."""
    return study if of == DEFAULT_PROJECT else f"{of}/{study}"


def place_of(study: Mapping[str, Any]) -> str:
    """``place`` of a row of studies."""
    return place(study["project"], study["name"])


def my_place(study: str) -> str:
    """``place`` of a study of the caller's."""
    return place(_caller.get().project, study)


def visible(projects: sa.ColumnElement[str], names: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """The condition on rows that the caller may see: of its project, and if it is bound to a study, of that one."""
    who = _caller.get()
    mine = projects == who.project
    return mine if who.study is None else sa.and_(mine, names == who.study)


def needs(*scopes: Scope) -> dict[str, Any]:
    """The ``openapi_extra`` of an operation that any one of ``scopes`` opens; of an operation that needs no key, without any."""
    return {"security": [*({SCHEME: [scope]} for scope in scopes), {}] if scopes else []}


def declared(openapi_extra: Mapping[str, Any] | None, operation: str) -> frozenset[Scope]:
    """The scopes that ``needs`` was given; empty where no key is needed.

    Raises:
        TypeError: the operation does not say.
    """
    security = (openapi_extra or {}).get("security")
    if security is None:
        raise TypeError(
            f"{operation} declares no scope: give it openapi_extra=needs(…), or needs() if it is for anybody"
        )
    return frozenset(scope for requirement in security for scope in requirement.get(SCHEME, ()))


def admit(scopes: frozenset[Scope], study: str | None) -> None:
    """Let the caller do what needs one of ``scopes``, to ``study`` if it is about one.

    Raises:
        Refused: its key does not allow that; the detail has the command that makes one that does.
    """
    who = _caller.get()
    if not scopes & who.scopes:
        has = ", ".join(scope for scope in SCOPES if scope in who.scopes) or "none"
        least = next(scope for scope in SCOPES if scope in scopes)
        raise Refused(
            "forbidden",
            f"this needs a key with the scope {' or '.join(scope for scope in SCOPES if scope in scopes)}, and this one has {has}: "
            f"bonanza key create NAME --scope {least} makes one, on the server's machine",
        )
    if who.study is not None and study is not None and study != who.study:
        raise Refused(
            "forbidden", f"this key is for the study {who.study!r} alone: use one for {study!r}, or for all studies"
        )
