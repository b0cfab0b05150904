"""``bonanza study features``: tell what is known of architectures without training them, and see what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from bonanza.cli.console import console, say, table
from bonanza.cli.options import DEFAULT_SERVER, AsJson, Key, Server
from bonanza.cli.study import Name, connect, print_json
from bonanza.known import read


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
    with connect(server, key) as client:
        study = client.study(name)
        given = [] if file is None else list(read(Path(file), study.space))  # all of it, before any is told
        changed = study.tell_features(given).changed if given else 0
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
