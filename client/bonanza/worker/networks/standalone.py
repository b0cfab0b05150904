"""A network's code by itself: what of our own source its class needs, and the values it is made of, in one file.

The file imports torch and nothing else. A table of ours, such as of the ops by name, keeps the rows that the values name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


def standalone(network: type[nn.Module], arguments: Mapping[str, Any], title: str) -> str:
    """The file's text."""
    raise NotImplementedError
