"""``bonanza bench``: handed over to the server's half, which has the strategies."""

from __future__ import annotations

import json
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bonanza.cli.options import spec
from bonanza.cli.serve import needing


class Noise(StrEnum):
    """What a trial's value is."""

    MEAN = "mean"
    SEED = "seed"


def bench(
    table: Annotated[
        str,
        typer.Argument(
            help="[bold]nasbench201[/], NATS-Bench's folder or [bold].pickle.pbz2[/], NAS-Bench-101's [bold].tfrecord[/] or [bold].npz[/], "
            "or a file of JSON lines.",
            show_default=False,
        ),
    ],
    strategies: Annotated[
        str, typer.Option(help="Strategies, by commas; options after colons: [bold]bananas:loss=mae[/].")
    ] = "bonanza,bananas,random",
    peers: Annotated[
        str, typer.Option(help="Peers, by commas: [bold]optuna[/], [bold]smac[/].", show_default=False)
    ] = "",
    dataset: Annotated[str, typer.Option(help="Of NAS-Bench-201: cifar10, cifar100 or imagenet16-120.")] = "cifar10",
    space: Annotated[
        str | None,
        typer.Option(help="Space of a file's architectures: a kind, JSON, or @FILE.", show_default=False),
    ] = None,
    minimize: Annotated[bool, typer.Option("--minimize", help="A file's smaller values are better.")] = False,
    seeds: Annotated[int, typer.Option(help="Searches of each contestant.", min=1)] = 30,
    first_seed: Annotated[int, typer.Option(help="The first of the seeds.", min=0)] = 0,
    trials: Annotated[int, typer.Option(help="Budget within which regrets are read.", min=1)] = 150,
    cap: Annotated[
        int, typer.Option(help="Queries after which a search for the optimum is given up (--noise mean).", min=1)
    ] = 300,
    workers: Annotated[int, typer.Option(help="Trainings at once, on a virtual clock.", min=1, max=1024)] = 1,
    noise: Annotated[
        Noise, typer.Option(help="A trial's value: the mean of a cell's measurements, or one of them.")
    ] = Noise.MEAN,
    confirm: Annotated[
        str | None,
        typer.Option(
            help="[bold]8x3[/]: the last 24 trials measure the 8 best cells of each contestant 3 times more (--noise seed).",
            show_default=False,
        ),
    ] = None,
    targets: Annotated[
        str, typer.Option(help="Distances from the optimum, by commas, to within which queries are counted.")
    ] = "0.1",
    features: Annotated[
        str | None,
        typer.Option(
            help="JSON lines of features, as [bold]bonanza score[/] writes them, that our strategies are told beforehand.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    through_server: Annotated[
        bool,
        typer.Option(
            "--through-server", help="Ask strategies over HTTP, of a server on SQLite that is started for it."
        ),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Searches run at once; default: one a core.", min=1, show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the outcomes; what is there is not run again.")] = Path("bench"),
) -> None:
    """Compare strategies, and peers, on a table of trained architectures.

    Prints a Markdown report and keeps every search as a line of OUT/runs.jsonl. Interrupted, it goes on where it was. A search that has
    measured the optimum ends there (--noise mean).
    """
    with needing("server"):
        from bonanza_server.bench import command
        from bonanza_server.bench.contestant import Confirm
        from bonanza_server.bench.race import Terms
    command.bench(
        table=command.TableArguments(
            table, dataset, json.dumps(spec(space or "nasbench201", "kind")), not minimize, features
        ),
        strategies=_names(strategies),
        peers=_names(peers),
        seeds=seeds,
        first_seed=first_seed,
        terms=Terms(
            trials=trials,
            cap=max(cap, trials),
            workers=workers,
            mean=noise is Noise.MEAN,
            confirm=None if confirm is None else Confirm(*_sides(confirm, trials, noise)),
            through_server=through_server,
        ),
        targets=[_distance(text) for text in _names(targets)],
        jobs=jobs or os.cpu_count() or 1,
        folder=out,
    )


def _sides(text: str, trials: int, noise: Noise) -> tuple[int, int]:
    """Cells and measurements of ``8x3``."""
    found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not CELLSxTIMES, as in 8x3", param_hint="--confirm")
    top, times = int(found[1]), int(found[2])
    if noise is Noise.MEAN:
        raise typer.BadParameter("means need no confirmation: add --noise seed", param_hint="--confirm")
    if top * times >= trials:
        raise typer.BadParameter(
            f"{text} takes {top * times} of {trials} trials and leaves none to search with", param_hint="--confirm"
        )
    return top, times


def _distance(text: str) -> float:
    try:
        distance = float(text)
    except ValueError:
        distance = -1.0
    if not 0.0 <= distance < float("inf"):
        raise typer.BadParameter(f"{text!r} is no distance: write numbers from 0, by commas", param_hint="--targets")
    return distance


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
