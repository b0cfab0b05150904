"""One of our strategies as its users have it: a real server on a SQLite file, asked and told over HTTP with the SDK.

A server is started once a process and lives as long as it. Every cell is a leased trial: those of the initial design, which is the same
for all contestants, are queued and then asked for. An ask waits until the model has seen every result, as in process.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bonanza.client import Client
from bonanza.demo.children import Children
from bonanza.demo.own_server import start_server, wait_for
from bonanza.extensions import VARIABLE
from bonanza.spaces import Architecture
from bonanza.trial import Trial
from bonanza_server.bench.contestant import Confirm
from bonanza_server.bench.table import Table
from bonanza_server.search.correlation import spearman

LEASE = {"ttl_s": 86_400}
"""A virtual training holds its trial for as long as the others' take."""
ASK_S = 600.0
PREDICTED_AT_ONCE = 500


@cache
def client() -> Client:
    """A client of this process's server, which is started now."""
    folder = Path(tempfile.mkdtemp(prefix="bonanza-bench-"))
    children = Children(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(children.stop)  # before the folder goes: what was registered last is called first
    modules = os.environ.get(VARIABLE, "")
    server, url = start_server(children, *(["--modules", modules] if modules else []))
    made = Client(url, spool=folder / "spool")
    wait_for(made, server, children)
    return made


class ServiceSearch:
    """A study of the server."""

    def __init__(self, spec: Mapping[str, Any], table: Table, seed: int) -> None:
        self._study = client().create_study(
            f"{spec['name'].replace(':', '.')}-{seed}-{uuid.uuid4().hex[:12]}",
            space=table.space.spec(),
            objective="value",
            direction="maximize" if table.maximize else "minimize",
            strategy=spec,
            lease=LEASE,
            budget={"max_failures": 1_000_000},
            seed=seed,
        )
        if table.known:
            self._study.tell_features((cell, features) for _, cell, features in table.known.cells)
        self._space = table.space
        self._trials: dict[str, list[Trial]] = {}
        self._told: set[str] = set()

    def begin(self, architecture: Architecture) -> None:
        """Queue a cell of the initial design and take its trial."""
        self._study.queue([architecture.json])
        self._take()

    def ask(self, pending: Sequence[Architecture]) -> Architecture | None:  # noqa: ARG002 - the server knows them
        """What the server leases."""
        return self._take()

    def tell(self, architecture: Architecture, value: float | None) -> None:
        """The result of its trial."""
        trial = self._trials[architecture.arch_id].pop(0)
        self._told.add(architecture.arch_id)
        if value is None:
            trial.fail("code", "the table has no such architecture")
        else:
            trial.tell(value)

    def confirm(self, wanted: Confirm) -> list[Architecture] | None:
        """What the server leases once it is told that the search is over."""
        self._study.confirm(wanted.top, wanted.seeds)
        taken = (self._take() for _ in range(min(wanted.top, len(self._told)) * wanted.seeds))
        return [cell for cell in taken if cell is not None]

    def recommend(self) -> Architecture | None:
        """What the study's report recommends: the best value's, until cells are confirmed."""
        recommended = self._study.report().recommended
        return None if recommended is None else self._space.validate(recommended.architecture)

    def rank_correlation(self, architectures: Sequence[Architecture], values: Sequence[float]) -> float | None:
        """Spearman's, of what the server predicts of those of the architectures that were not measured."""
        unseen = [row for row, cell in enumerate(architectures) if cell.arch_id not in self._told]
        means: list[float | None] = []
        for first in range(0, len(unseen), PREDICTED_AT_ONCE):
            asked = [architectures[row].json for row in unseen[first : first + PREDICTED_AT_ONCE]]
            means += [predicted.mean for predicted in self._study.predict(asked)]
        known = [np.nan if mean is None else mean for mean in means]
        return spearman(np.array(known), [values[row] for row in unseen]) if np.isfinite(known).all() else None

    def _take(self) -> Architecture | None:
        trial = self._study.ask(wait_s=50, timeout=ASK_S)
        if trial is None:
            return None
        architecture = self._space.validate(trial.architecture)
        self._trials.setdefault(architecture.arch_id, []).append(trial)
        return architecture
