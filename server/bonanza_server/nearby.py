"""The measured neighbours of a trial: which cells one edit away the study knows already, and what came of them."""

from __future__ import annotations

from bonanza.schemas import Neighbour, NeighbourList
from bonanza_server.catalogue import Catalogue, NeighboursRequest
from bonanza_server.reading import Reading


class Nearby:
    """Looks for neighbours in the process that knows spaces; what was measured comes from the tables."""

    def __init__(self, reading: Reading, catalogue: Catalogue) -> None:
        """Read with ``reading``, list neighbours with ``catalogue``."""
        self._reading = reading
        self._catalogue = catalogue

    async def of(self, study: str, number: int) -> NeighbourList:
        """The trials of the study's space one edit from trial ``number``, those with values first, best first.

        Raises:
            Refused: there is no such study or trial, or its space is too much for this server.
        """
        trial = await self._reading.trial(study, number)
        known, maximize = await self._reading.cells(study)
        request = NeighboursRequest(await self._reading.space(study), trial.architecture, frozenset(known))
        total, near = await self._catalogue.neighbours(request)
        found = await self._reading.by_number(study, [known[arch_id] for arch_id in near])
        sign = -1.0 if maximize else 1.0
        found.sort(key=lambda other: (other.value is None, sign * (other.value or 0.0), other.number))
        return NeighbourList(
            total=total,
            trials=[
                Neighbour(number=one.number, state=one.state, value=one.value, architecture=one.architecture)
                for one in found
            ],
        )
