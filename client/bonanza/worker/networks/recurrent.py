"""The language model of a recurrent cell.

Pham et al. 2018 (ENAS, arXiv 1802.03268), section 2.1 and appendix A; the dropouts as quark0/darts rnn/model.py has them. Node 0 reads the
word x and the state h, every other node one earlier node s: with (c, a) = [x, h] W_0 or s W_k it is

    s_k = s + sigmoid(c) * (f_k(a) - s),     for node 0: h in place of s                         (the highway gate)

and the new state is the mean of the nodes that no other reads. No layer has a bias; the decoder is the embedding, transposed (Press and
Wolf 2017). What x adds to node 0 is worked out for all times at once.
"""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor, nn

from bonanza.spaces import Architecture, SearchSpace
from bonanza.worker.networks import Dropouts
from bonanza.worker.networks.recipe import Recipe

SPREAD = 0.04
"""Weights are drawn uniformly from -SPREAD to SPREAD (quark0/darts rnn/model.py)."""
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "identity": nn.Identity, "sigmoid": nn.Sigmoid}


class Layer(nn.Module):
    """A cell, applied at one time after the other."""

    def __init__(self, activations: list[str], sources: list[int], width: int, inputs: float, hidden: float) -> None:
        super().__init__()
        self.activations = nn.ModuleList(ACTIVATIONS[name]() for name in activations)
        self.sources = sources
        self.leaves = [k for k in range(len(activations)) if k not in sources]
        self.inputs, self.hidden = inputs, hidden
        self.word = nn.Parameter(torch.empty(width, 2 * width).uniform_(-SPREAD, SPREAD))
        self.state = nn.Parameter(torch.empty(width, 2 * width).uniform_(-SPREAD, SPREAD))
        self.nodes = nn.ParameterList(torch.empty(width, 2 * width).uniform_(-SPREAD, SPREAD) for _ in sources)

    def forward(self, words: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Words (time, batch, width) and the state (batch, width) in; the states after each word, and the last."""
        kept = dropped(torch.ones_like(h), self.hidden, self.training) if self.training and self.hidden else None
        from_words = dropped(words, self.inputs, self.training, shared=(0,)) @ self.word
        states = []
        for from_word in from_words.unbind(0):
            read = h if kept is None else h * kept
            nodes = [gated(h, from_word + read @ self.state, self.activations[0])]
            for source, weight, activation in zip(self.sources, self.nodes, self.activations[1:], strict=True):
                s = nodes[source]
                nodes.append(gated(s, (s if kept is None else s * kept) @ weight, activation))
            h = nodes[self.leaves[0]]
            if len(self.leaves) > 1:
                h = torch.stack([nodes[k] for k in self.leaves]).mean(0)
            states.append(h)
        return torch.stack(states), h


class Network(nn.Module):
    """Ids (time, batch) and the state in; scores (time, batch, tokens) before the softmax and the new state out."""

    def __init__(
        self,
        activations: list[str],
        sources: list[int],
        *,
        tokens: int,
        width: int,
        layers: int,
        dropouts: dict[str, float],
    ) -> None:
        super().__init__()
        self.dropouts = dropouts
        self.embedding = nn.Parameter(torch.empty(tokens, width).uniform_(-SPREAD, SPREAD))
        self.layers = nn.ModuleList(
            Layer(activations, sources, width, dropouts["inputs"], dropouts["hidden"]) for _ in range(layers)
        )

    def forward(self, ids: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The state is (layers, batch, width); None is zero, as at the beginning of a text."""
        table = dropped(self.embedding, self.dropouts["words"], self.training, shared=(1,))
        values = nn.functional.embedding(ids, table)
        values = dropped(values, self.dropouts["embedded"], self.training, shared=(0,))
        if state is None:
            state = values.new_zeros(len(self.layers), ids.shape[1], values.shape[2])
        last = []
        for layer, before in zip(self.layers, state.unbind(0), strict=True):
            values, after = layer(values, before)
            last.append(after)
        values = dropped(values, self.dropouts["outputs"], self.training, shared=(0,))
        return nn.functional.linear(values, self.embedding), torch.stack(last)


def gated(s: Tensor, both: Tensor, activation: nn.Module) -> Tensor:
    """A node: its source ``s``, moved towards the activated value as far as the gate is open."""
    gate, value = both.chunk(2, dim=-1)
    moved: Tensor = s + torch.sigmoid(gate) * (activation(value) - s)
    return moved


def dropped(x: Tensor, share: float, training: bool, shared: tuple[int, ...] = ()) -> Tensor:
    """``x`` with a ``share`` of it set to 0 and the rest scaled up, in training; along the dimensions ``shared`` the same is dropped."""
    if not training or share == 0:
        return x
    size = [1 if k in shared else n for k, n in enumerate(x.shape)]
    return x * torch.empty(size, dtype=x.dtype, device=x.device).bernoulli_(1 - share).div_(1 - share)


def recipe(
    space: SearchSpace, architecture: Architecture, *, tokens: int, width: int, layers: int, dropouts: Dropouts
) -> Recipe:
    """Of a recurrent cell."""
    return Recipe(
        Network,
        {
            **architecture.json,
            "tokens": tokens,
            "width": width,
            "layers": layers,
            "dropouts": asdict(dropouts),
        },
        f"The language model of the {space.kind} cell {architecture.arch_id}",
    )
