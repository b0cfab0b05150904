"""How studies and trials show themselves in a notebook: small tables with the picture of a cell. Whatever was written by people is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from bonanza import schemas
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
    return _side_by_side(_table(info.name, rows), picture)


def trial(shown: Trial) -> str:
    """The trial with its cell."""
    return _side_by_side(_table(f"trial {shown.number} of {shown.study.name}", _facts(shown.record)), draw(shown.arch))


def record(shown: schemas.Trial) -> str:
    """A trial as the server answers it; which space it is of it does not say, so without a picture."""
    return _table(f"trial {shown.number}", _facts(shown))


def _facts(shown: schemas.Trial) -> dict[str, str]:
    prediction = shown.prediction
    return {
        "state": shown.state,
        "origin": shown.origin,
        "value": "" if shown.value is None else f"{shown.value:g}",
        "predicted": "" if prediction is None else f"{prediction.mean:.4g} ± {prediction.std:.2g}",
        **{name: f"{value:g}" for name, value in shown.metrics.items()},
        **{f"cost, {name}": f"{value:g}" for name, value in shown.cost.items()},
        "error": "" if shown.error is None else str(shown.error.get("message") or shown.error.get("kind") or ""),
        "arch_id": shown.arch_id,
        "note": shown.note,
    }


def _picture(space: dict[str, object], architecture: dict[str, object]) -> str:
    try:
        return draw(space_from_spec(space).validate(architecture))
    except (InvalidSpace, InvalidArchitecture):  # of a newer server: a picture is no reason to fail
        return ""


def _table(title: str, rows: dict[str, str]) -> str:
    lines = "".join(
        f'<tr><th style="text-align:left;font-weight:500">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in rows.items()
        if text
    )
    return f'<table><caption style="text-align:left;font-weight:600">{escape(title)}</caption>{lines}</table>'


def _side_by_side(table: str, picture: str) -> str:
    return f'<div style="display:flex;gap:24px;align-items:flex-start">{table}{picture}</div>'
