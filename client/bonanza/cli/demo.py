"""``bonanza demo``."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from bonanza.cli.console import console


def demo(
    train: Annotated[
        str | None,
        typer.Option(
            help="Train real networks on the CPU instead of reading a table: [bold]digits[/]. 20 trials, two workers.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of both searches.", min=0)] = 0,
    trials: Annotated[
        int | None,
        typer.Option(help="Of each search.  [dim]\\[default: 100; 20 with --train][/]", min=1, show_default=False),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Worker processes.  [dim]\\[default: 4; 2 with --train][/]", min=1, max=64, show_default=False
        ),
    ] = None,
    dataset: Annotated[
        Literal["cifar10", "cifar100", "imagenet16-120"], typer.Option(help="The table's data set.")
    ] = "cifar10",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object last; everything else goes to standard error.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the database and the logs, and say where.")] = False,
) -> None:
    """A whole search in about a minute: a server, four workers, BANANAS against random search on NAS-Bench-201."""
    from bonanza.demo.run import run
    from bonanza.demo.setting import Setting

    setting = Setting.of(train=train, seed=seed, trials=trials, workers=workers, dataset=dataset)
    screen = console(stderr=as_json)
    try:
        report = run(setting, screen, keep=keep)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None  # as a shell says it: 128 and SIGINT
    report.print(screen)
    if as_json:
        typer.echo(json.dumps(report.json()))
