"""``bonanza evaluate``: handed over to the server's half, which has the strategies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from bonanza.cli.options import spec
from bonanza.cli.serve import needing
from bonanza.errors import InvalidRequest

DATASETS = "cifar10,cifar100,imagenet16-120"


def evaluate(
    on: Annotated[
        str,
        typer.Argument(
            help="[bold]nasbench201[/], a file of JSON lines, or an evaluator that trains, such as [bold]train:digits[/].",
        ),
    ] = "nasbench201",
    strategies: Annotated[
        str, typer.Option(help="Strategies, by commas; options after colons: [bold]bananas:loss=mae[/].")
    ] = "bonanza,bananas,bonas,evolution",
    datasets: Annotated[str, typer.Option(help="Of NAS-Bench-201, by commas.")] = DATASETS,
    space: Annotated[
        str | None,
        typer.Option(
            help="Space of a file's or an evaluator's architectures: a kind, JSON, or @FILE.", show_default=False
        ),
    ] = None,
    minimize: Annotated[bool, typer.Option("--minimize", help="Smaller values are better.")] = False,
    runs: Annotated[int, typer.Option(help="Searches of each strategy.", min=1)] = 8,
    baseline: Annotated[
        int | None,
        typer.Option(
            help="Random cells; 8 where networks are trained, 200 on tables, which cost nothing.",
            min=2,
            show_default=False,
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Budget of a search, what is confirmed included.", min=2)] = 100,
    top: Annotated[int, typer.Option(help="Cells confirmed at the end of a search; 0: none.", min=0)] = 5,
    seeds: Annotated[int, typer.Option(help="Further trainings of each.", min=1)] = 3,
    augmentation_seed: Annotated[int, typer.Option(help="Of the last training of every network.", min=0)] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="3 searches of 50 trials on one data set.")] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Searches run at once; default: one a core.", min=1, show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of what is finished; it is not run again.")] = Path("evaluation"),
) -> None:
    """Search against random sampling, as "NAS evaluation is frustratingly hard" asks: writes table 1.

    Each search confirms its best cells within its budget; what it recommends and the random cells are trained with one augmentation seed. Interrupted, it goes
    on where it was; a training that is finished is never done again.
    """
    with needing("server"):
        from bonanza_server.evaluation import command
        from bonanza_server.evaluation.experiment import Terms
    if quick:
        datasets, runs, trials = "cifar10", min(runs, 3), min(trials, 50)
    trains = ":" in on and not Path(on).exists()
    if trains and space is None:
        raise InvalidRequest(
            f"{on} trains architectures of a space: say of which with --space, for example --space nasbench201"
        )
    given = json.dumps(spec(space or "nasbench201", "kind"))
    names = datasets.split(",") if on == "nasbench201" else [on]
    command.evaluate(
        subjects=[command.Subject(on, name.strip(), given, not minimize, out if trains else None) for name in names],
        strategies=[name.strip() for name in strategies.split(",") if name.strip()],
        runs=runs,
        baseline=baseline or (8 if trains else 200),
        terms=Terms(trials=trials, top=top, seeds=seeds, augmentation_seed=augmentation_seed),
        jobs=jobs or os.cpu_count() or 1,
        folder=out,
    )
