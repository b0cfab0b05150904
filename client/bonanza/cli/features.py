"""``bonanza study features``: tell what is known of architectures without training them, and see what it is worth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import typer
from rich.markup import escape

from bonanza.cli.console import console, say, table
from bonanza.cli.options import DEFAULT_SERVER, AsJson, Key, Server, file_text
from bonanza.cli.study import Name, connect, print_json
from bonanza.errors import InvalidRequest

AT_ONCE = 5_000
"""Cells in one request."""


def features(
    name: Name,
    file: Annotated[
        str | None,
        typer.Argument(
            help='JSON lines to tell: {"architecture": …, "features": {"synflow": 4.1e12}}; without it, what is known is shown.',
            show_default=False,
        ),
    ] = None,
    server: Server = DEFAULT_SERVER,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Tell or show what is known of architectures without training them: zero-cost scores, latencies, early accuracies."""
    given = [] if file is None else list(cells(file))
    with connect(server, key) as client:
        study = client.study(name)
        changed, rest = 0, iter(given)
        while some := list(islice(rest, AT_ONCE)):
            changed += study.tell_features(some).changed
        found = study.features()
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    if file is not None:
        say(f"[green]told[/] {len(given):,} architectures, of {changed:,} something new")
    if not found.features:
        say(
            f"Study {escape(name)} knows no features yet. Tell some: [cyan]bonanza study features {escape(name)} FILE[/]"
        )
        return
    columns = ("feature", "architectures", "measured", "rank correlation")
    rows = ((one.name, one.cells, one.measured, one.rank_correlation) for one in found.features)
    console().print(table(*columns, rows=rows, right=columns[1:]))
    if not found.read:
        say(f"The strategy {escape(study.info.strategy['name'])} does not learn from features; [bold]bonanza[/] does.")


def cells(file: str) -> Iterator[tuple[Any, dict[str, float]]]:
    """The architectures of a file with what is known of each.

    Raises:
        InvalidRequest: a line is not what it should be; nothing was told then.
    """
    for number, line in enumerate(file_text(file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            yield found["architecture"], dict(found["features"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidRequest(
                f'{file}, line {number}: a line is {{"architecture": …, "features": {{"name": number}}}} ({type(error).__name__}: {error})'
            ) from error
