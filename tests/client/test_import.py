"""What a trainer's environment must carry for ``import bonanza``: little, and the same every time."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import bonanza

HEAVY = {"torch", "numpy", "sqlalchemy", "fastapi", "alembic", "sklearn", "typer", "bonanza_server"}


def test_the_sdk_loads_neither_torch_nor_numpy_nor_sqlalchemy():
    script = "import sys, bonanza; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "httpx" in loaded
    assert HEAVY.isdisjoint(loaded)


def test_the_exported_names_are_sorted_and_all_there():
    assert bonanza.__all__ == sorted(bonanza.__all__)
    assert all(hasattr(bonanza, name) for name in bonanza.__all__)


def test_every_error_is_exported():
    named = {
        c.__name__ for c in vars(bonanza.errors).values() if isinstance(c, type) and issubclass(c, bonanza.BonanzaError)
    }
    assert named <= set(bonanza.__all__)


def test_the_version_is_that_of_the_distribution():
    assert bonanza.__version__ == importlib.metadata.version("bonanza")
