"""Every distinct cell of a space small enough to be listed, in one encoding: what an acquisition function is read off where it need not be optimised.

The first spelling of a network in the order of the space stands for it. A listing takes some 0.2 ms a cell, once a process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from bonanza.spaces import Architecture, SearchSpace
from bonanza_server.search.encodings import Encoder, Rows

LARGEST_SPACE = 32_000
"""Spellings of a space that is listed."""


@dataclass(frozen=True)
class Listing:
    """The distinct networks, their ids and their rows."""

    architectures: tuple[Architecture, ...]
    arch_ids: tuple[str, ...]
    rows: Rows


def is_listed(space: SearchSpace) -> bool:
    """Whether ``space`` is small enough."""
    return space.size is not None and space.size <= LARGEST_SPACE


@lru_cache(maxsize=2)
def listing_of(space: SearchSpace, encoder: Encoder) -> Listing:
    """The listing of ``space``, which must be small enough; kept for the last two."""
    first: dict[str, Architecture] = {}
    for architecture in space.enumerate():
        first.setdefault(architecture.arch_id, architecture)
    return Listing(tuple(first.values()), tuple(first), encoder.encode(list(first.values())))
