"""What an option of a strategy accepts: said to people, said as a JSON Schema, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

MOST_SOURCES = 16
"""Studies that one option may name: each is up to 2,000 observations in every fit."""


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
