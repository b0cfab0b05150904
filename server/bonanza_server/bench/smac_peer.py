"""SMAC3 (Lindauer et al. 2022, JMLR 23) as a peer: random forests and expected improvement on categorical parameters (``parameters``).

Its facade for hyper-parameters with its defaults, but for the initial design, which is told; ``options`` are ``facade``, ``hpo`` or
``blackbox`` (a Gaussian process), and ``challengers``, how many configurations its acquisition maximiser scores. An ask takes seconds
with its 10,000. A cell that was measured is answered at once and not counted, as for Optuna.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from typing import Any

from bonanza.spaces import Architecture
from bonanza_server.bench.contestant import Confirm
from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.parameters import Parameters
from bonanza_server.bench.table import Table

MOST_REPEATS = 20
MOST_TRIALS = 100_000


def _never_called(config: Any, seed: int = 0) -> float:
    """What would be minimised if it were not asked and told."""
    raise NotImplementedError


class SmacSearch:
    """SMAC, asked and told."""

    def __init__(self, table: Table, seed: int, options: dict[str, Any]) -> None:
        """Start it.

        Raises:
            CannotBench: SMAC is not installed, has no such option, or the space has no fixed list of choices.
        """
        try:
            import ConfigSpace
            import smac
        except ModuleNotFoundError as error:
            raise CannotBench(
                f"the peer smac needs {error.name}, which is not installed (it brings dask and some twenty others): pip install smac, or leave it out of --peers"
            ) from error
        facades = {"hpo": smac.HyperparameterOptimizationFacade, "blackbox": smac.BlackBoxFacade}
        name, challengers = options.pop("facade", "hpo"), options.pop("challengers", None)
        if name not in facades or options:
            raise CannotBench("the peer smac may be given facade=hpo or facade=blackbox, and challengers=NUMBER")
        facade = facades[name]
        self._parameters = Parameters(table.space, peer="smac")
        self._table, self._rng = table, random.Random(seed)
        self._values: dict[str, float | None] = {}
        self._open: dict[Architecture, Any] = {}
        self._smac, self._configuration = smac, ConfigSpace.Configuration
        choices = ConfigSpace.ConfigurationSpace(seed=seed)
        self._names = [f"p{k:03}" for k in range(len(self._parameters.counts))]
        for parameter, count in zip(self._names, self._parameters.counts, strict=True):
            choices.add(ConfigSpace.Categorical(parameter, list(range(count)), default=0))
        self._choices = choices
        folder = tempfile.mkdtemp(prefix="bonanza-smac-")  # where it writes its history, which nobody reads
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        scenario = smac.Scenario(choices, deterministic=True, n_trials=MOST_TRIALS, seed=seed, output_directory=folder)
        more = (
            {}
            if challengers is None
            else {"acquisition_maximizer": facade.get_acquisition_maximizer(scenario, challengers=challengers)}
        )
        self._facade = facade(
            scenario,
            _never_called,
            initial_design=facade.get_initial_design(scenario, n_configs=0),
            overwrite=True,
            logging_level=False,
            **more,
        )

    def begin(self, architecture: Architecture) -> None:
        """Nothing: SMAC cannot be told of trials that it has not proposed before they end."""

    def ask(self, pending: Sequence[Architecture]) -> Architecture | None:
        """A cell that was not measured and is not being measured."""
        waiting = {cell.arch_id for cell in pending}
        for _ in range(MOST_REPEATS):
            trial = self._facade.ask()
            values = [int(trial.config[name]) for name in self._names]
            cell = self._parameters.architecture(values, waiting.union(self._values))
            if cell is not None and cell.arch_id not in waiting and cell.arch_id not in self._values:
                self._open[cell] = trial
                return cell
            self._finish(trial, None if cell is None else self._values.get(cell.arch_id))
        return self._parameters.unseen(self._rng, waiting.union(self._values), draws=100 * MOST_REPEATS)

    def tell(self, architecture: Architecture, value: float | None) -> None:
        """Its result; also that of a cell that SMAC did not propose, or not as it is (the nearest of a pool)."""
        self._values[architecture.arch_id] = value
        own = self._parameters.of(architecture)
        trial = self._open.pop(architecture, None)
        if trial is not None:
            self._finish(trial, value)
            if tuple(int(trial.config[name]) for name in self._names) == own:
                return
        if value is not None:
            config = self._configuration(self._choices, values=dict(zip(self._names, own, strict=True)))
            self._finish(self._smac.runhistory.TrialInfo(config=config, seed=trial.seed if trial else 0), value)

    def confirm(self, wanted: Confirm) -> list[Architecture] | None:  # noqa: ARG002 - the protocol's
        """It has no such phase: those of the best values."""
        return None

    def recommend(self) -> Architecture | None:
        """The best value's, or mean's."""
        return None

    def rank_correlation(self, architectures: Sequence[Architecture], values: Sequence[float]) -> float | None:  # noqa: ARG002 - the protocol's
        """Not asked: its forest is private to its optimiser."""
        return None

    def _finish(self, trial: Any, value: float | None) -> None:
        status = self._smac.runhistory.StatusType
        cost = 0.0 if value is None else -value if self._table.maximize else value
        state = status.CRASHED if value is None else status.SUCCESS
        self._facade.tell(trial, self._smac.runhistory.TrialValue(cost=cost, status=state))
