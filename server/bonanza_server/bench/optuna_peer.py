"""Optuna's TPE (Bergstra et al. 2011) as a peer: categorical parameters (``parameters``), its defaults, its own duplicates.

It does not know that two spellings are one network, and proposes cells again. A cell that was measured is answered at once and not
counted as a query, which is more than a user's trainer would do for it; after ``MOST_REPEATS`` in a row a random new cell is taken.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from bonanza.spaces import Architecture
from bonanza_server.bench.contestant import Confirm
from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.parameters import Parameters
from bonanza_server.bench.table import Table

MOST_REPEATS = 100


class OptunaSearch:
    """A study of Optuna, asked and told. ``options`` go to its ``TPESampler``."""

    def __init__(self, table: Table, seed: int, options: dict[str, Any]) -> None:
        """Start it.

        Raises:
            CannotBench: Optuna is not installed, it has no such option, or the space has no fixed positions.
        """
        try:
            import optuna
        except ModuleNotFoundError as error:
            raise CannotBench("the peer optuna is not installed: pip install optuna, or leave out --peers") from error
        self._parameters = Parameters(table.space, peer="optuna")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            sampler = optuna.samplers.TPESampler(
                seed=seed, **{"n_startup_trials": 10, "constant_liar": True, **options}
            )
        except TypeError as error:
            raise CannotBench(f"optuna's TPESampler refuses {options}: {error}") from error
        self._distributions: dict[str, Any] = {
            f"{k:03}": optuna.distributions.CategoricalDistribution(list(range(count)))
            for k, count in enumerate(self._parameters.counts)
        }
        self._optuna = optuna
        self._study = optuna.create_study(direction="maximize" if table.maximize else "minimize", sampler=sampler)
        self._rng = random.Random(seed)
        self._values: dict[str, float | None] = {}
        self._open: dict[Architecture, Any] = {}

    def begin(self, architecture: Architecture) -> None:
        """Nothing: what is pending is said when it is asked."""

    def ask(self, pending: Sequence[Architecture]) -> Architecture | None:
        """A cell that was not measured and is not being measured."""
        waiting = {cell.arch_id for cell in pending}
        for _ in range(MOST_REPEATS):
            trial = self._study.ask(self._distributions)
            values = [trial.params[name] for name in self._distributions]
            cell = self._parameters.architecture(values, waiting.union(self._values))
            if cell is None:
                self._finish(trial, None)
            elif cell.arch_id in self._values:
                self._finish(trial, self._values[cell.arch_id])
            elif cell.arch_id in waiting:
                self._finish(trial, None)
            else:
                self._open[cell] = trial
                return cell
        return self._parameters.unseen(self._rng, waiting.union(self._values), draws=100 * MOST_REPEATS)

    def tell(self, architecture: Architecture, value: float | None) -> None:
        """Close the trial; a cell that it did not propose as it is (the initial design, or the nearest of a pool) is added as a finished one."""
        self._values[architecture.arch_id] = value
        own = self._parameters.of(architecture)
        trial = self._open.pop(architecture, None)
        if trial is not None:
            if tuple(trial.params[name] for name in self._distributions) == own:
                self._finish(trial, value)
                return
            self._finish(trial, None)
        if value is not None:
            params = dict(zip(self._distributions, own, strict=True))
            self._study.add_trial(
                self._optuna.trial.create_trial(params=params, distributions=self._distributions, value=value)
            )

    def confirm(self, wanted: Confirm) -> list[Architecture] | None:  # noqa: ARG002 - the protocol's
        """It has no such phase: those of the best values."""
        return None

    def recommend(self) -> Architecture | None:
        """The best value's, or mean's."""
        return None

    def rank_correlation(self, architectures: Sequence[Architecture], values: Sequence[float]) -> float | None:  # noqa: ARG002 - the protocol's
        """TPE predicts no values."""
        return None

    def _finish(self, trial: Any, value: float | None) -> None:
        if value is None:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, value)
