"""How studies and trials show themselves in a notebook: small tables with the picture of a cell. Whatever was written by people is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bonanza.notebook.record import facts, table
from bonanza.spaces import InvalidSpace, draw, space_from_spec
from bonanza.spaces.base import InvalidArchitecture

if TYPE_CHECKING:
    from bonanza.study import Study
    from bonanza.trial import Trial


def study(shown: Study) -> str:
    """The study as it was last read, and its best cell where its space is at hand. Asks the server nothing."""
    info = shown.info
    ended = {state: count for state, count in info.trials.items() if count}
    rows = {
        "state": info.state + (f": {info.state_reason}" if info.state_reason else ""),
        "space": str((info.space or {}).get("kind", "")),
        "strategy": str(info.strategy.get("name", "")),
        "trials": ", ".join(f"{count} {state}" for state, count in ended.items()) or "none yet",
        f"best {info.objective.name}": "" if info.best is None else f"{info.best.value:g} (trial {info.best.number})",
        "tags": ", ".join(info.tags),
        "description": info.description,
    }
    picture = ""
    if info.best is not None and info.space is not None:
        picture = _picture(info.space, info.best.architecture)
    return _side_by_side(table(info.name, rows), picture)


def trial(shown: Trial) -> str:
    """The trial with its cell."""
    return _side_by_side(table(f"trial {shown.number} of {shown.study.name}", facts(shown.record)), draw(shown.arch))


def _picture(space: dict[str, object], architecture: dict[str, object]) -> str:
    try:
        return draw(space_from_spec(space).validate(architecture))
    except (InvalidSpace, InvalidArchitecture):  # of a newer server: a picture is no reason to fail
        return ""


def _side_by_side(table: str, picture: str) -> str:
    return f'<div style="display:flex;gap:24px;align-items:flex-start">{table}{picture}</div>'
