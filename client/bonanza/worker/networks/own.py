"""A network that your own function builds: ``MODULE:FUNCTION``, for spaces of which nobody else knows what they mean.

::

    def network(architecture, *, skeleton, classes, shape):  # shape is (channels, height, width)
        choices = architecture.json["choices"]
        return torch.nn.Sequential(...)

The module is found in the folder the worker was started in, as ``python -m`` would.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from bonanza.spaces import Architecture
from bonanza.worker.networks import NoNetwork, Shape, Skeleton


@dataclass(frozen=True)
class OwnNetwork:
    """What is asked of the function ``builder``."""

    builder: str
    architecture: Architecture
    skeleton: Skeleton
    classes: int
    shape: Shape

    def build(self) -> nn.Module:
        """What the function returns.

        Raises:
            NoNetwork: there is no such function, or what it returns is no module. What it raises itself is passed on.
        """
        network = self._function()(self.architecture, skeleton=self.skeleton, classes=self.classes, shape=self.shape)
        if not isinstance(network, nn.Module):
            raise NoNetwork(f"the builder {self.builder} must return a torch.nn.Module, not {type(network).__name__}")
        return network

    def source(self) -> str:
        """Nothing: the function's source is the user's own.

        Raises:
            NoNetwork: always.
        """
        raise NoNetwork(
            f"the network is built by your own {self.builder}, which is its code already: nothing to export"
        )

    def _function(self) -> Any:
        module_name, _, name = self.builder.partition(":")
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)  # a console script's path has its own folder first, not the one it was started in
        try:
            function = getattr(importlib.import_module(module_name), name)
        except (ImportError, AttributeError) as error:
            raise NoNetwork(
                f"cannot find the builder {self.builder}: {error}. It is FUNCTION in MODULE.py, in the folder where the command was started"
            ) from error
        if not callable(function):
            raise NoNetwork(f"the builder {self.builder} is no function, but {type(function).__name__}")
        return function
