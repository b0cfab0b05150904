"""One refit: a pure function from plain values to plain values, run wherever an executor likes.

The generator comes from (study seed, number of results), the architectures from JSON, the thread count is one: the same snapshot gives
the same fit, today, tomorrow, and after a restart (on the same versions and processor, which the diagnostics record).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from bonanza.spaces import SearchSpace, space_from_spec
from bonanza_server.search.batch import GREEDY
from bonanza_server.search.censored import estimates
from bonanza_server.search.features import features_of
from bonanza_server.search.history import History, Observation, Source
from bonanza_server.search.spec import strategy_spec
from bonanza_server.search.strategy import Model, strategy_from_spec

MOST_KEPT = 4
"""Studies whose newest models a process keeps for predictions: that of 2,000 results may hold 100 MB."""
POOL = GREEDY + 256
"""Proposals of a fit: a batch as large as an ask can take, and what later asks take before the next fit is there."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a fit reads of a study; JSON types throughout.

    ``observations`` are (trial number, architecture, values), one a cell, in the order of their numbers, ``pending`` architectures
    likewise; ``pruned`` are (trial number, architecture, learning curve) of trainings that were cut short, and ``curves`` the (learning curve,
    value) of the complete ones, which tell what the others might have come to; ``excluded`` are the ids of further cells never to be proposed (the observed and pending ones are added). ``seq`` is the
    number of results the study had when it was read, not its newest event: fits have events too, and when they end must not matter.
    ``sources`` are other studies that the strategy reads, {study, seq, space, maximize, observations}; ``seq`` is here the newest event of
    each, which says what was read of it. ``features`` are what is known of cells without training them (``known_cells``).
    """

    space: dict[str, Any]
    strategy: dict[str, Any]
    seed: int
    seq: int
    maximize: bool
    observations: list[tuple[int, dict[str, Any], list[float]]]
    pending: list[dict[str, Any]] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    pool_size: int = POOL
    sources: list[dict[str, Any]] = field(default_factory=list)
    pruned: list[tuple[int, dict[str, Any], list[list[float]]]] = field(default_factory=list)
    curves: list[tuple[list[list[float]], float]] = field(default_factory=list)
    features: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What a fit leaves; JSON types throughout, every number finite.

    ``proposals`` are {architecture, arch_id, mean, std, acquisition}, the one to measure first first; ``mean`` and ``std``, in the
    objective's unit, are null where nothing is known to predict from. ``seconds`` is the wall time of the whole call.
    """

    seq: int
    strategy: dict[str, Any]
    proposals: list[dict[str, Any]]
    diagnostics: dict[str, Any]
    seconds: float


def fit(snapshot: Snapshot) -> Fit:
    """Fit the snapshot's strategy to its history and rank the next proposals. Sets torch to one thread in this process.

    Raises:
        InvalidSpace, InvalidArchitecture, InvalidStrategy: The snapshot is not one that the service would have stored.
    """
    started = time.perf_counter()
    history = _history(snapshot)
    model, rng = _fitted(snapshot, history)
    proposals = model.propose(snapshot.pool_size, rng)
    return Fit(
        seq=snapshot.seq,
        strategy=strategy_spec(snapshot.strategy),
        proposals=[
            {
                "architecture": proposal.architecture.json,
                "arch_id": proposal.architecture.arch_id,
                "mean": _finite(proposal.mean),
                "std": _finite(proposal.std),
                "acquisition": _finite(proposal.acquisition),
            }
            for proposal in proposals
        ],
        diagnostics={
            **model.diagnostics,
            "pending": len(history.pending),
            "censored": len(history.censored),
            **_circumstances(),
        },
        seconds=time.perf_counter() - started,
    )


def predict(snapshot: Snapshot, architectures: list[dict[str, Any]]) -> list[tuple[float | None, float | None]]:
    """Mean and std of each architecture, null where nothing is known, under the model that ``fit`` makes of the snapshot.

    The model is the one that this process fitted last to that history, if it has it still, else it is fitted again: both are the same.

    Raises:
        InvalidSpace, InvalidArchitecture, InvalidStrategy: As for :func:`fit`.
    """
    model = _kept_of(snapshot) or _fitted(snapshot, _history(snapshot))[0]
    space = space_from_spec(snapshot.space)
    means, stds = model.predict([space.validate(architecture) for architecture in architectures])
    return [(_finite(float(mean)), _finite(float(std))) for mean, std in zip(means, stds, strict=True)]


def rank(snapshot: Snapshot) -> list[tuple[int, float, float | None]]:
    """The measured cells, the best first: (number, mean, std) of each cell's true value as the model sees it after all its measurements.

    A model that says the same of every cell (there is none: random search, evolution) or nothing leaves the word to the measurements: then the mean is
    theirs, and there is no std. Ties go to the earlier trial. The model is fitted anew and not taken from those kept: what it says must not depend
    on what this process did before.
    """
    history = _history(snapshot)
    model, _ = _fitted(snapshot, history)
    return order_of(model, history)


def order_of(model: Model, history: History) -> list[tuple[int, float, float | None]]:
    """What :func:`rank` says, of a model fitted to ``history``."""
    means, stds = model.predict([observed.architecture for observed in history.observations])
    tells = bool(np.isfinite(means).all() and np.ptp(means) > 0.0) if len(means) else False
    ranked = [
        (observed.number, float(mean) if tells else observed.value, _finite(float(std)) if tells else None)
        for observed, mean, std in zip(history.observations, means, stds, strict=True)
    ]
    sign = -1.0 if history.maximize else 1.0
    return sorted(ranked, key=lambda one: (sign * one[1], one[0]))


_kept: dict[str, tuple[str, Model]] = {}
"""The newest model that this process fitted to each of a few studies, with what it was fitted to: a cache that changes nothing."""


def _kept_of(snapshot: Snapshot) -> Model | None:
    read, model = _kept.get(_study(snapshot), (None, None))
    return model if read == _read(snapshot) else None


def _fitted(snapshot: Snapshot, history: History) -> tuple[Model, np.random.Generator]:
    """The model, which is kept, and the generator as the fit leaves it."""
    torch.set_num_threads(1)
    rng = np.random.default_rng([snapshot.seed, snapshot.seq])
    _kept.pop(_study(snapshot), None)  # before the next is there: two large ones at once are what memory may not have
    model = strategy_from_spec(snapshot.strategy).fit(history, rng)
    _kept[_study(snapshot)] = _read(snapshot), model
    if len(_kept) > MOST_KEPT:
        del _kept[next(iter(_kept))]
    return model, rng


def _study(snapshot: Snapshot) -> str:
    """What tells one study from another, as far as a fit knows."""
    return _digest([snapshot.space, snapshot.strategy, snapshot.seed, snapshot.maximize])


def _read(snapshot: Snapshot) -> str:
    """All that a model depends on, its study aside; what is pending or must not be proposed only matters to the proposals."""
    read = [snapshot.seq, snapshot.observations, snapshot.sources, snapshot.pruned, snapshot.curves]
    return _digest(read, snapshot.features)


def _digest(read: list[Any], known: bytes = b"") -> str:
    return hashlib.blake2b(json.dumps(read, sort_keys=True).encode() + known, digest_size=16).hexdigest()


def _history(snapshot: Snapshot) -> History:
    space = space_from_spec(snapshot.space)
    observations = _observed(space, snapshot.observations)
    guesses = estimates([curve for _, _, curve in snapshot.pruned], snapshot.curves, maximize=snapshot.maximize)
    pruned = tuple(
        Observation(space.validate(architecture), (guess,), number, censored=True)
        for (number, architecture, _), guess in zip(snapshot.pruned, guesses, strict=True)
        if guess is not None
    )
    pending = tuple(space.validate(architecture) for architecture in snapshot.pending)
    known = {cell.arch_id for cell in (*(one.architecture for one in (*observations, *pruned)), *pending)}
    sources = tuple(_source(read) for read in snapshot.sources)
    seen = frozenset(known.union(snapshot.excluded))
    features = features_of(space, snapshot.features)
    return History(space, snapshot.maximize, observations, pending, seen, sources, pruned, features)


def _source(read: dict[str, Any]) -> Source:
    space = space_from_spec(read["space"])
    return Source(read["study"], space, read["maximize"], _observed(space, read["observations"]))


def _observed(space: SearchSpace, read: Iterable[tuple[int, dict[str, Any], list[float]]]) -> tuple[Observation, ...]:
    return tuple(
        Observation(space.validate(architecture), tuple(values), number) for number, architecture, values in read
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _circumstances() -> dict[str, Any]:
    """What a replay must have alike to give the same bits."""
    return {
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
