"""Strategy specs: which strategies there are, and a spec checked and completed with what holds where nothing is set.

Plain Python on purpose. The API process validates, completes and stores a spec with this module alone; numpy and torch are loaded
only where a strategy runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, asdict, fields
from typing import Any, cast

from bonanza import extensions
from bonanza.spaces.kind import nearest_name
from bonanza_server.search.options import (
    WARM_INITIAL,
    BananasOptions,
    BonanzaOptions,
    BonasOptions,
    EvolutionOptions,
    LocalSearchOptions,
    NasbotOptions,
    RandomOptions,
    SurrogateOptions,
)
from bonanza_server.search.own import InvalidOwn, OwnStrategy, own_strategy
from bonanza_server.search.rules import studies


class InvalidStrategy(ValueError):
    """A strategy spec that cannot be run. ``pointer`` is the JSON pointer of the offending member, ``message`` says what is accepted."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or 'strategy'}: {message}")
        self.pointer = pointer
        self.message = message

    def __reduce__(self) -> tuple[type[InvalidStrategy], tuple[str, str]]:
        return type(self), (self.pointer, self.message)


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

DESCRIPTIONS: Mapping[str, str] = {
    "bonanza": "The default: a Gaussian process on several views of a cell, log expected improvement over every cell where the space can be listed.",
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
    if values.get("warm_start_from"):
        values.setdefault("n_initial", WARM_INITIAL)
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


def reads_features(spec: Mapping[str, Any]) -> bool:
    """Whether a strategy of this valid spec learns from what is known of cells without training them; somebody's own is handed it, and may."""
    return spec["name"] == "bonanza" or spec["name"] not in OPTIONS


def n_initial(spec: object) -> int | None:
    """Trials of the initial design before a study of this spec asks its model; None where the strategy needs no model.

    Raises:
        InvalidStrategy: As :func:`strategy_options`.
    """
    return getattr(strategy_options(spec), "n_initial", None)
