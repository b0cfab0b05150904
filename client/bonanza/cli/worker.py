"""``bonanza worker`` and ``bonanza worker status``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bonanza import schemas
from bonanza.cli.console import cell, console, say, table
from bonanza.cli.options import DEFAULT_SERVER, AsJson, Key, Server
from bonanza.cli.study import connect, print_json
from bonanza.errors import InvalidRequest

EVALUATORS = (
    "What measures an architecture: [bold]train:DATA[/], [bold]python:MODULE:FUNCTION[/], [bold]MODULE:CLASS[/], [bold]command:PROGRAM ARGS…[/], "
    "[bold]tabular:nasbench201/cifar10[/], [bold]tabular:FILE[/] or the name of one that is installed. Default: training on the data of the study's protocol"
)
LOST_S = 120.0
"""A worker that was silent for longer, and has not said goodbye, is lost: it reports every half minute."""

app = typer.Typer(
    help="Measure the trials of a study: ask, train, tell, until it is over.",
    invoke_without_command=True,
    no_args_is_help=False,
)


@app.callback()
def worker(
    context: typer.Context,
    study: Annotated[str | None, typer.Option(help="The study to work on.", show_default=False)] = None,
    evaluator: Annotated[str | None, typer.Option(help=EVALUATORS, show_default=False)] = None,
    server: Server = DEFAULT_SERVER,
    key: Key = None,
    gpus: Annotated[
        str | None,
        typer.Option(help="A slot on each of these GPUs: [bold]all[/], or numbers such as 0,1.", show_default=False),
    ] = None,
    per_gpu: Annotated[int, typer.Option(help="Slots on each GPU.", min=1, max=64)] = 1,
    slots: Annotated[
        int | None, typer.Option(help="So many slots on the CPU instead.", min=1, max=1024, show_default=False)
    ] = None,
    worker_id: Annotated[
        str | None,
        typer.Option(
            help="This worker's name, kept between restarts: it then takes up what it held. Default: host and process.",
            show_default=False,
        ),
    ] = None,
    max_trials: Annotated[
        int | None, typer.Option(help="Stop after so many results, of all slots together.", min=1, show_default=False)
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after one result in each slot.")] = False,
    idle_exit: Annotated[
        float | None,
        typer.Option(help="Stop once no slot has had a trial for so many seconds.", min=0, show_default=False),
    ] = None,
    drain: Annotated[
        bool,
        typer.Option(
            "--drain", help="At the first SIGTERM or Ctrl-C finish the trials under way. SIGUSR1 does so at any time."
        ),
    ] = False,
    quarantine_after: Annotated[
        int,
        typer.Option(
            help="Failures in a row after which a slot rests, for ten minutes and then longer; 0: never.", min=0
        ),
    ] = 5,
    wait: Annotated[float, typer.Option(help="Seconds the server may hold one ask.", min=0, max=50)] = 10.0,
) -> None:
    """Measure the trials of a study: ask, train, tell, until it is over.

    Results are on the disk before they are sent, and what an earlier worker could not send is sent first. SIGTERM or Ctrl-C gives the
    trials under way back. [bold]bonanza worker status[/] shows the workers of a server.
    """
    if context.invoked_subcommand is not None:
        return
    if study is None:
        raise InvalidRequest("say which study to work on: --study NAME (bonanza study list shows them)")
    from bonanza.worker.daemon import run_worker

    raise typer.Exit(
        run_worker(
            server,
            study,
            evaluator,
            worker_id,
            key,
            max_trials,
            wait,
            gpus=gpus,
            per_gpu=per_gpu,
            slots=slots,
            once=once,
            drain=drain,
            idle_exit=idle_exit,
            quarantine_after=quarantine_after or None,
        )
    )


@app.command()
def status(
    study: Annotated[str | None, typer.Option(help="Only the workers of this study.", show_default=False)] = None,
    server: Server = DEFAULT_SERVER,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show the workers of a server: what each slot does, how busy its GPU is, what failed."""
    with connect(server, key) as client:
        found = client.workers(study=study)
    if as_json:
        print_json({"workers": [one.model_dump(mode="json") for one in found]})
    elif not found:
        say(
            f"No worker was heard of in the last week{f' for study {study}' if study else ''}. Start one:",
            f"  [cyan]bonanza worker --server {server} --study {study or 'NAME'} --gpus all[/]",
        )
    else:
        console().print(_table(found))


def _table(workers: list[schemas.Worker]) -> Table:
    columns = (
        "worker",
        "study",
        "seen",
        "slot",
        "state",
        "trial",
        "measured",
        "failed",
        "GPU",
        "memory",
        "last failure",
    )
    made = table(*columns, rows=(), right=("seen", "trial", "measured", "failed", "GPU", "memory"))
    for worker in workers:
        for row in _rows(worker):
            made.add_row(*row)
    return made


def _rows(worker: schemas.Worker) -> Iterator[list[Text]]:
    gpus = {gpu.id: gpu for gpu in worker.gpus}
    head = [worker.id, cell(worker.study), ago(worker.silent_s)]
    lost = worker.silent_s > LOST_S and worker.state != "stopped"
    slots: list[schemas.Slot | None] = [*worker.slots] or [None]
    for slot in slots:
        state = "lost" if lost else worker.state if slot is None or worker.state == "stopped" else slot.state
        gpu = None if slot is None else gpus.get(slot.name.removeprefix("gpu").partition(".")[0])
        if gpu is None and len(gpus) == 1 and len(worker.slots) == 1:
            gpu = next(iter(gpus.values()))
        load = gpu is not None and gpu.utilisation is not None
        memory = gpu is not None and gpu.memory_used_mb is not None and gpu.memory_total_mb is not None
        yield [
            *map(Text, head),
            Text(cell(None) if slot is None else slot.name),
            Text(state, style=_style(state)),
            Text(cell(None if slot is None or state in {"lost", "stopped"} else slot.trial)),
            Text(cell(None if slot is None else slot.measured)),
            Text(cell(None if slot is None else slot.failed)),
            Text(f"{gpu.utilisation:.0f} %" if gpu is not None and load else cell(None)),
            Text(
                f"{(gpu.memory_used_mb or 0) / 1024:.1f} of {(gpu.memory_total_mb or 0) / 1024:.0f} GiB"
                if gpu is not None and memory
                else cell(None)
            ),
            Text((slot.error or "")[:80] if slot is not None else ""),
        ]
        head = ["", "", ""]


def _style(state: str) -> str:
    return {"evaluating": "green", "quarantined": "red", "lost": "red", "draining": "yellow"}.get(state, "")


def ago(seconds: float) -> str:
    """An age as a person says it: ``12 s ago``, ``3 min ago``."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
