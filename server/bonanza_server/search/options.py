"""What may be set of each strategy, and what holds where nothing is set.

Plain Python on purpose, as ``spec``, which reads these classes: the API process checks options without numpy or torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from bonanza import extensions
from bonanza_server.search.own import InvalidOwn, own_surrogate
from bonanza_server.search.rules import flag, number, one_of, option, optional, some_of, studies, whole

MODELS = ("bonanza", "bananas", "bonas", "nasbot")
"""Those whose model can be another strategy's surrogate."""
WARM_INITIAL = 3
"""Random trials of ``bonanza`` where other studies' results stand in for the rest of an initial design: enough to begin to judge them by."""


@dataclass(frozen=True, kw_only=True)
class RandomOptions:
    """Random search has nothing to set."""


@dataclass(frozen=True, kw_only=True)
class BananasOptions:
    """What may be set of ``bananas``. The defaults are the paper's (White et al. 2021, arXiv 1910.11858) except where said.

    Attributes:
        n_initial: Random trials before the model is asked.
        encoding: ``path`` (the paper's), ``positions`` (one column a position and choice; used on its own where a space's graphs are chains), or ``both``, ours:
            paths alone confuse cells that differ in what runs beside what. The same as ``path`` where a space has no list of positions.
        prune_zero_paths: Leave out paths through the space's zero op. The original counts ``none`` as an ordinary op: false.
        truncate: Only paths of at most this many ops have a column; null: as many as fit (see ``encodings``).
        ensemble: Meta networks.
        layers: Hidden layers of each.
        width: Units of each hidden layer.
        epochs: Passes over the observations; fewer where there are so many that ``meta_network.MAX_STEPS`` would be exceeded.
        batch_size: Observations a step.
        learning_rate: Adam's.
        loss: ``mape`` with an automatic lower bound, which weighs the best cells most (the paper's), or ``mae`` (its released code's).
        acquisition: ``its`` (independent Thompson sampling), ``ei``, ``pi``, ``ucb``, ``ts``.
        beta: Standard deviations that ``ucb`` adds to the mean.
        optimiser: Of the acquisition function: ``mutation`` (the paper's), or ``exhaustive``, which scores every cell where a space can be listed.
        candidates: Cells the acquisition optimiser scores, at least; more where more proposals are asked for.
        parents: Best cells that are mutated first.
        mutation_rate: Handed to the space's ``mutate``.
    """

    n_initial: int = option(10, whole(1, 10_000))
    encoding: str = option("both", one_of("path", "positions", "both"))
    prune_zero_paths: bool = option(True, flag)
    truncate: int | None = option(None, optional(whole(1, 64)))
    ensemble: int = option(5, whole(2, 32))
    layers: int = option(10, whole(1, 32))
    width: int = option(20, whole(1, 256))
    epochs: int = option(150, whole(1, 10_000))
    batch_size: int = option(32, whole(1, 4096))
    learning_rate: float = option(0.01, number(1e-6, 1.0))
    loss: str = option("mape", one_of("mae", "mape"))
    acquisition: str = option("its", one_of("its", "ei", "pi", "ucb", "ts"))
    beta: float = option(0.5, number(0.0, 100.0))
    optimiser: str = option("mutation", one_of("mutation", "exhaustive"))
    candidates: int = option(100, whole(1, 10_000))
    parents: int = option(5, whole(1, 1000))
    mutation_rate: float = option(1.0, number(0.01, 100.0))


@dataclass(frozen=True, kw_only=True)
class EvolutionOptions:
    """What may be set of ``evolution``. The defaults are naszilla's; Real et al. 2019 have 100, 25 and no replacement.

    Attributes:
        n_initial: Random trials before the first tournament.
        population: Newest observed cells that may be parents.
        tournament: Cells drawn of the population, of which the best is mutated.
        replacement: Whether a cell may be drawn twice for one tournament.
        mutation_rate: Handed to the space's ``mutate``.
    """

    n_initial: int = option(10, whole(1, 10_000))
    population: int = option(30, whole(1, 10_000))
    tournament: int = option(10, whole(1, 10_000))
    replacement: bool = option(True, flag)
    mutation_rate: float = option(1.0, number(0.01, 100.0))


@dataclass(frozen=True, kw_only=True)
class LocalSearchOptions:
    """What may be set of ``local_search``. The defaults are naszilla's.

    Attributes:
        n_initial: Random trials before each walk.
        full: Measure all neighbours and go to the best of them; false: go to the first that is better.
        restart: Begin again from random trials at a local optimum; false: go on from the best cell with unseen neighbours.
    """

    n_initial: int = option(10, whole(1, 10_000))
    full: bool = option(False, flag)
    restart: bool = option(True, flag)


@dataclass(frozen=True, kw_only=True)
class BonasOptions:
    """What may be set of ``bonas``. The defaults are the paper's (Shi et al. 2020, arXiv 1911.09336) except where said.

    Attributes:
        n_initial: Random trials before the model is asked.
        predictor: The network whose embedding the regression reads: ``gcn``, or for comparison ``mlp`` or ``lstm`` (table 1).
        sampler: Where candidates come from: ``evolution``, ``random``, or ``reinforce``, a policy that is rewarded by expected improvement.
        candidates: Cells the sampler offers; more where more proposals are asked for.
        loss: How squared errors are weighed: ``exp`` (eq. 6), ``mse``, ``log``, ``linear``, or ``exp_code``, what the released code has for ``exp``.
        retrain_every: Results between two trainings of the graph network; the regression is fitted to every one.
        epochs: Passes over the observations; fewer where there are so many that ``predictor.MAX_STEPS`` would be exceeded.
        batch_size: Observations a step.
        learning_rate: Adam's.
        canonical: Whether the network reads the simplified graph in canonical order, so that equal cells are equal to it; false: the raw one (the paper's).
        pretrain_from: Studies with the same ops, in this space or another, that the graph network is trained on first (section 4.4.2); [] for none.
    """

    n_initial: int = option(10, whole(1, 10_000))
    predictor: str = option("gcn", one_of("gcn", "mlp", "lstm"))
    sampler: str = option("evolution", one_of("evolution", "random", "reinforce"))
    candidates: int = option(1_000, whole(1, 10_000))
    loss: str = option("exp", one_of("exp", "mse", "log", "linear", "exp_code"))
    retrain_every: int = option(10, whole(1, 1_000))
    epochs: int = option(100, whole(1, 10_000))
    batch_size: int = option(128, whole(1, 4096))
    learning_rate: float = option(0.001, number(1e-6, 1.0))
    canonical: bool = option(False, flag)
    pretrain_from: tuple[str, ...] = option((), studies)


@dataclass(frozen=True, kw_only=True)
class NasbotOptions:
    """What may be set of ``nasbot``. The defaults are the paper's (Kandasamy et al. 2018, arXiv 1802.07191) except where said.

    Attributes:
        n_initial: Random trials before the model is asked.
        evaluations: Networks that the acquisition optimiser tries, at most; of t results 25 sqrt(t), fewer where the process is large.
        mutation_rate: Handed to the space's ``mutate``.
        draws: Hyper-parameters tried at each fit.
        tuning: ``sampled`` takes one draw with a probability proportional to its marginal likelihood, ``best`` the likeliest.
        fitted: Of more results the process is fitted to the best, the newest and a sample, so many together (ours).
        nonassignment: What a unit of computation costs that has no counterpart in the other network.
        structure: What a difference of two path lengths counts as: ``linear``, ``sqrt``, ``log``, ``square``.
    """

    n_initial: int = option(10, whole(1, 10_000))
    evaluations: int = option(500, whole(1, 10_000))
    mutation_rate: float = option(1.0, number(0.01, 100.0))
    draws: int = option(64, whole(1, 1_000))
    tuning: str = option("sampled", one_of("sampled", "best"))
    fitted: int = option(200, whole(1, 500))
    nonassignment: float = option(1.0, number(0.001, 1_000.0))
    structure: str = option("linear", one_of("linear", "sqrt", "log", "square"))


@dataclass(frozen=True, kw_only=True)
class BonanzaOptions:
    """What may be set of ``bonanza``; nothing need be.

    Attributes:
        n_initial: Random trials before the model is asked; with ``warm_start_from`` 3 unless set, because the others' results stand in for the rest.
        views: What the process knows of a cell (see ``views``), with ``+`` between them.
        network: Whether the means are half a graph network's, from a hundred results on (``network_mean``).
        acquisition: ``ei`` (its logarithm), ``ucb``, ``its`` (independent Thompson sampling).
        beta: Standard deviations that ``ucb`` adds to the mean.
        candidates: Cells that are scored, at least, where the space is too large to be scored whole.
        warm_start_from: Studies in the same space whose results are a prior as far as they foresee this study's (``surrogates.warm_start``); [] for none.
    """

    n_initial: int = option(10, whole(1, 10_000))
    views: str = option("positions+counts+graf+wl", some_of("positions", "paths", "counts", "graf", "wl"))
    network: bool = option(True, flag)
    acquisition: str = option("ei", one_of("ei", "ucb", "its"))
    beta: float = option(1.0, number(0.0, 100.0))
    candidates: int = option(1000, whole(1, 10_000))
    warm_start_from: tuple[str, ...] = option((), studies)


def known_surrogate(value: object) -> str | None:
    """A rule: the name of a strategy of ours, whose model is meant, or of a surrogate of somebody else's."""
    accepted = (
        f"must be the name of a surrogate: {', '.join((*MODELS, *extensions.installed('surrogates')))}, or MODULE:NAME"
    )
    if not isinstance(value, str) or value in MODELS:
        return None if isinstance(value, str) else accepted
    try:
        return accepted if own_surrogate(value) is None else None
    except InvalidOwn as error:
        return error.message


@dataclass(frozen=True, kw_only=True)
class SurrogateOptions:
    """What may be set of ``surrogate``.

    Attributes:
        n_initial: Random trials before the surrogate is asked.
        surrogate: One of somebody else's, or a strategy of ours, whose model predicts.
        acquisition: ``ei``, ``pi``, ``ucb``, ``its`` (independent Thompson sampling).
        beta: Standard deviations that ``ucb`` adds to the mean.
        candidates: Cells that are scored, at least.
    """

    n_initial: int = option(10, whole(1, 10_000))
    surrogate: str = option("bonanza", known_surrogate)
    acquisition: str = option("ei", one_of("ei", "pi", "ucb", "its"))
    beta: float = option(0.5, number(0.0, 100.0))
    candidates: int = option(1000, whole(1, 10_000))
