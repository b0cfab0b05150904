"""A network before it is built: the class, and the plain values it is made of.

Whoever builds it calls the class; whoever exports it prints the class's source and the values. One class for both is why the exported
network has the same weights under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from bonanza.worker.networks.standalone import standalone


@dataclass(frozen=True)
class Recipe:
    """``arguments`` are JSON's scalars, lists, tuples and dictionaries of them; ``title`` says to people what it is."""

    network: type[nn.Module]
    arguments: Mapping[str, Any]
    title: str

    def build(self) -> nn.Module:
        """The network."""
        return self.network(**self.arguments)

    def source(self) -> str:
        """A file whose ``network()`` is the network."""
        return standalone(self.network, self.arguments, self.title)
