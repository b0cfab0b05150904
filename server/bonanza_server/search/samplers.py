"""The samplers of BONAS: which cells are offered to the acquisition function.

Shi et al. 2020 (arXiv 1911.09336), section 3.3; released code: samplers/EA_sampler.py. The evolutionary one mutates the winner of a tournament in an ageing
population of measured cells (30 and 10), the random one draws from the space, a third is in ``policy_sampler``.

Deviations: the population is the newest results, so nothing is kept between proposals; where the winner has too few children that are new, the
winners of further tournaments are mutated too, with more edits in the end, where the code makes do with however few it found in 30,000 mutations.
"""

from __future__ import annotations

import random

from bonanza.spaces import Architecture
from bonanza_server.search.acqopt import Unseen, filled_up, unseen_samples
from bonanza_server.search.history import History

POPULATION = 30
TOURNAMENT = 10
CHILDREN = 200
"""Mutants tried of one winner."""
TOURNAMENTS = 30
"""After which the rest of the pool is drawn at random."""


def sampled(history: History, n: int, rng: random.Random) -> list[Architecture]:
    """``n`` distinct unseen cells as the space samples them, fewer only where it holds no more."""
    return unseen_samples(history.space, history.seen, n, rng)


def evolved(history: History, n: int, rng: random.Random) -> list[Architecture]:
    """``n`` distinct unseen children of measured cells, filled up with samples; fewer only where the space holds no more."""
    population = history.observations[-POPULATION:]
    rank = {observed.number: place for place, observed in enumerate(history.best_first)}
    unseen = Unseen(history.seen)
    for played in range(TOURNAMENTS if population else 0):
        if len(unseen.found) >= n:
            break
        tournament = rng.sample(population, min(TOURNAMENT, len(population)))
        winner = min(tournament, key=lambda observed: rank[observed.number]).architecture
        for _ in range(CHILDREN):
            unseen.offer(history.space.mutate(winner, rng, rate=1.0 + played // 10))
    return filled_up(history, unseen.found[:n], n, rng)
