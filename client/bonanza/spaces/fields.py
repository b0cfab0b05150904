"""Reading JSON that strangers wrote: every refusal points at the field, shows what stood there and says what may.

Nothing here recurses or prints a value of unbounded size, whatever it is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bonanza.spaces.base import Invalid

LONGEST_NAME = 100
"""Characters of a name."""
NAME = f"1 to {LONGEST_NAME} printable characters"
LARGEST = 2**53
"""Beyond it a JSON number is not the same number in every language."""
SHOWN = 20
"""Choices that a message lists; more are counted."""

Scalar = str | int | float | bool


def show(value: object) -> str:
    """A value as a message shows it, in at most 60 or so characters of ASCII."""
    if isinstance(value, str):
        return json.dumps(value) if len(value) <= 50 else f"{json.dumps(value[:50])}..."
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else "a very large integer"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return "an object" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def listed(choices: Iterable[object]) -> str:
    """The choices as a message lists them."""
    shown = [show(choice) for choice in choices]
    more = len(shown) - SHOWN
    return ", ".join(shown[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def pointed(pointer: str, key: str | int) -> str:
    """The JSON pointer of a member or item of what ``pointer`` points at (RFC 6901)."""
    name = key[:LONGEST_NAME] if isinstance(key, str) else show(key)
    printable = name.encode(
        "utf-8", "backslashreplace"
    ).decode()  # a lone surrogate would break whoever sends the message on
    return f"{pointer}/{printable.replace('~', '~0').replace('/', '~1')}"


def read_object(
    value: object, pointer: str, refuse: type[Invalid], *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """``value``, which is an object with the required members and no others but the optional ones."""
    allowed = listed(required + optional)
    if not isinstance(value, Mapping):
        raise refuse(pointer, f"must be an object with {allowed}, not {show(value)}")
    for key in value:
        if key not in required and key not in optional:
            raise refuse(pointed(pointer, key), f"is unknown here; allowed: {allowed}")
    for key in required:
        if key not in value:
            raise refuse(pointed(pointer, key), f"is missing; required: {listed(required)}")
    return value


def read_list(value: object, pointer: str, refuse: type[Invalid], *, least: int, most: int, of: str) -> list[Any]:
    """``value``, which is a list of ``least`` to ``most`` items (``of`` says of what, in the plural)."""
    wanted = f"{least}" if least == most else f"{least} to {most:,}"
    if not isinstance(value, list | tuple):
        raise refuse(pointer, f"must be a list of {wanted} {of}, not {show(value)}")
    if not least <= len(value) <= most:
        raise refuse(pointer, f"must be a list of {wanted} {of}, not of {len(value)}")
    return list(value)


def read_int(value: object, pointer: str, refuse: type[Invalid], *, least: int, most: int) -> int:
    """``value``, which is an integer in the range; true and 4.0 are none."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise refuse(pointer, f"must be an integer from {least} to {most}, not {show(value)}")
    return int(value)


def is_name(value: object) -> bool:
    """Whether ``value`` is a string that prints and stores anywhere: no control characters, no lone surrogates."""
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_NAME and value.isprintable()


def read_name(value: object, pointer: str, refuse: type[Invalid]) -> str:
    """``value``, which is a name."""
    if not is_name(value):
        raise refuse(pointer, f"must be a string of {NAME}, not {show(value)}")
    return str(value)


def read_scalar(value: object, pointer: str, refuse: type[Invalid]) -> Scalar:
    """``value``, which is a name, a boolean or a number up to 2^53; a whole number is an integer, however it was written."""
    if isinstance(value, bool) or (isinstance(value, str) and is_name(value)):
        return value
    if not isinstance(value, int | float) or not abs(value) <= LARGEST:  # not <=, so that NaN is out too
        raise refuse(pointer, f"must be a name ({NAME}), a boolean or a number up to 2^53, not {show(value)}")
    return int(value) if value == int(value) else float(value)


def scalar_key(value: object) -> tuple[str, Scalar] | None:
    """What makes two JSON scalars the same: kind and value, so that 1.0 is 1 but true is not; None for what is no scalar."""
    if isinstance(value, str | bool):
        return type(value).__name__, value
    return ("number", value) if isinstance(value, int | float) else None
