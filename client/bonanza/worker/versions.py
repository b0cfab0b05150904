"""The versions that a training's result may hang on."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Final

from bonanza.version import __version__
from bonanza.worker.gpus import driver_version

PACKAGES: Final = ("torch", "numpy")


def versions() -> dict[str, str]:
    """Of Bonanza, Python, the libraries a training uses and the driver, where they are installed. None of them is imported for it."""
    found = {"bonanza": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    driver = driver_version()
    return found | ({} if driver is None else {"driver": driver})
