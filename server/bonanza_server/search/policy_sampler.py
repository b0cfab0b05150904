"""The reinforcement learning sampler of BONAS: a policy that learns where the acquisition function is high.

Shi et al. 2020 (arXiv 1911.09336), section 3.3; the policy is in ``controller``. Where the genes of a space are a fixed list of choices, an episode writes a
cell from nothing, gene by gene, as in Zoph et al. 2018. Elsewhere (cells of any number of vertices, layer graphs, lists of cells) it begins
at a measured cell and takes ``STEPS`` steps, each to one of ``OPTIONS`` mutants or to where it is; what the policy sees of a mutant is BONAS' embedding.

Deviation: what is offered is everything the policy came upon, best first, not only what it draws when it has learned.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray

from bonanza.spaces import Architecture, InvalidArchitecture, SearchSpace
from bonanza_server.search.acqopt import Unseen, filled_up
from bonanza_server.search.controller import Controller, Episodes, reinforce
from bonanza_server.search.history import History

Array = NDArray[np.float64]

STARTS = 30
"""Best measured cells that walks begin at."""
EPISODES = 50
"""Of a batch. As many cells are written as are wanted: for a pool of 1,000 R = 1,000, as in section 4.2."""
TRIED = 20
"""Gene lists drawn to see whether lists of choices make valid cells; in a list of cells, or where inputs must differ, they do not."""
STEPS = 2
OPTIONS = 3
SEEN = 3
"""Mutants that walks see for each cell wanted; looking costs more than the policy does."""

Embed = Callable[[Sequence[Architecture]], Array]
"""The embeddings of cells, (cells, E)."""
Score = Callable[[Array], Array]
"""The log acquisition of embeddings, (cells,)."""
Offer = Callable[[Sequence[Architecture], Array], None]


def reinforced(history: History, n: int, rng: random.Random, embed: Embed, score: Score) -> list[Architecture]:
    """``n`` distinct unseen cells that a policy rewarded by ``score`` came upon, filled up with samples; fewer only where the space holds no more.

    ``history`` has at least one observation; ``rng`` is moved.
    """
    generator = torch.Generator().manual_seed(rng.getrandbits(63))
    unseen = Unseen(history.seen)
    worth: dict[str, float] = {}

    def offer(cells: Sequence[Architecture], scores: Array) -> None:
        for cell, value in zip(cells, scores, strict=True):
            worth.setdefault(cell.arch_id, float(value))
            unseen.offer(cell)

    if _can_be_written(history.space, rng):
        writing = _Writing(history.space, generator)
        reinforce(writing.controller, 1 + n // EPISODES, lambda: writing.play(embed, score, offer))
    else:
        walking = _Walking(history, rng, embed, generator)
        batches = 1 + SEEN * n // (EPISODES * STEPS * OPTIONS)
        reinforce(walking.controller, batches, lambda: walking.play(embed, score, offer))
    found = sorted(unseen.found, key=lambda cell: -worth[cell.arch_id])
    return filled_up(history, found[:n], n, rng)


def _can_be_written(space: SearchSpace, rng: random.Random) -> bool:
    """Whether a list of one choice for each gene is, as a rule, a cell of the space."""
    if space.choices is None:
        return False
    drawn = ([rng.randrange(size) for size in space.choices] for _ in range(TRIED))
    return sum(_cell(space, genes) is not None for genes in drawn) > TRIED // 2


def _cell(space: SearchSpace, genes: Sequence[int]) -> Architecture | None:
    try:
        return space.validate(Architecture(space, tuple(genes)).json)
    except InvalidArchitecture:
        return None


class _Writing:
    """Episodes that write a cell from nothing, gene by gene."""

    def __init__(self, space: SearchSpace, generator: torch.Generator) -> None:
        self._space = space
        self._sizes = space.choices or ()
        self._starts = [0, *accumulate(self._sizes)]
        self.controller = Controller(self._starts[-1], 1, generator)

    def play(self, embed: Embed, score: Score, offer: Offer) -> tuple[Episodes, Array]:
        """A batch, and the reward of each episode; genes that make no cell are worth no more than the worst cell."""
        episodes = Episodes(self.controller, EPISODES)
        genes = [
            episodes.decide(self.controller.tokens[start : start + size].expand(EPISODES, -1, -1))
            for start, size in zip(self._starts, self._sizes, strict=False)
        ]
        cells = {row: cell for row, one in enumerate(zip(*genes, strict=True)) if (cell := _cell(self._space, one))}
        scores = score(embed(list(cells.values()))) if cells else np.empty(0)
        offer(list(cells.values()), scores)
        rewards = np.full(EPISODES, float(scores.min(initial=0.0)))
        rewards[list(cells)] = scores
        return episodes, rewards


class _Walking:
    """Episodes that go from a measured cell from mutant to mutant."""

    def __init__(self, history: History, rng: random.Random, embed: Embed, generator: torch.Generator) -> None:
        self._space, self._rng = history.space, rng
        self._begin = [observed.architecture for observed in history.best_first[:STARTS]]
        self._known = embed(self._begin)
        self._centre, self._width = self._known.mean(axis=0), self._known.std(axis=0) + 1e-3
        self.controller = Controller(0, self._known.shape[1], generator)

    def play(self, embed: Embed, score: Score, offer: Offer) -> tuple[Episodes, Array]:
        """A batch, and the reward of each episode; every mutant on the way is offered."""
        episodes = Episodes(self.controller, EPISODES)
        begin = self._rng.choices(range(len(self._begin)), k=EPISODES)
        at, phi = [self._begin[row] for row in begin], self._known[begin]
        rows = np.arange(EPISODES)
        for _ in range(STEPS):
            mutants = [[self._space.mutate(cell, self._rng) for _ in range(OPTIONS)] for cell in at]
            flat = [cell for row in mutants for cell in row]
            embedded = embed(flat)
            offer(flat, score(embedded))
            seen = np.concatenate((phi[:, None], embedded.reshape(EPISODES, OPTIONS, -1)), axis=1)
            features = torch.from_numpy((seen - self._centre) / self._width).float()
            taken = episodes.decide(torch.tanh(self.controller.look(features)))
            at = [[cell, *row][number] for cell, row, number in zip(at, mutants, taken, strict=True)]
            phi = seen[rows, taken]
        return episodes, score(phi)
