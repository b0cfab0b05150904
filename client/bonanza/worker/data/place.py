"""Where data sets lie, and whether what lies there is what it should be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

CHUNK: Final = 1 << 20


class UnusableData(Exception):
    """The data cannot be trained on: missing, corrupt, or not of the shape it should have. The message says what to do."""


def data_folder() -> Path:
    """``BONANZA_DATA``, or ``bonanza/data`` in the user's folder for data."""
    if given := os.environ.get("BONANZA_DATA"):
        return Path(given)
    share = os.environ.get("XDG_DATA_HOME")
    return (Path(share) if share else Path.home() / ".local" / "share") / "bonanza" / "data"


def place(kind: str, where: str) -> Path:
    """The file or folder that is meant; in ``data_folder`` where nothing is said.

    Raises:
        UnusableData: a kind that is nothing without a file of the user's own has none.
    """
    if where:
        return Path(where).expanduser()
    if kind in {"npz", "folder", "text"}:
        raise UnusableData(f"{kind} needs to know where: write {kind}:{'FILE.npz' if kind == 'npz' else 'FOLDER'}")
    return data_folder() / kind


def check_md5(path: Path, expected: str) -> None:
    """Nothing, where the file is the published one.

    Raises:
        UnusableData: it is not.
    """
    digest = hashlib.md5(usedforsecurity=False)  # what is published of these files
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise UnusableData(f"cannot read {path}: {error.strerror}") from error
    if digest.hexdigest() != expected:
        raise UnusableData(
            f"{path} is not the published file: its MD5 is {digest.hexdigest()} instead of {expected}. Delete it and get it again"
        )
