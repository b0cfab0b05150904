"""``bonanza worker``."""

from __future__ import annotations

from typing import Annotated

import typer

from bonanza.cli.options import DEFAULT_SERVER, Key, Server

EVALUATORS = (
    "What measures an architecture: [bold]tabular:nasbench201/cifar10[/], [bold]tabular:FILE[/], [bold]train:digits[/], "
    "[bold]python:MODULE:FUNCTION[/], [bold]MODULE:CLASS[/], [bold]command:PROGRAM ARGS…[/], or the name of one that is installed"
)


def worker(
    study: Annotated[str, typer.Option(help="The study to work on.", show_default=False)],
    evaluator: Annotated[str, typer.Option(help=EVALUATORS, show_default=False)],
    server: Server = DEFAULT_SERVER,
    key: Key = None,
    worker_id: Annotated[
        str | None,
        typer.Option(
            help="This worker's name, kept between restarts: it then takes up what it held. Default: host and process.",
            show_default=False,
        ),
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option(help="Stop after so many results.", min=1, show_default=False)
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds the server may hold one ask.", min=0, max=50)] = 10.0,
) -> None:
    """Ask, measure, tell, until the study is over.

    Results are on the disk before they are sent, and what an earlier worker could not send is sent first. SIGTERM or Ctrl-C gives the
    trial under way back.
    """
    from bonanza.worker.daemon import run_worker

    raise typer.Exit(run_worker(server, study, evaluator, worker_id, key, max_trials, wait))
