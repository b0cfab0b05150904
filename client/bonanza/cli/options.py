"""Options that several commands share, and what they mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from bonanza.client import DEFAULT_SERVER
from bonanza.errors import InvalidRequest

Server = Annotated[str, typer.Option(help="Address of the server.", envvar="BONANZA_SERVER", show_default=True)]
Key = Annotated[
    str | None, typer.Option(help="Key of the server, if it needs one.", envvar="BONANZA_KEY", show_default=False)
]
Database = Annotated[
    str | None,
    typer.Option(
        help="Database: [bold]sqlite:///FILE[/] or [bold]postgresql://USER:PASSWORD@HOST/NAME[/].",
        envvar="BONANZA_DATABASE_URL",
        show_default="sqlite:///bonanza.db",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's JSON instead.")]

__all__ = ["DEFAULT_SERVER", "AsJson", "Database", "Key", "Server", "file_text", "spec", "write_file"]


def spec(text: str, label: str) -> dict[str, Any]:
    """What an option says of a space or a strategy: one word (``nasbench201``), JSON, or ``@FILE`` with JSON in it.

    Raises:
        InvalidRequest: the file cannot be read, or it is no JSON object.
    """
    if text.startswith("@"):
        text = file_text(text[1:])
    elif not text.lstrip().startswith("{"):
        return {label: text}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{text.strip()[:60]} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidRequest(f'a JSON object is needed here, like {{"{label}": …}}, not {text.strip()[:60]}')
    return found


def file_text(name: str) -> str:
    """What is in a text file.

    Raises:
        InvalidRequest: it cannot be read.
    """
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"cannot read {name}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidRequest(f"cannot read {name}: it is no UTF-8 text") from error


def write_file(name: str, text: str) -> None:
    """Write a text file.

    Raises:
        InvalidRequest: it cannot be written.
    """
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"cannot write {name}: {error.strerror}") from error
