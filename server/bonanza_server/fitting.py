"""The door to the brain: what a fit is given and leaves, as plain values, and the functions that are sent to the executor.

The API process imports this and nothing behind it: torch and numpy are loaded where ``fit`` runs. So a job has its own class here, field by
field the brain's ``Snapshot``, whose module begins with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FitJob:
    """A study's history, and that of its ``sources``; ``features`` are encoded (``search.known_cells``).

    ``seq`` numbers it: how many results had come or gone. The generator of the fit comes from (seed, seq). So the same results get the same
    fit, however many fits were made or failed before, and an event log, which has the results, has all that a replay needs.
    """

    space: dict[str, Any]
    strategy: dict[str, Any]
    seed: int
    seq: int
    maximize: bool
    observations: list[tuple[int, dict[str, Any], list[float]]]
    pending: list[dict[str, Any]]
    excluded: list[str]
    pool_size: int
    sources: list[dict[str, Any]] = field(default_factory=list)
    pruned: list[tuple[int, dict[str, Any], list[list[float]]]] = field(default_factory=list)
    curves: list[tuple[list[list[float]], float]] = field(default_factory=list)
    features: bytes = b""


@dataclass(frozen=True)
class FitResult:
    """Ranked proposals ({architecture, arch_id, mean, std, acquisition}, best first) and what is worth knowing of the fit."""

    proposals: list[dict[str, Any]]
    seconds: float
    diagnostics: dict[str, Any] = field(default_factory=dict)


def fit(job: FitJob) -> FitResult:
    """Fit the study's strategy to its history and rank ``pool_size`` proposals. A pure function of ``job``."""
    from bonanza_server.search.fit import Snapshot
    from bonanza_server.search.fit import fit as run

    made = run(Snapshot(**vars(job)))
    return FitResult(proposals=made.proposals, seconds=made.seconds, diagnostics=made.diagnostics)


def rank(job: FitJob) -> list[tuple[int, float, float | None]]:
    """The measured cells, the best by posterior mean first: (first trial, mean, std). A pure function, as ``fit`` is."""
    from bonanza_server.search.fit import Snapshot
    from bonanza_server.search.fit import rank as run

    return run(Snapshot(**vars(job)))


def predict(job: FitJob, architectures: list[dict[str, Any]]) -> list[tuple[float | None, float | None]]:
    """Mean and std of each architecture under the model that ``fit(job)`` makes; null where nothing is known. A pure function, as ``fit`` is."""
    from bonanza_server.search.fit import Snapshot
    from bonanza_server.search.fit import predict as run

    return run(Snapshot(**vars(job)), architectures)
