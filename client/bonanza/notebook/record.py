"""A trial as the server answers it, for a notebook: a table of what is known of it, everything escaped. Which space it is of it does not say."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bonanza.schemas.trial import Trial


def record(shown: Trial) -> str:
    """A trial as the server answers it; which space it is of it does not say, so without a picture."""
    return table(f"trial {shown.number}", facts(shown))


def facts(shown: Trial) -> dict[str, str]:
    """What is known of a trial, in words; empty where it is not."""
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


def table(title: str, rows: dict[str, str]) -> str:
    """A small table under its title; rows without a text are left out."""
    lines = "".join(
        f'<tr><th style="text-align:left;font-weight:500">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in rows.items()
        if text
    )
    return f'<table><caption style="text-align:left;font-weight:600">{escape(title)}</caption>{lines}</table>'
