"""Search spaces by their hash, parsed once a process: ask, tell and lists never load a large spec."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza.spaces import Architecture, InvalidArchitecture, SearchSpace, space_from_spec
from bonanza_server.errors import invalid
from bonanza_server.store.models import spaces

MOST_ENUMERATED = 200_000
"""Larger spaces are not listed to find their last unseen cells: 200 draws missed, so they are used up for every practical purpose."""


class Spaces:
    """The spaces in use."""

    def __init__(self) -> None:
        self._parsed: dict[str, SearchSpace] = {}
        self._every: dict[str, asyncio.Task[list[Architecture]]] = {}

    def get(self, connection: Connection, space_hash: str) -> SearchSpace:
        """The space of that hash."""
        space = self._parsed.get(space_hash)
        if space is None:
            spec = connection.execute(sa.select(spaces.c.spec).where(spaces.c.hash == space_hash)).scalar_one()
            space = self._parsed[space_hash] = space_from_spec(spec)
        return space

    def keep(self, space_hash: str, space: SearchSpace) -> None:
        """Take a space that was parsed to create its study, so that the first ask need not parse it inside a transaction."""
        self._parsed.setdefault(space_hash, space)

    async def enumerate(self, space_hash: str) -> list[Architecture]:
        """Every distinct cell of a parsed space, in a fixed order; listed once, on a thread of its own."""
        if space_hash not in self._every:
            self._every[space_hash] = asyncio.create_task(asyncio.to_thread(_distinct, self._parsed[space_hash]))
        return await asyncio.shield(self._every[space_hash])


def _distinct(space: SearchSpace) -> list[Architecture]:
    if space.size is None or space.size > MOST_ENUMERATED:
        return []
    first: dict[str, Architecture] = {}
    for architecture in space.enumerate():
        first.setdefault(architecture.arch_id, architecture)
    return list(first.values())


def parse(space: SearchSpace, value: object, pointer: str) -> Architecture:
    """An architecture of ``space`` from its wire form, which stands at ``pointer`` in the body.

    Raises:
        Refused: it is not one, with the field that is wrong.
    """
    try:
        return space.validate(value)
    except InvalidArchitecture as error:
        raise invalid("invalid-architecture", error, pointer) from error
