"""What is known of a table's architectures without training them: JSON lines, as ``bonanza score`` writes them, told to our strategies."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bonanza.spaces import InvalidArchitecture, SearchSpace
from bonanza_server.bench.errors import CannotBench

AT_ONCE = 5_000


@dataclass(frozen=True)
class KnownCells:
    """``cells`` as ``search.features.Known`` has them; ``label`` names the file and tells its content from another's."""

    label: str
    cells: list[tuple[str, dict[str, Any], dict[str, float]]]

    @property
    def batches(self) -> list[list[tuple[dict[str, Any], dict[str, float]]]]:
        """(architecture, features) of the cells, as a server is told them."""
        told = [(architecture, values) for _, architecture, values in self.cells]
        return [told[first : first + AT_ONCE] for first in range(0, len(told), AT_ONCE)]


def read(path: Path, space: SearchSpace) -> KnownCells:
    """The features in a file, of the architectures that are of ``space``; a later line goes before an earlier one.

    Raises:
        CannotBench: There is no such file, a line is none of features, or none is of an architecture of the space.
    """
    try:
        content = path.read_bytes()
        lines = content.decode().splitlines()
    except OSError as error:
        raise CannotBench(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise CannotBench(f"{path} is no UTF-8 text") from error
    known: dict[str, tuple[dict[str, Any], dict[str, float]]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            given = {str(name): float(value) for name, value in entry["features"].items()}
            cell = space.validate(entry["architecture"])
        except InvalidArchitecture:
            continue  # a pool has some of a space's architectures only
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CannotBench(
                f'{path}, line {number}: a line is {{"architecture": …, "features": {{"name": number}}}} ({type(error).__name__}: {error})'
            ) from error
        known.setdefault(cell.arch_id, (cell.json, {}))[1].update(given)
    if not known:
        raise CannotBench(f"{path} has features of no architecture of the table: bonanza score writes such a file")
    label = f"{path.name} ({len(known):,} architectures, {zlib.crc32(content):08x})"
    return KnownCells(label, [(arch_id, *known[arch_id]) for arch_id in sorted(known)])
