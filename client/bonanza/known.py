"""Files of what is known of architectures without training them: JSON lines, ``{"architecture": …, "features": {"synflow": 25.1}}``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

from bonanza.errors import InvalidRequest
from bonanza.spaces import Architecture, InvalidArchitecture, SearchSpace

KnownCell = tuple[Architecture, dict[str, float]]


def read(path: Path, space: SearchSpace, *, others: bool = False) -> Iterator[KnownCell]:
    """The architectures of a file with what is known of each; ``others`` that are not of ``space`` are left out.

    Raises:
        InvalidRequest: the file cannot be read, or a line is not such a one; the message names it.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InvalidRequest(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidRequest(f"cannot read {path}: it is no UTF-8 text") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            given = features(entry["features"])
            yield space.validate(entry["architecture"]), given
        except InvalidArchitecture as error:
            if not others:
                raise InvalidRequest(f"{path}, line {number}: {error}") from error
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidRequest(
                f'{path}, line {number}: a line is {{"architecture": …, "features": {{"name": number}}}} ({type(error).__name__}: {error})'
            ) from error


def features(given: object) -> dict[str, float]:
    """Named finite numbers, at least one.

    Raises:
        ValueError, TypeError, OverflowError: they are none.
    """
    if not isinstance(given, dict) or not given:
        raise TypeError("features are an object of named numbers")
    for name, value in given.items():
        if type(value) not in {int, float}:
            raise TypeError(f"{name} is {value!r}, and no number")
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}: numbers must be finite")
    return {name: float(value) for name, value in given.items()}
