"""A study's trials sorted into what a report speaks of: phases, cells, protocols."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from bonanza.worker.protocols import protocol_hash
from bonanza_server.evaluation.material import Material, Row
from bonanza_server.lifecycle.posterior import Cell, Posterior, recommended

RANDOM = frozenset({"baseline", "initial"})
"""The origins of cells that were drawn at random from the space."""


class Groups:
    """The completed trials of a study that count."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.study = material.study
        self.maximize = self.study["objectives"][0]["direction"] == "maximize"
        self.done = [row for row in material.trials if row["state"] == "complete" and not row["invalidated"]]
        self.own = [row for row in self.done if row["protocol"] is None]
        """Those by the study's protocol."""

    @cached_property
    def random(self) -> list[float]:
        """Values of cells drawn at random: the baseline's, and the initial design's, which were drawn and trained in the same way."""
        return [row["value"] for row in self.own if row["origin"] in RANDOM]

    @cached_property
    def baseline(self) -> list[float]:
        """Values of the baseline phase alone."""
        return [row["value"] for row in self.own if row["phase"] == "baseline"]

    @cached_property
    def cells(self) -> list[Cell]:
        """The measured cells, each by its first trial."""
        found: dict[str, tuple[int, list[float], tuple[float, float] | None]] = {}
        for row in self.own:
            predicted = None if row["mean"] is None or row["std"] is None else (row["mean"], row["std"])
            found.setdefault(row["arch_id"], (row["number"], [], predicted))[1].extend(values_of(row))
        return [Cell(number, tuple(values), predicted) for number, values, predicted in found.values()]

    @cached_property
    def confirmed(self) -> dict[str, list[float]]:
        """The values of the confirmation by cell."""
        found: defaultdict[str, list[float]] = defaultdict(list)
        for row in self.own:
            if row["phase"] == "confirm":
                found[row["arch_id"]].append(row["value"])
        return dict(found)

    @cached_property
    def recommended(self) -> tuple[Row, Posterior] | None:
        """The confirmed cell of the best posterior, of all cells where none was confirmed; by its first trial."""
        rows = {row["number"]: row for row in self.own}
        confirmed = {cell.number for cell in self.cells if rows[cell.number]["arch_id"] in self.confirmed}
        best = recommended(self.cells, confirmed, maximize=self.maximize)
        return None if best is None else (rows[best.number], best)

    @cached_property
    def protocols(self) -> dict[str | None, tuple[dict[str, Any] | None, list[Row]]]:
        """The completed trials by the hash of their protocol; the study's own first."""
        own = self.study["protocol"]
        found: dict[str | None, tuple[dict[str, Any] | None, list[Row]]] = {}
        if self.own:
            found[None if own is None else protocol_hash(own)] = (own, list(self.own))
        for row in self.done:
            if row["protocol"] is not None:
                found.setdefault(protocol_hash(row["protocol"]), (row["protocol"], []))[1].append(row)
        return found

    def seed_pairs(self) -> Iterator[tuple[float, float]]:
        """The first two values of every cell that was trained twice by the study's protocol."""
        for cell in self.cells:
            if len(cell.values) > 1:
                yield cell.values[0], cell.values[1]


def values_of(row: Row) -> list[float]:
    """A trial's value and its further measurements."""
    return [row["value"], *(measured["value"] for measured in row["measurements"] or ())]
