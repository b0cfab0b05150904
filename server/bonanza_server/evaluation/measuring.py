"""What an experiment measures with: a table that answers at once, or an evaluator that trains, whose every result is kept on the disk."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Protocol

from bonanza.spaces import Architecture, SearchSpace
from bonanza.worker.evaluator import TrialContext, evaluator_from_text
from bonanza_server.bench.table import Table
from bonanza_server.evaluation.journal import Journal


class Measurer(Protocol):
    """Measures architectures of one space on one data set."""

    @property
    def name(self) -> str:
        """Of the data set, as the report shows it."""

    @property
    def space(self) -> SearchSpace:
        """What is searched."""

    @property
    def maximize(self) -> bool:
        """Whether a larger value is better."""

    def measure(self, architecture: Architecture, seed: int) -> tuple[float | None, float]:
        """The value of one training with ``seed`` (None: it failed) and the hours it took. Equal arguments, equal answers."""

    def truth(self, architecture: Architecture) -> float | None:
        """The mean over all trainings there are; None where nobody knows."""


class TableMeasurer:
    """A table: one of the trainings of a cell, which ``seed`` chooses."""

    def __init__(self, table: Table) -> None:
        self.name = table.name
        self.space = table.space
        self.maximize = table.maximize
        self._table = table

    def measure(self, architecture: Architecture, seed: int) -> tuple[float | None, float]:
        """From the table."""
        entry = self._table.entry(architecture)
        value = self._table.draw(architecture, seed, mean=False)
        return value, 0.0 if entry is None else entry.seconds / 3600.0

    def truth(self, architecture: Architecture) -> float | None:
        """The mean over the table's trainings."""
        entry = self._table.entry(architecture)
        return None if entry is None else entry.mean


class TrainingMeasurer:
    """An evaluator, called in this process. What it has measured is in ``folder`` and is not measured again."""

    def __init__(self, evaluator: str, space: SearchSpace, folder: Path, *, maximize: bool) -> None:
        self.name = evaluator
        self.space = space
        self.maximize = maximize
        self._evaluator = evaluator_from_text(evaluator)
        self._evaluator.check(space)
        self._kept = Journal(folder / "measurements.jsonl")

    def measure(self, architecture: Architecture, seed: int) -> tuple[float | None, float]:
        """By training, or from what was trained before."""
        key = json.dumps([self.name, architecture.arch_id, seed])
        kept = self._kept.get(key)
        if kept is None:
            began = time.perf_counter()
            try:
                result = self._evaluator.evaluate(architecture, TrialContext(seed=seed, study="evaluate"))
                value = result.value
            except (ArithmeticError, MemoryError, RuntimeError, ValueError):
                value = None  # as in a study: a network that cannot be trained is a failed trial, not the end of the experiment
            kept = {"value": value, "hours": (time.perf_counter() - began) / 3600.0}
            self._kept.add(key, kept)
        return kept["value"], kept["hours"]

    def truth(self, architecture: Architecture) -> float | None:  # noqa: ARG002 - the protocol's
        """Nobody knows."""
        return None
