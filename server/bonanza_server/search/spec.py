"""Strategy specs: which strategies there are, what may be set, and what holds where nothing is set.

Plain Python on purpose. The API process validates, completes and stores a spec with this module alone; numpy and torch are loaded
only where a strategy runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any, cast

from bonanza import extensions
from bonanza.spaces.kind import nearest_name
from bonanza_server.search.own import InvalidOwn, OwnStrategy, own_strategy, own_surrogate

MOST_SOURCES = 16
"""Studies that one option may name: each is up to 2,000 observations in every fit."""


class InvalidStrategy(ValueError):
    """A strategy spec that cannot be run. ``pointer`` is the JSON pointer of the offending member, ``message`` says what is accepted."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or 'strategy'}: {message}")
        self.pointer = pointer
        self.message = message

    def __reduce__(self) -> tuple[type[InvalidStrategy], tuple[str, str]]:
        return type(self), (self.pointer, self.message)


@dataclass(frozen=True)
class Rule:
    """What one option accepts: said to people, said as a JSON Schema, and checked."""

    accepted: str
    schema: Mapping[str, Any]
    accepts: Callable[[object], bool]

    def __call__(self, value: object) -> str | None:
        """Return what is accepted if ``value`` is not, else None."""
        return None if self.accepts(value) else f"must be {self.accepted}"


def whole(low: int, high: int) -> Rule:
    """A rule: an integer from ``low`` to ``high``, both included."""
    return Rule(
        f"an integer from {low} to {high}",
        {"type": "integer", "minimum": low, "maximum": high},
        lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high,
    )


def number(low: float, high: float) -> Rule:
    """A rule: a finite number from ``low`` to ``high``, both included."""
    return Rule(
        f"a number from {low:g} to {high:g}",
        {"type": "number", "minimum": low, "maximum": high},
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high,
    )


def one_of(*choices: str) -> Rule:
    """A rule: one of the strings ``choices``."""
    return Rule(
        f"one of {', '.join(choices)}",
        {"type": "string", "enum": list(choices)},
        lambda value: isinstance(value, str) and value in choices,
    )


def some_of(*choices: str) -> Rule:
    """A rule: one or more of the strings ``choices``, each once, with ``+`` between them."""

    def accepts(value: object) -> bool:
        named = value.split("+") if isinstance(value, str) else [""]
        return set(named) <= set(choices) and len(set(named)) == len(named)

    return Rule(f"one or more of {', '.join(choices)}, with + between them", {"type": "string"}, accepts)


flag = Rule("true or false", {"type": "boolean"}, lambda value: isinstance(value, bool))
"""A rule: true or false."""


def optional(rule: Rule) -> Rule:
    """A rule: null, or what ``rule`` accepts."""
    return Rule(
        f"{rule.accepted}, or null",
        {"anyOf": [dict(rule.schema), {"type": "null"}]},
        lambda value: value is None or rule.accepts(value),
    )


def _are_studies(value: object) -> bool:
    named = isinstance(value, list | tuple) and all(isinstance(name, str) and name for name in value)
    names = cast("list[str]", value)
    return named and len(set(names)) == len(names) <= MOST_SOURCES


studies = Rule(
    f"a list of names of studies, each once, at most {MOST_SOURCES}",
    {"type": "array", "items": {"type": "string"}, "maxItems": MOST_SOURCES, "uniqueItems": True},
    _are_studies,
)
"""A rule: a list of names of other studies, whose results the strategy then finds in ``History.sources``."""


def option(default: Any, rule: Callable[[object], str | None]) -> Any:
    """A dataclass field that is an option: its default and its rule."""
    return field(default=default, metadata={"rule": rule})


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
        n_initial: Random trials before the model is asked.
        views: What the process knows of a cell (see ``views``), with ``+`` between them.
        acquisition: ``ei`` (its logarithm), ``ucb``, ``its`` (independent Thompson sampling).
        beta: Standard deviations that ``ucb`` adds to the mean.
        candidates: Cells that are scored, at least, where the space is too large to be scored whole.
    """

    n_initial: int = option(10, whole(1, 10_000))
    views: str = option("positions+counts+graf", some_of("positions", "paths", "counts", "graf"))
    acquisition: str = option("ei", one_of("ei", "ucb", "its"))
    beta: float = option(1.0, number(0.0, 100.0))
    candidates: int = option(1000, whole(1, 10_000))


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


Options = (
    RandomOptions
    | EvolutionOptions
    | LocalSearchOptions
    | BananasOptions
    | BonasOptions
    | NasbotOptions
    | BonanzaOptions
    | SurrogateOptions
)

OPTIONS: Mapping[str, type[Options]] = {
    "random": RandomOptions,
    "evolution": EvolutionOptions,
    "local_search": LocalSearchOptions,
    "bananas": BananasOptions,
    "bonas": BonasOptions,
    "nasbot": NasbotOptions,
    "bonanza": BonanzaOptions,
    "surrogate": SurrogateOptions,
}
"""Our strategies by name."""

MODELS = ("bonanza", "bananas", "bonas", "nasbot")
"""Those whose model can be another strategy's surrogate."""

DESCRIPTIONS: Mapping[str, str] = {
    "bonanza": "The default: a Gaussian process on three views of a cell, log expected improvement over every cell where the space can be listed.",
    "bananas": "Path encoding, an ensemble of meta networks, independent Thompson sampling, mutation (White et al. 2021).",
    "bonas": "A graph network's embedding, Bayesian linear regression on it, expected improvement (Shi et al. 2020).",
    "nasbot": "A Gaussian process on optimal transport distances of networks, expected improvement (Kandasamy et al. 2018).",
    "evolution": "Regularised evolution: the best of a tournament is mutated, the oldest dies (Real et al. 2019).",
    "local_search": "The neighbours of a cell until one is better, from the best of the initial cells (White et al. 2021).",
    "surrogate": "A surrogate of somebody else's, or a strategy of ours as one, under an acquisition function of your choice.",
    "random": "Uniform over the space, without repeats: the baseline that every search has to beat.",
}
"""One line for people who choose."""


def strategy_names() -> tuple[str, ...]:
    """The names a spec may have, in the order they are listed to users; besides them, MODULE:NAME where that is allowed."""
    return tuple(dict.fromkeys([*OPTIONS, *extensions.installed("strategies")]))


def options_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of the options of a strategy: types, ranges, defaults, and what each does, as its class says.

    Of a strategy of somebody else's only the names and defaults are known.
    """
    if name not in OPTIONS:
        own = own_strategy(name, {})
        return {
            "type": "object",
            "properties": {key: {"default": value} for key, value in (own.options if own else {}).items()},
        }
    kind = OPTIONS[name]
    said = _attributes(kind.__doc__ or "")
    properties = {
        item.name: {
            **getattr(item.metadata["rule"], "schema", {"type": "string"}),
            "default": list(item.default) if isinstance(item.default, tuple) else item.default,
            "description": said.get(item.name, ""),
        }
        for item in fields(kind)
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _attributes(docstring: str) -> dict[str, str]:
    """The ``Attributes`` section of a docstring, one line an attribute."""
    _, _, section = docstring.partition("Attributes:")
    lines = (line.strip().partition(": ") for line in section.splitlines())
    return {name: text for name, _, text in lines if text}


def strategy_options(spec: object) -> Options | OwnStrategy:
    """The options of a spec, defaults filled in; of a strategy of somebody else's, itself with its options.

    Raises:
        InvalidStrategy: An unknown name or option, or a value out of range.
    """
    if not isinstance(spec, Mapping):
        raise InvalidStrategy("", 'must be an object such as {"name": "bananas"}')
    name = spec.get("name")
    if not isinstance(name, str) or name not in OPTIONS:
        return _own(name, spec)
    kind = OPTIONS[name]
    known: dict[str, Field[Any]] = {item.name: item for item in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in spec.items():
        if key == "name":
            continue
        pointer = "/" + str(key).replace("~", "~0").replace("/", "~1")
        if key not in known:
            may = ", ".join(known) or "nothing"
            raise InvalidStrategy(pointer, f"{name} has no such option; it may set {may}")
        refusal = known[key].metadata["rule"](value)
        if refusal:
            raise InvalidStrategy(pointer, refusal)
        # 1 and 1.0 are the same learning rate; stored alike, they are the same study. Options can be hashed, so lists are tuples there.
        values[key] = float(value) if isinstance(known[key].default, float) else value
        values[key] = tuple(value) if isinstance(value, list) else values[key]
    return kind(**values)


def _own(name: object, spec: Mapping[Any, Any]) -> OwnStrategy:
    try:
        given = {key: value for key, value in spec.items() if key != "name"}
        found = own_strategy(name, given) if isinstance(name, str) else None
    except InvalidOwn as error:
        raise InvalidStrategy(error.pointer or "/name", error.message) from error
    if found is None:
        wrong = "is missing" if "name" not in spec else f"{name!r} is unknown"
        nearest = nearest_name(name, strategy_names())
        meant = f"; did you mean {nearest!r}?" if nearest else ""
        raise InvalidStrategy("/name", f"{wrong}; the strategies are {', '.join(strategy_names())}{meant}")
    return found


def strategy_spec(spec: object) -> dict[str, Any]:
    """``spec`` with every default written out: what is stored, compared and answered; itself a valid spec, and unchanged by this function.

    Raises:
        InvalidStrategy: As :func:`strategy_options`.
    """
    options = strategy_options(spec)
    return {"name": cast("Mapping[str, Any]", spec)["name"], **_values(options)}


def _values(options: Options | OwnStrategy) -> dict[str, Any]:
    """In JSON types."""
    if isinstance(options, OwnStrategy):
        return dict(options.options)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(options).items()}


def sources_of(spec: object) -> dict[str, str]:
    """The studies whose results a strategy of this spec reads besides its own, each once: JSON pointer within the spec -> name.

    Raises:
        InvalidStrategy: As :func:`strategy_options`.
    """
    options = strategy_options(spec)
    if isinstance(options, OwnStrategy):
        return {}
    named: dict[str, str] = {}
    for item in fields(options):
        if item.metadata["rule"] is studies:
            for place, name in enumerate(getattr(options, item.name)):
                named.setdefault(name, f"/{item.name}/{place}")
    return {pointer: name for name, pointer in named.items()}


def n_initial(spec: object) -> int | None:
    """Trials of the initial design before a study of this spec asks its model; None where the strategy needs no model.

    Raises:
        InvalidStrategy: As :func:`strategy_options`.
    """
    return getattr(strategy_options(spec), "n_initial", None)
