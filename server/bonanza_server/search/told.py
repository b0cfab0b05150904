"""A study's results as a Gaussian process is fitted to them: some of the observations, with their targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bonanza.spaces import Architecture
from bonanza_server.search.history import Observation
from bonanza_server.search.surrogates.gaussian_process import subset
from bonanza_server.search.upper_scale import UpperScale


@dataclass(frozen=True)
class Told:
    """Some of a study's observations, and their targets on the scale of all of them; (n,)."""

    observations: tuple[Observation, ...]
    targets: NDArray[np.float64]
    scale: UpperScale

    @classmethod
    def of(cls, observations: Sequence[Observation], *, maximize: bool, most: int) -> Told:
        """``most`` of them."""
        values = [observed.value for observed in observations]
        scale = UpperScale.of(values, maximize=maximize)
        targets = scale.targets(values)
        rows = subset(targets, most)
        return cls(tuple(observations[row] for row in rows), targets[rows], scale)

    @property
    def cells(self) -> list[Architecture]:
        """What was observed."""
        return [observed.architecture for observed in self.observations]
