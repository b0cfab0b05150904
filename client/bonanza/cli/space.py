"""``bonanza space``: look at search spaces, sample them, check and draw architectures; without a server."""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from bonanza.cli.console import console, say, table
from bonanza.cli.options import AsJson, file_text, spec
from bonanza.cli.study import print_json
from bonanza.errors import InvalidRequest
from bonanza.spaces import (
    Architecture,
    InvalidArchitecture,
    InvalidSpace,
    Kind,
    SearchSpace,
    draw,
    space_from_spec,
    space_kind,
    space_kinds,
    to_dot,
)

app = typer.Typer(
    help="Look at search spaces; sample, check and draw architectures. No server needed.", no_args_is_help=True
)

Spec = Annotated[
    str,
    typer.Argument(
        metavar="SPACE",
        help="Search space: a kind such as [bold]nasbench201[/], JSON, FILE.json or @FILE.",
        show_default=False,
    ),
]


@app.command()
def show(
    kind: Annotated[
        str | None, typer.Argument(help="A kind of space; all of them if left out.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead, with the JSON Schemas.")] = False,
) -> None:
    """Show the kinds of search space, or one kind with an example to copy and its schemas."""
    if kind is None:
        kinds = space_kinds()
        if as_json:
            print_json({"spaces": [described(found) for found in kinds]})
            return
        console().print(table("kind", "what it is", rows=[(found.name, found.description) for found in kinds]))
        say("", "One of them with an example: [cyan]bonanza space show KIND[/]")
        return
    try:
        found = space_kind(kind)
    except InvalidSpace as error:
        raise InvalidRequest(f"the kind of a space {error.message}") from error
    if as_json:
        schemas = {"spec_schema": found.spec_schema, "architecture_schema": found.architecture_schema}
        print_json(described(found) | schemas)
        return
    space = space_from_spec(found.example)
    facts = [
        ("kind", found.name),
        ("what it is", found.description),
        ("example", json.dumps(found.example, ensure_ascii=False)),
        ("its size", sized(space)),
        ("a sample", space.sample(random.Random(0)).text),
    ]
    say(*(f"[bold]{label:<11}[/] {escape(value)}" for label, value in facts))
    say("", f"The JSON Schemas of its spaces and architectures: [cyan]bonanza space show {found.name} --json[/]")


@app.command()
def sample(
    space: Spec,
    count: Annotated[int, typer.Option("-n", "--count", help="How many.", min=1)] = 5,
    seed: Annotated[int, typer.Option(help="The same seed draws the same.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw architectures at random, each uniformly from all that can be written."""
    drawn_from = parsed(space)
    rng = random.Random(seed)
    drawn = [drawn_from.sample(rng) for _ in range(count)]
    if as_json:
        print_json({"architectures": [forms(arch) for arch in drawn]})
        return
    say(f"[bold]{'id':<21} architecture[/]", *(f"{arch.arch_id:<21} {escape(arch.text)}" for arch in drawn))


@app.command()
def validate(
    space: Spec,
    architecture: Annotated[
        str,
        typer.Argument(
            metavar="ARCHITECTURE",
            help="The space's official string, JSON, @FILE, or [bold]-[/] for standard input.",
            show_default=False,
        ),
    ],
    svg: Annotated[
        Path | None, typer.Option(help="Write a picture of it, for people.", metavar="FILE", show_default=False)
    ] = None,
    dot: Annotated[
        Path | None, typer.Option(help="Write its graph in Graphviz's language.", metavar="FILE", show_default=False)
    ] = None,
    simplified: Annotated[
        bool, typer.Option("--simplified", help="Draw the simplified network, not every op that was written.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check an architecture: print its id, its normal form and what it costs; draw it if you like."""
    arch = read(parsed(space), architecture)
    for path, picture in ((svg, draw), (dot, to_dot)):
        if path is not None:
            write(path, picture(arch, simplified=simplified))
    cost = arch.space.cost(arch)
    if as_json:
        known = {"parameters": None, "flops": None} if cost is None else cost._asdict()
        print_json(forms(arch) | known)
        return
    facts = [
        ("id", arch.arch_id),
        ("text", arch.text),
        ("JSON", json.dumps(arch.json, ensure_ascii=False)),
        ("ops", ops_of(arch)),
        ("parameters", "no formula is known for this space" if cost is None else f"{cost.parameters:,}"),
        ("FLOPs", "no formula is known for this space" if cost is None else f"{cost.flops:,} multiply-adds an input"),
        ("space", f"{arch.space.kind}, {sized(arch.space)}"),
    ]
    say(*(f"[bold]{label:<11}[/] {escape(value)}" for label, value in facts))
    say(*(f"[green]wrote[/] {escape(str(path))}" for path in (svg, dot) if path is not None))


def parsed(text: str) -> SearchSpace:
    """The space that an argument names.

    Raises:
        InvalidRequest: there is none; the message says where an example is.
    """
    is_file = not text.lstrip().startswith(("{", "@")) and text.endswith(".json")
    given = spec(f"@{text}" if is_file else text, "kind")
    try:
        return space_from_spec(given)
    except InvalidSpace as error:
        known = [kind.name for kind in space_kinds() if kind.name == given.get("kind")]
        refused = InvalidRequest(f"no search space: {error}")
        refused.add_note(f"An example: bonanza space show {known[0]}" if known else "What there is: bonanza space show")
        raise refused from error


def read(space: SearchSpace, text: str) -> Architecture:
    """The architecture that an argument names.

    Raises:
        InvalidRequest: there is none of ``space``.
    """
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        text = file_text(text[1:])
    text = text.strip()
    value: Any = text
    if text.startswith(("{", "[")):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"{text[:60]} is no JSON: {error}") from error
    try:
        return space.validate(value)
    except InvalidArchitecture as error:
        refused = InvalidRequest(f"no architecture of this space: {error}")
        refused.add_note(f"One is, for example: {space.sample(random.Random(0)).text}")
        raise refused from error


def write(path: Path, text: str) -> None:
    """Write a file.

    Raises:
        InvalidRequest: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"cannot write {path}: {error.strerror}") from error


def forms(arch: Architecture) -> dict[str, Any]:
    """An architecture as the API answers it."""
    return {"architecture": arch.json, "text": arch.text, "arch_id": arch.arch_id}


def described(kind: Kind) -> dict[str, Any]:
    """A kind as the API lists it."""
    return {"kind": kind.name, "description": kind.description, "example": kind.example}


def ops_of(arch: Architecture) -> str:
    """How many ops there are, and how many of them count."""
    space = arch.space
    count, left = len(space.graph(arch).labels) - 2, len(space.canonical(arch).labels) - 2
    return f"{count}" if left == count else f"{count}; {left} without dead parts and identities"


def sized(space: SearchSpace) -> str:
    """How many architectures a space has."""
    size = space.size
    if size is None:
        return "endless, or too many to count"
    if size >= 10**15:  # in powers of ten, from the bits: Python prints no integer of more than 4,300 digits
        return f"about 10^{int(size.bit_length() * math.log10(2))} architectures"
    return "1 architecture" if size == 1 else f"{size:,} architectures"
