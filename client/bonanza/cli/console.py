"""Where the command line writes: answers to standard output, errors and progress to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

PIPED_WIDTH: Final = 200  # a pipe has no width, and rich's guess of 80 would break an architecture in two


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal, or wide enough for a table where there is none."""
    piped = not (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=PIPED_WIDTH if piped else None, highlight=False)


def say(*lines: str) -> None:
    """Print lines of rich markup, each as one line however long."""
    out = console()
    for line in lines:
        out.print(line, soft_wrap=True)


def say_error(error: BaseException) -> None:
    """One red line: what went wrong and what to do; then the error's notes."""
    err = console(stderr=True)
    err.print(f"[bold red]error:[/] [red]{escape(str(error))}[/]", soft_wrap=True)
    for note in getattr(error, "__notes__", []):
        err.print(escape(note), soft_wrap=True)


def table(*columns: str, rows: Iterable[Iterable[Any]], right: Iterable[str] = ()) -> Table:
    """A table of plain values: None is a dash, floats have two decimals, and nothing is read as markup."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell(value)) for value in row))
    return made


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
