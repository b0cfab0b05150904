"""The command line: ``bonanza serve``, ``worker``, ``train``, ``bench``, ``study``, ``space``, ``score``, ``export-code``, ``demo``, ``db``, ``key``, ``version``.

A command decodes, calls once, prints. What goes wrong on purpose is a ``BonanzaError``, and ends as one red line and exit code 1.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bonanza.cli import (
    bench,
    db,
    demo,
    evaluate,
    export_code,
    features,
    key,
    replay,
    score,
    serve,
    space,
    study,
    train,
    worker,
)
from bonanza.cli.console import say_error
from bonanza.errors import BonanzaError
from bonanza.version import __version__

app = typer.Typer(
    help="The neural architecture search server: ask what to train next, tell the accuracy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # an unexpected error is a bug, and a plain traceback reports it best
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    epilog="Try [bold]bonanza demo[/]: a whole search in about a minute.",
)
app.command(rich_help_panel="Run")(serve.serve)
app.add_typer(worker.app, name="worker", rich_help_panel="Run")
app.command(rich_help_panel="Run")(train.train)
app.command(rich_help_panel="Run")(demo.demo)
app.command(rich_help_panel="Run")(bench.bench)
app.command(rich_help_panel="Run")(evaluate.evaluate)
app.command("export-code", rich_help_panel="Look and steer")(export_code.export_code)
app.command(rich_help_panel="Run")(score.score)
app.command(rich_help_panel="Look and steer")(replay.replay)
study.app.command()(features.features)
app.add_typer(study.app, name="study", rich_help_panel="Look and steer")
app.add_typer(space.app, name="space", rich_help_panel="Look and steer")
app.add_typer(db.app, name="db", rich_help_panel="Look and steer")
app.add_typer(key.app, name="key", rich_help_panel="Look and steer")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bonanza {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command."""


@app.command(rich_help_panel="Look and steer")
def version() -> None:
    """Print the version."""
    _print_version(wanted=True)


def main() -> None:
    """The console script."""
    try:
        app(prog_name="bonanza")
    except BonanzaError as error:
        say_error(error)
        sys.exit(1)
