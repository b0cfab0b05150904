"""``bonanza score``: zero-cost scores of architectures, as features for a study; without a server and without data."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import track

from bonanza.cli import space as spaces
from bonanza.cli.console import console, say
from bonanza.cli.export_code import parsed_shape
from bonanza.cli.serve import needing
from bonanza.errors import InvalidRequest
from bonanza.spaces import Architecture, SearchSpace

PATIENCE = 50
"""Cells drawn for each one wanted, before a space counts as used up."""


def score(
    space: spaces.Spec,
    count: Annotated[
        int, typer.Option("-n", "--count", help="Different architectures to draw; fewer where there are fewer.", min=1)
    ] = 1_000,
    seed: Annotated[int, typer.Option(help="The same seed draws the same.", min=0)] = 0,
    image: Annotated[str, typer.Option(help="Channels, height and width of the images.", metavar="CxHxW")] = "3x32x32",
    channels: Annotated[int, typer.Option(help="Width of the first stage of the networks that are scored.", min=1)] = 8,
    builder: Annotated[
        str | None,
        typer.Option(
            help="Your function that builds the network, where the space has none.",
            metavar="MODULE:FUNCTION",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file, of JSON lines.", metavar="FILE", show_default=True)] = Path(
        "scores.jsonl"
    ),
) -> None:
    """Score random architectures without training them: synflow and naswot, of a small network each.

    A study learns how much the scores say: tell them with [bold]bonanza study features[/].
    """
    with needing("worker"):
        from bonanza.worker import zero_cost
        from bonanza.worker.networks import NoNetwork
    searched, shape = spaces.parsed(space), parsed_shape(image)
    skeleton = zero_cost.small(searched, channels=channels, builder=builder)
    drawn = list(distinct(searched, count, seed))
    try:
        zero_cost.scores(searched, drawn[0], skeleton=skeleton, shape=shape)  # before a file is written over
        written = 0
        with out.open("w", encoding="utf-8") as file:
            for cell in track(drawn, "scoring", console=console(stderr=True)):
                found = zero_cost.scores(searched, cell, skeleton=skeleton, shape=shape)
                if found:
                    file.write(json.dumps({"architecture": cell.json, "features": found}) + "\n")
                    written += 1
    except NoNetwork as error:
        raise InvalidRequest(str(error)) from error
    except OSError as error:
        raise InvalidRequest(f"cannot write {out}: {error.strerror}") from error
    say(
        f"[green]scored[/] {written:,} architectures in {escape(str(out))}. Tell a study of them:",
        f"  [cyan]bonanza study features NAME {escape(str(out))}[/]",
    )


def distinct(space: SearchSpace, count: int, seed: int) -> Iterator[Architecture]:
    """``count`` different cells at random, or as many as were met in ``PATIENCE`` times as many draws."""
    rng, seen = random.Random(seed), set[str]()
    for _ in range(PATIENCE * count):
        cell = space.sample(rng)
        if cell.arch_id not in seen:
            seen.add(cell.arch_id)
            yield cell
        if len(seen) == count:
            return
