"""What ``bonanza bench`` refuses."""

from __future__ import annotations

from bonanza.errors import BonanzaError


class CannotBench(BonanzaError):
    """The benchmark cannot be run as asked; the message says what to do."""
