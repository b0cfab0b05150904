"""The gated graph network, and the tensors it reads."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from bonanza.spaces import Architecture, space_from_spec
from bonanza_server.search.acqopt import unseen_samples
from bonanza_server.search.correlation import spearman
from bonanza_server.search.node_tensors import EXTRA, NodeTensors, node_tensors, nodes_of
from bonanza_server.search.surrogates.gated_network import MEMBERS, PAIRS, GatedNetworks, _loss, train
from bonanza_server.search.views import views_of

NB201 = space_from_spec({"kind": "nasbench201"})
NB101 = space_from_spec({"kind": "nasbench101"})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(space: object, n: int, seed: int = 0) -> list[Architecture]:
    return unseen_samples(space, frozenset(), n, random.Random(seed))  # type: ignore[arg-type]


def depth(cell: Architecture) -> float:
    """What no count of ops tells: convolutions on the path of most of them, less the pools that feed the output."""
    graph = views_of(cell.space).graphs(cell).live
    best = [0.0] * len(graph.labels)
    for v, w in graph.edges:
        best[w] = max(best[w], best[v] + ("conv" in graph.labels[w]))
    return best[-1] - 0.5 * sum("pool" in graph.labels[v] for v, w in graph.edges if w == len(graph.labels) - 1)


def test_the_tensors_of_a_cell() -> None:
    cell = NB201.validate("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
    other = NB201.validate("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    cells = node_tensors([cell, other])
    labels = views_of(NB201).labels
    # input -> 3x3 -> 3x3 -> output, and a skip from the input; the 1x1 is dead, and the other cell computes nothing.
    assert (nodes_of(cell), nodes_of(other)) == (5, 2)
    assert cells.real[:, :, 0].tolist() == [[1.0] * 5, [1.0, 1.0, 0.0, 0.0, 0.0]]
    kinds = [labels[int(row.argmax())] for row in cells.features[0, :, : len(labels)]]
    assert (kinds[0], kinds[-1]) == ("input", "output")
    assert sorted(kinds[1:-1]) == ["nor_conv_3x3", "nor_conv_3x3", "skip_connect"]
    assert cells.features.shape[-1] == len(labels) + EXTRA
    before, behind, feeds, fed = cells.features[0, [0, -1], -4:].T.tolist()
    assert before == pytest.approx([0.0, 1.0])  # three edges, over 3
    assert behind == pytest.approx([1.0, 0.0])
    assert (feeds, fed) == ([1.0, 0.0], [0.0, 1.0])  # two nodes, over 2
    assert cells.flow[0].sum() == 5.0
    assert cells.flow[1].sum() == 0.0
    assert cells.cost.shape == (2, 2)


def test_a_prediction_depends_on_no_other_cell_and_not_on_the_order_of_the_nodes() -> None:
    networks = GatedNetworks.begin(node_tensors(drawn(NB101, 8)), generator())
    cells = sorted(drawn(NB101, 40), key=nodes_of)
    together = networks.predict(node_tensors(cells))
    alone = torch.cat([networks.predict(node_tensors([cell])) for cell in cells])
    assert torch.allclose(together, alone, atol=1e-5)
    assert float(together.std()) > 1e-3
    tensors = node_tensors(cells[-1:])
    order = torch.tensor([0, *torch.randperm(nodes_of(cells[-1]) - 2, generator=generator(3)).add(1).tolist()])
    order = torch.cat((order, torch.tensor([nodes_of(cells[-1]) - 1])))
    moved = NodeTensors(tensors.features[:, order], tensors.flow[:, order][:, :, order], tensors.real, tensors.cost)
    assert torch.allclose(networks.predict(moved), together[-1:], atol=1e-5)


def test_the_loss_is_the_squared_error_and_that_of_each_pair() -> None:
    f, t = torch.randn(2, 5, generator=generator(1)), torch.tensor([[1.0, 2.0, 2.0, 0.0, 3.0]] * 2)
    expected = 0.0
    for own, true in zip(f.tolist(), t.tolist(), strict=True):
        pairs = [
            math.log1p(math.exp(-PAIRS * (own[a] - own[b]))) for a in range(5) for b in range(5) if true[a] > true[b]
        ]
        expected += sum((x - y) ** 2 for x, y in zip(own, true, strict=True)) / 5 + sum(pairs) / len(pairs)
    assert float(_loss(f, t)) == pytest.approx(expected, rel=1e-5)
    assert math.isfinite(float(_loss(f, torch.zeros(2, 5))))


@pytest.mark.parametrize("space", [NB201, NB101], ids=["nasbench201", "nasbench101"])
def test_it_learns_what_no_count_of_ops_tells(space: object) -> None:
    cells = drawn(space, 400)
    values = np.array([depth(cell) for cell in cells])
    targets = torch.from_numpy((values - values[:150].mean()) / values[:150].std()).float()
    networks = train(node_tensors(cells[:150]), targets[:150], generator())
    said = networks.predict(node_tensors(cells[150:])).numpy()
    assert (spearman(said, values[150:]) or 0.0) > 0.8
    assert np.mean((said - targets[150:].numpy()) ** 2) < 0.4


def test_an_equal_generator_trains_equal_networks_whose_members_differ() -> None:
    cells = node_tensors(drawn(NB201, 60))
    targets = torch.randn(60, generator=generator(5))
    one, other = (train(cells, targets, generator(7)) for _ in range(2))
    assert all(torch.equal(one.parameters[name], other.parameters[name]) for name in one.parameters)
    said = one(cells.of(torch.arange(60).expand(MEMBERS, -1)))
    assert all(not torch.allclose(said[0], said[k]) for k in range(1, MEMBERS))
