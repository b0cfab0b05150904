"""``bonanza export-code``: an architecture's network as a PyTorch file; without a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from bonanza.cli import space as spaces
from bonanza.cli.console import say
from bonanza.cli.serve import needing
from bonanza.errors import InvalidRequest
from bonanza.spaces import Architecture, SearchSpace
from bonanza.spaces.recurrent import WIDTH


def export_code(
    architecture: Annotated[
        str,
        typer.Argument(
            metavar="ARCH",
            help="The space's official string or genotype, JSON, @FILE, or [bold]-[/] for standard input.",
            show_default=False,
        ),
    ],
    space: Annotated[
        str,
        typer.Option(
            metavar="KIND", help="Its space: a kind such as [bold]darts[/], JSON, or @FILE.", show_default=False
        ),
    ],
    classes: Annotated[int, typer.Option(help="Classes of the images.", min=1)] = 10,
    image: Annotated[str, typer.Option(help="Channels, height and width of the images.", metavar="CxHxW")] = "3x32x32",
    channels: Annotated[
        int | None,
        typer.Option(help="Width of the first stage, or of a language model.", min=1, show_default="the published"),
    ] = None,
    cells: Annotated[
        int | None,
        typer.Option(
            help="Cells a stage, or in all, or layers of a language model.", min=1, show_default="the published"
        ),
    ] = None,
    auxiliary: Annotated[
        bool, typer.Option("--auxiliary", help="With the auxiliary tower: [bold]darts[/], [bold]nasnet[/].")
    ] = False,
    dead_ops: Annotated[
        bool,
        typer.Option("--dead-ops", help="With the ops that add nothing, as published counts of parameters have them."),
    ] = False,
    tokens: Annotated[int, typer.Option(help="Vocabulary of a language model: [bold]recurrent[/].", min=1)] = 10_000,
    out: Annotated[
        Path | None,
        typer.Option(help="The file; default: standard output.", metavar="FILE", show_default=False),
    ] = None,
) -> None:
    """Write an architecture's network as one Python file that needs PyTorch and nothing else.

    Its function network() builds the network that the worker trains, with the same names in its state_dict.
    """
    searched = spaces.parsed(space)
    source = code(
        searched,
        spaces.read(searched, architecture),
        classes=classes,
        shape=parsed_shape(image),
        channels=channels,
        cells=cells,
        auxiliary=auxiliary,
        dead_ops=dead_ops,
        tokens=tokens,
    )
    if out is None:
        typer.echo(source, nl=False)
        return
    spaces.write(out, source)
    say(f"[green]wrote[/] {escape(str(out))}: [cyan]python {escape(str(out))}[/] prints the network")


def code(
    space: SearchSpace,
    architecture: Architecture,
    *,
    classes: int,
    shape: tuple[int, int, int],
    channels: int | None,
    cells: int | None,
    auxiliary: bool,
    dead_ops: bool,
    tokens: int,
) -> str:
    """The file's text.

    Raises:
        InvalidRequest: there is no such network.
        MissingExtra: torch is not installed.
    """
    from bonanza.worker.networks import NoNetwork, Skeleton, export_code, export_language_model

    with needing("worker"):
        try:
            if space.kind == "recurrent":
                return export_language_model(
                    space, architecture, tokens=tokens, width=channels or WIDTH, layers=cells or 1
                )
            skeleton = Skeleton(channels, cells, auxiliary=auxiliary, dead_ops=dead_ops)
            return export_code(space, architecture, skeleton=skeleton, classes=classes, shape=shape)
        except NoNetwork as error:
            raise InvalidRequest(str(error)) from error


def parsed_shape(text: str) -> tuple[int, int, int]:
    """Channels, height and width of "3x32x32".

    Raises:
        InvalidRequest: it is written otherwise.
    """
    sides = re.fullmatch(r"(?a)(\d{1,5})x(\d{1,5})x(\d{1,5})", text)
    if sides is None:
        raise InvalidRequest(f"--image is CHANNELSxHEIGHTxWIDTH, such as 3x32x32, not {text!r}")
    channels, height, width = map(int, sides.groups())
    if min(channels, height, width) < 1:
        raise InvalidRequest(f"--image has 1 or more channels and pixels each way, not {text!r}")
    return channels, height, width
