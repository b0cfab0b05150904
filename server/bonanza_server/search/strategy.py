"""The protocol of a strategy, and the one way from a spec to a strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bonanza.spaces import Architecture
from bonanza_server.search.history import History, Proposal
from bonanza_server.search.options import (
    BananasOptions,
    BonanzaOptions,
    BonasOptions,
    EvolutionOptions,
    LocalSearchOptions,
    NasbotOptions,
    SurrogateOptions,
)
from bonanza_server.search.own import OwnStrategy
from bonanza_server.search.spec import strategy_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Model(Protocol):
    """A strategy fitted to one history. A cache: throwing it away and fitting again gives the same model."""

    @property
    def diagnostics(self) -> Mapping[str, Any]:
        """How the fit went, in JSON types; keys are the strategy's own."""

    def predict(self, architectures: Sequence[Architecture]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of each architecture, (n,) and (n,), in the objective's unit; nan where nothing is known."""

    def propose(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """As :meth:`Strategy.propose`, for the history this model was fitted to."""


class Strategy(Protocol):
    """Decides what to measure next: a function of the history and a generator, without hidden state.

    Equal histories and equal generators give equal proposals, in every process.
    """

    @property
    def name(self) -> str:
        """The name in a spec."""

    @property
    def n_initial(self) -> int | None:
        """Trials of the initial design before the model is asked; None: the strategy needs no model."""

    def fit(self, history: History, rng: np.random.Generator) -> Model:
        """The model of ``history``; any history will do, even an empty one."""

    def propose(self, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
        """Exactly ``n`` distinct valid architectures, none of them in ``history.seen``, the one to measure first first.

        Fewer only when the space holds no more. Shorthand for ``fit`` and the model's ``propose``.
        """


def strategy_from_spec(spec: Mapping[str, Any]) -> Strategy:
    """The strategy that ``spec`` describes. Loads numpy, and torch if the strategy needs it.

    Raises:
        InvalidStrategy: An unknown name or option, or a value out of range.
    """
    options = strategy_options(spec)
    if isinstance(options, OwnStrategy):
        return options.strategy
    if isinstance(options, SurrogateOptions):
        from bonanza_server.search.surrogate import SurrogateSearch

        return SurrogateSearch(options)
    if isinstance(options, BonanzaOptions):
        from bonanza_server.search.bonanza import Bonanza

        return Bonanza(options)
    if isinstance(options, BananasOptions):
        from bonanza_server.search.bananas import Bananas

        return Bananas(options)
    if isinstance(options, BonasOptions):
        from bonanza_server.search.bonas import Bonas

        return Bonas(options)
    if isinstance(options, EvolutionOptions):
        from bonanza_server.search.evolution import Evolution

        return Evolution(options)
    if isinstance(options, LocalSearchOptions):
        from bonanza_server.search.local_search import LocalSearch

        return LocalSearch(options)
    if isinstance(options, NasbotOptions):
        from bonanza_server.search.nasbot import Nasbot

        return Nasbot(options)
    from bonanza_server.search.random_search import RandomSearch

    return RandomSearch()
