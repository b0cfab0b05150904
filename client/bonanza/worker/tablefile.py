"""A table of your own: one JSON object a line.

::

    {"architecture": {"edges": ["nor_conv_3x3", …]}, "value": 91.2, "cost": {"seconds": 812.5}}
    {"architecture": "|nor_conv_3x3~0|+…", "values": [91.2, 91.4, 90.9], "metrics": {"params": 1073466}}

``architecture`` is whatever the study's space takes, the JSON form or the official string; ``value`` is one measurement, ``values``
several, of which the trial's seed draws one; ``metrics`` and ``cost`` are optional. A cell may have several lines: their
measurements add up. A cell that is equal to a listed one (same ``arch_id``) is answered from it.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bonanza.spaces import Architecture, InvalidArchitecture, SearchSpace
from bonanza.worker.evaluator import BrokenEvaluator, TrialContext
from bonanza.worker.result import Failure, Result

FIELDS = frozenset({"architecture", "value", "values", "metrics", "cost"})


@dataclass(frozen=True)
class Row:
    """The measurements of one architecture."""

    values: tuple[float, ...]
    metrics: Mapping[str, float]
    cost: Mapping[str, float]


class TableFileEvaluator:
    """Answers from a file. The file is read once the space is known, which says what an architecture looks like."""

    grace_s = 0.0

    def __init__(self, path: str) -> None:
        """Find the file.

        Raises:
            BrokenEvaluator: it is not there.
        """
        self.path = Path(path)
        self.rows: dict[str, Row] = {}
        if not self.path.is_file():
            raise BrokenEvaluator(
                f"there is no table {path}: give a file of JSON lines, or nasbench201/cifar10, nasbench201/cifar100, nasbench201/imagenet16-120"
            )

    def check(self, space: SearchSpace) -> None:
        """Read the file; every line must be an architecture of the space with a value.

        Raises:
            BrokenEvaluator: a line is not; the message has its number.
        """
        self.rows = {}
        with self.path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    self._add(line, space, f"{self.path}, line {number}")
        if not self.rows:
            raise BrokenEvaluator(f'{self.path} is empty: write one {{"architecture": …, "value": …}} a line')

    def evaluate(self, architecture: Architecture, trial: TrialContext) -> Result:
        """The cell's measurement, or one of them; a failure where the file has no such cell."""
        row = self.rows.get(architecture.arch_id)
        if row is None:
            return Result.failed(
                Failure(
                    "code", f"{self.path} has no {architecture.text}: restrict the study's space to the cells it lists"
                )
            )
        value = row.values[random.Random(trial.seed).randrange(len(row.values))]
        return Result(value, metrics=row.metrics, cost=row.cost)

    def _add(self, line: str, space: SearchSpace, where: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise BrokenEvaluator(f"{where}: this is not JSON: {error}") from None
        if not isinstance(entry, dict) or "architecture" not in entry:
            raise BrokenEvaluator(f'{where}: write {{"architecture": …, "value": …}}')
        if unknown := sorted(entry.keys() - FIELDS):
            raise BrokenEvaluator(f"{where}: unknown field {unknown[0]!r}; there are {', '.join(sorted(FIELDS))}")
        try:
            architecture = space.validate(entry["architecture"])
        except InvalidArchitecture as error:
            raise BrokenEvaluator(f"{where}: no architecture of the study's space {space.kind!r}: {error}") from None
        values = entry.get("values", [entry["value"]] if "value" in entry else [])
        metrics, cost = entry.get("metrics", {}), entry.get("cost", {})
        if not isinstance(values, list) or not values or not all(_is_number(v) for v in values):
            raise BrokenEvaluator(f'{where}: "value" must be a number, or "values" a list of them')
        if not all(isinstance(numbers, dict) and all(map(_is_number, numbers.values())) for numbers in (metrics, cost)):
            raise BrokenEvaluator(f'{where}: "metrics" and "cost" must be objects of numbers')
        known = self.rows.get(architecture.arch_id)
        before = known.values if known is not None else ()
        self.rows[architecture.arch_id] = Row((*before, *map(float, values)), metrics, cost)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
