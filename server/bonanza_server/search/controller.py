"""The policy of BONAS' reinforcement learning sampler: an LSTM that makes one decision after another, rewarded by what comes of them.

Shi et al. 2020 (arXiv 1911.09336), section 3.3, after Zoph et al. 2018 (arXiv 1707.07012): an LSTM controller trained by policy gradients (REINFORCE: Williams
1992), whose reward is the expected improvement of the cell. The released code has no such sampler.

Deviations: the policy is trained anew at each proposal, since nothing may be kept that is not in the history; the advantage is the rank of the reward in its
batch, because expected improvements span hundreds of orders of magnitude; a term keeps the policy's entropy up.

Notation
    B   episodes of a batch     K   options of a decision     D   units of an option, of the LSTM and of its input
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bonanza_server.search.correlation import ranks

Array = NDArray[np.float64]

UNITS = 64
LEARNING_RATE = 0.01
"""Zoph's 0.00035 is for the thousands of updates that a trained network's accuracy takes; here there are some twenty."""
ENTROPY = 0.05
LIMIT = 2.5
"""Logits are LIMIT tanh(...) (Bello et al. 2017, arXiv 1611.09940), so that no option is ever ruled out."""

State = tuple[Tensor, Tensor]


class Controller(nn.Module):
    """The LSTM; ``tokens`` are options that it knows by number, and ``look`` turns the features of others into options."""

    def __init__(self, tokens: int, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.empty(tokens, UNITS))
        self.look = nn.Linear(features, UNITS)
        self.lstm = nn.LSTMCell(UNITS, UNITS)
        self.query = nn.Linear(UNITS, UNITS)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1, generator=generator)
        self._generator = generator

    def begin(self, episodes: int) -> tuple[Tensor, State]:
        """The first input and state of so many episodes, (B, D) each."""
        nothing = torch.zeros(episodes, UNITS)
        return nothing, (nothing, nothing)

    def decide(self, options: Tensor, x: Tensor, state: State) -> tuple[Tensor, Tensor, Tensor, State]:
        """Draw one of the ``options``, (B, K, D).

        Returns:
            Its number, (B,), the log of its chance, (B,), the entropy of the chances, (B,), and the state after ``x``, the option drawn before.
        """
        hidden, memory = self.lstm(x, state)
        log_chances = (LIMIT * torch.tanh((options @ self.query(hidden)[:, :, None])[:, :, 0])).log_softmax(dim=1)
        drawn = torch.multinomial(log_chances.detach().exp(), 1, generator=self._generator)
        entropy = -(log_chances.exp() * log_chances).sum(dim=1)
        return drawn[:, 0], log_chances.gather(1, drawn)[:, 0], entropy, (hidden, memory)


class Episodes:
    """A batch of episodes under way, and the sum of what their decisions were worth to the gradient."""

    def __init__(self, controller: Controller, episodes: int) -> None:
        self._controller = controller
        self._x, self._state = controller.begin(episodes)
        self._log_chance = torch.zeros(episodes)
        self._entropy = torch.zeros(episodes)

    def decide(self, options: Tensor) -> list[int]:
        """The number of the option that each episode takes, of ``options``, (B, K, D)."""
        drawn, log_chance, entropy, self._state = self._controller.decide(options, self._x, self._state)
        self._x = options[torch.arange(len(drawn)), drawn]
        self._log_chance = self._log_chance + log_chance
        self._entropy = self._entropy + entropy
        return [int(number) for number in drawn]

    def loss(self, rewards: Array) -> Tensor:
        """What a step of the optimiser lessens, for the episodes' ``rewards``, (B,), of which only the order counts."""
        rank = ranks(rewards)
        advantage = torch.from_numpy((rank - rank.mean()) / (float(rank.std()) or 1.0)).float()
        return -(advantage * self._log_chance + ENTROPY * self._entropy).mean()


def reinforce(controller: Controller, batches: int, play: Callable[[], tuple[Episodes, Array]]) -> None:
    """Train the controller on ``batches`` of episodes that ``play`` gives, with their rewards."""
    optimiser = torch.optim.Adam(controller.parameters(), lr=LEARNING_RATE)
    for _ in range(batches):
        episodes, rewards = play()
        optimiser.zero_grad()
        torch.autograd.backward(episodes.loss(rewards))
        optimiser.step()
