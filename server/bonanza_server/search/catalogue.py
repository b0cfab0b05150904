"""A space small enough to be listed: every distinct network of it, with its views, so that a model can score them all.

De-duplication is by canonical id, and the spelling that comes first stands for its network, whatever spelling was measured. Listing
takes some 0.4 ms an architecture, once a process; what is listed depends on the space only.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

import numpy as np

from bonanza.spaces import Architecture, SearchSpace
from bonanza_server.search.sparse import Rows, dense
from bonanza_server.search.views import views_of

LARGEST_SPACE = 32_000
"""Spellings of a space that is listed: NAS-Bench-201 (15,625) or a pool of 20,000 cells, but not NAS-Bench-101.

The variance of every cell is then computed, which is why there is no screening by the mean: listing would be the slower part.
"""

MOST_NUMBERS = 16_000_000
"""Entries of one view, 64 MB; the more networks, the fewer columns."""


@dataclass(frozen=True)
class Catalogue:
    """The distinct networks of a space, the row of each id, and their rows in those views that were asked for."""

    architectures: tuple[Architecture, ...]
    row: dict[str, int]
    views: dict[str, Rows] = field(default_factory=dict)

    def unseen(self, seen: frozenset[str]) -> list[int]:
        """The rows whose ids are not among those ``seen``, ascending."""
        out = {self.row[arch_id] for arch_id in seen if arch_id in self.row}
        return [row for row in range(len(self.architectures)) if row not in out]

    def rows(self, architectures: Sequence[Architecture], names: Sequence[str]) -> list[Rows]:
        """The views ``names`` of ``architectures``, all of this space."""
        if missing := [name for name in names if name not in self.views]:
            views = views_of(self.architectures[0].space)
            rows = zip(*(views.rows(architecture, missing) for architecture in self.architectures), strict=True)
            width = MOST_NUMBERS // len(self.architectures)
            self.views.update({name: dense(view, width=width) for name, view in zip(missing, rows, strict=True)})
        index = np.array([self.row[architecture.arch_id] for architecture in architectures], dtype=np.intp)
        return [self.views[name][index] for name in names]


def is_listed(space: SearchSpace) -> bool:
    """Whether ``space`` is small enough."""
    return space.size is not None and space.size <= LARGEST_SPACE


def catalogue_of(space: SearchSpace) -> Catalogue:
    """The catalogue of ``space``, which must be small enough. Kept for the last two spaces: 1 to 200 MB each."""
    return _catalogue_of(cast("Hashable", space))


@lru_cache(maxsize=2)
def _catalogue_of(space: SearchSpace) -> Catalogue:
    first: dict[str, Architecture] = {}
    for architecture in space.enumerate():
        first.setdefault(architecture.arch_id, architecture)
    return Catalogue(tuple(first.values()), {arch_id: row for row, arch_id in enumerate(first)})
