"""What is known of a table's architectures without training them: a file, as ``bonanza score`` writes it, told to our strategies."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path

from bonanza import known
from bonanza.spaces import SearchSpace
from bonanza_server.bench.errors import CannotBench
from bonanza_server.lifecycle.modelling import known_cells
from bonanza_server.search.known_cells import KnownCell, encoded


@dataclass(frozen=True)
class KnownCells:
    """``cells`` in the order of their ids; ``label`` names the file and tells its content from another's."""

    label: str
    cells: list[KnownCell]

    @cached_property
    def lines(self) -> bytes:
        """The cells as a fit is sent them."""
        return encoded(self.cells)


def read(path: Path, space: SearchSpace) -> KnownCells:
    """The features in a file, of the architectures that are of ``space``, a pool maybe; a later line goes before an earlier one.

    Raises:
        InvalidRequest: There is no such file, or a line is none of features.
        CannotBench: None is of an architecture of the space.
    """
    given = known.read(path, space, others=True)
    rows = [{"arch_id": cell.arch_id, "architecture": cell.json, "known": features} for cell, features in given]
    cells = list(known_cells(sorted(rows, key=itemgetter("arch_id"))))
    if not cells:
        raise CannotBench(f"{path} has features of no architecture of the table: bonanza score writes such a file")
    label = f"{path.name} ({len(cells):,} architectures, {zlib.crc32(path.read_bytes()):08x})"
    return KnownCells(label, cells)
