"""What is known of cells without training them, on its way from the tables to a fit: a line of JSON for each cell, in the order of their ids.

One value of bytes rather than objects, because whoever sends a fit to another process pickles it in one go: of fifty thousand cells the objects would hold an
event loop for a second, and these bytes do for a moment. What a fit has read is told by their digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

KnownCell = tuple[str, dict[str, Any], dict[str, float]]
"""(canonical id, architecture's JSON, values by feature)."""


def encoded(cells: Iterable[KnownCell]) -> bytes:
    """The lines of ``cells``, whose ids are distinct, in any order."""
    lines = sorted((cell[0], json.dumps(cell).encode()) for cell in cells)
    return b"\n".join(line for _, line in lines)


def decoded(lines: bytes) -> list[KnownCell]:
    """The cells, in the order of their ids."""
    return [(arch_id, architecture, known) for arch_id, architecture, known in map(json.loads, lines.splitlines())]
