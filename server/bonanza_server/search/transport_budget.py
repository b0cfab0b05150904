"""How many networks NASBOT can afford to compare.

A distance of two networks is four transport problems between their layers, whose time grows with the arcs, the products of the numbers of layers.
What is spent is bounded in arcs, not in seconds: the same history must give the same proposals on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from bonanza.spaces import Architecture, LabelledDag
from bonanza_server.search.batch import GREEDY
from bonanza_server.search.otmann import KEPT_GRAPHS

ARCS = 1_500_000
"""Arcs of the transport problems that the optimiser may solve for one proposal, some half a second, unless ``LEAST_TRIED`` networks have more."""
ARCS_A_PAIR = 140
"""What a pair costs besides the arcs between its layers, in arcs."""
LEAST_TRIED = 24
"""Networks that are tried whatever they cost."""
FIT_ARCS = 26_500_000
"""Arcs of a fit and a batch after it, nothing being remembered; of observations that make more, not all are fitted to. 200 networks of 21 layers make so many."""
TRIED_PER_PROPOSAL = 2
"""Networks that are tried for each proposal of a batch that is chosen one by one."""
FEW = 16
"""The best observations, by which the last of many proposals are ranked; no process is fitted to fewer for its cost."""


def affordable(layers: float) -> int:
    """How many networks of so many layers the process can be fitted to: f, where f²/2 pairs in the fit and f for each of a batch's make ``FIT_ARCS``."""
    tried, pairs = TRIED_PER_PROPOSAL * GREEDY, FIT_ARCS / (ARCS_A_PAIR + layers**2)
    return max(int((tried**2 + 2.0 * pairs) ** 0.5) - tried, FEW)


def transport_arcs(cells: Sequence[Architecture]) -> int:
    """What the distances of one more network of usual size to ``cells`` cost."""
    sizes = [len(canonical(cell).labels) for cell in cells]
    return ARCS_A_PAIR * len(sizes) + sum(sizes) ** 2 // len(sizes)


def evaluations(observations: int, arcs_each: int, n: int, most: int) -> int:
    """How many networks the optimiser tries for ``n`` proposals: the original's 25 sqrt(t), or as many as ``ARCS`` pays for."""
    original = min(max(25.0 * np.sqrt(observations), 50.0), most)
    paid = max(ARCS // arcs_each, LEAST_TRIED)
    return max(int(min(original, paid)), TRIED_PER_PROPOSAL * min(n, GREEDY))


@lru_cache(maxsize=KEPT_GRAPHS)
def canonical(cell: Architecture) -> LabelledDag:
    """The simplified graph of ``cell`` in canonical order; kept, because each is compared with hundreds, one batch after the other."""
    return cell.space.canonical(cell)
