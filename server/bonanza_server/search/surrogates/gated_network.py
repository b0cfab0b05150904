"""A small graph network with gates, three of them trained as one batch: what the default asks beside its Gaussian process.

A node hears the nodes that feed it, those that it feeds, and itself (Li et al. 2016, "Gated Graph Sequence Neural Networks", arXiv 1511.05493, section 3.1,
has the two directions), a layer mixes the three and adds them to what the node was, as in a residual network. A cell is read off the sum and the
largest of its nodes, the output node, and its costs. The loss is the squared error and, for each pair of a batch, whether the better one is
predicted to be (Burges et al. 2005, RankNet, eq. 3): pairs teach order, errors teach the unit, which a Gaussian process beside it needs.

Measured on NAS-Bench-101 (Kendall's tau on cells that were not measured, means of 30 draws, ``tests.benchmarks.ranking``): with the process it ranks cells at 0.738 after 100 results,
0.766 after 172 and 0.818 after 424, where the process alone comes to 0.715, 0.741 and 0.782, and BONAS' graph network to 0.61, 0.68 and 0.75. Of 32 units it was 0.736,
0.764 and 0.817; six members in the place of three, twice the epochs, or smaller batches were worth a third of what a half more units are.

Notation
    M       members             n, V    cells, nodes of the largest         H       UNITS
    t       targets (n,), larger is better, centred and of unit spread      f       predictions, (M, n)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, silu, softplus

from bonanza_server.search.node_tensors import NodeTensors

MEMBERS, UNITS, LAYERS = 3, 48, 4
EPOCHS, BATCH = 30, 48
MAX_STEPS = 480
"""Of the optimiser; 1,000 results are 21 an epoch."""
RATE, DECAY, DROPOUT = 6e-3, 1e-3, 0.15
PAIRS = 3.0
"""How steep the loss of a pair is in the difference of its predictions, in spreads of the targets."""
AT_ONCE = 128
"""Cells that are predicted at once."""


@dataclass(frozen=True)
class GatedNetworks:
    """The members, by the names of their parameters, (M, ..) each; ``nodes`` is the mean number of nodes of the cells they were trained on."""

    parameters: dict[str, Tensor]
    nodes: float

    @classmethod
    def begin(cls, cells: NodeTensors, generator: torch.Generator) -> GatedNetworks:
        """New weights, uniform within 1 / sqrt(inputs)."""
        shapes = {"embed": (cells.features.shape[-1], UNITS)}
        for layer in range(LAYERS):
            shapes |= {f"{part}{layer}": (UNITS, UNITS) for part in ("fed", "feeds", "self")}
            shapes |= {f"gate{layer}": (3 * UNITS, UNITS)}
        shapes |= {"read": (3 * UNITS + cells.cost.shape[-1], UNITS), "head": (UNITS, 1)}
        parameters = {}
        for name, (inputs, outputs) in shapes.items():
            bound = inputs**-0.5
            drawn = torch.empty(MEMBERS, inputs + 1, outputs).uniform_(-bound, bound, generator=generator)
            parameters[name] = drawn[:, :-1].clone()
            parameters[f"{name} bias"] = drawn[:, -1:].clone()
        for layer in range(LAYERS):
            parameters[f"scale{layer}"] = torch.ones(MEMBERS, 1, UNITS)
            parameters[f"scale{layer} bias"] = torch.zeros(MEMBERS, 1, UNITS)
        return cls(parameters, float(cells.real.sum() / len(cells.real)))

    def __call__(self, cells: NodeTensors, generator: torch.Generator | None = None) -> Tensor:
        """F of cells that each member has its own of, (M, n, ..); with a generator, units are dropped."""
        members, n, most, _ = cells.features.shape
        real = cells.real.reshape(members, n * most, 1)
        flow = cells.flow.reshape(members * n, most, most)

        def linear(name: str, x: Tensor) -> Tensor:
            return torch.baddbmm(self.parameters[f"{name} bias"], x, self.parameters[name])

        def along(edges: Tensor, x: Tensor) -> Tensor:
            return torch.bmm(edges, x.reshape(members * n, most, UNITS)).reshape(members, n * most, UNITS)

        def dropped(x: Tensor) -> Tensor:
            if generator is None:
                return x
            return x * (torch.rand(x.shape, generator=generator) >= DROPOUT) / (1.0 - DROPOUT)

        h = linear("embed", cells.features.reshape(members, n * most, -1))
        for layer in range(LAYERS):
            heard = (
                along(flow, linear(f"fed{layer}", h)),
                along(flow.transpose(1, 2), linear(f"feeds{layer}", h)),
                linear(f"self{layer}", h),
            )
            h = layer_norm(h + dropped(linear(f"gate{layer}", silu(torch.cat(heard, dim=-1)))), (UNITS,))
            h = (h * self.parameters[f"scale{layer}"] + self.parameters[f"scale{layer} bias"]) * real
        nodes = h.reshape(members, n, most, UNITS)
        last = cells.real.sum(dim=(2, 3)).long() - 1
        output = nodes.gather(2, last[:, :, None, None].expand(-1, -1, 1, UNITS))[:, :, 0]
        largest = nodes.masked_fill(cells.real == 0.0, -torch.inf).amax(dim=2)
        seen = torch.cat((nodes.sum(dim=2) / self.nodes, output, largest, cells.cost), dim=-1)
        return linear("head", dropped(silu(linear("read", seen))))[:, :, 0]

    @torch.no_grad()
    def predict(self, cells: NodeTensors) -> Tensor:
        """The mean of the members' f; (n,)."""
        chunks = torch.split(torch.arange(len(cells.real)), AT_ONCE)
        return torch.cat([self(cells.of(rows.expand(MEMBERS, -1))).mean(dim=0) for rows in chunks])


def train(cells: NodeTensors, targets: Tensor, generator: torch.Generator) -> GatedNetworks:
    """Members trained on cells with targets t, (n,), n >= 2; all randomness is the generator's.

    AdamW (Loshchilov and Hutter 2019) with one cycle of the rate (Smith and Topin 2018), each member with shuffles of its own.
    """
    networks = GatedNetworks.begin(cells, generator)
    parameters = [part.requires_grad_() for part in networks.parameters.values()]
    n = len(targets)
    steps = -(-n // BATCH)
    epochs = max(1, min(EPOCHS, MAX_STEPS // steps))
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * steps)
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(n, generator=generator) for _ in range(MEMBERS)])
        for rows in orders.chunk(steps, dim=1):
            optimiser.zero_grad()
            torch.autograd.backward(_loss(networks(cells.of(rows), generator), targets[rows]))
            optimiser.step()
            rate.step()
    return GatedNetworks({name: part.detach() for name, part in networks.parameters.items()}, networks.nodes)


def _loss(f: Tensor, t: Tensor) -> Tensor:
    """The members' losses, added up: they share no parameter. Both (M, b)."""
    better = (t[:, :, None] > t[:, None, :]).float()
    pairs = softplus(-PAIRS * (f[:, :, None] - f[:, None, :])) * better
    ranked = pairs.sum(dim=(1, 2)) / torch.clamp_min(better.sum(dim=(1, 2)), 1.0)
    return ((f - t).square().mean(dim=1) + ranked).sum()
