"""What the paths of a space's graphs are made of; encodings give every possible path a column."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST = 64
"""Labels on a path of a space of no known shape."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Sequences of ``shortest`` to ``longest`` labels out of ``ops``, met from the input to the output, both left out.

    Without ``ops`` the labels are open: any may occur.
    """

    ops: tuple[str, ...] = ()
    shortest: int = 0
    longest: int = LONGEST
