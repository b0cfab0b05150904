"""The version of this distribution; client and server are released together."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
"""A test compares it with the installed distribution, which reading here would cost every import."""
