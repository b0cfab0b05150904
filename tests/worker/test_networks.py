"""The NAS-Bench-201 network against published sizes, and against arithmetic that can be done by hand."""

from __future__ import annotations

import random

import pytest
import torch

from bonanza.spaces import SearchSpace, space_from_spec
from bonanza.worker.networks.nasbench201 import Cell, Network, UnknownCell, edge_operations, parameter_count
from bonanza.worker.tabular import params_of

# Cells by their official index and their parameters in millions, typed in: the published 1.289 of cell 9930, and
# 0.073306 + 0.028 a 1x1 + 0.24304 a 3x3 convolution, which holds for all but 150 rows of the upstream table.
GOLDEN = [
    (9930, "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|", 1.288506),
    (6111, "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|", 1.073466),
    (0, "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|", 0.129306),
    (15465, "|none~0|+|skip_connect~0|skip_connect~1|+|none~0|none~1|none~2|", 0.073306),
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Networks this small only wait for each other's threads."""
    torch.set_num_threads(1)


@pytest.mark.parametrize(("index", "text", "millions"), GOLDEN)
def test_the_full_skeleton_has_the_published_number_of_parameters(
    index: int, text: str, millions: float, nasbench201: SearchSpace
) -> None:
    # All six edges hold their weights, also those that no path to the output crosses: that is how upstream counts.
    network = Network(edge_operations(nasbench201.validate(text)), classes=10)
    assert parameter_count(network) / 1e6 == pytest.approx(millions, abs=1e-9), index


def test_the_table_counts_the_parameters_of_the_network_that_is_built(nasbench201: SearchSpace) -> None:
    rng = random.Random(1)
    for classes in (10, 100, 120):
        operations = edge_operations(nasbench201.sample(rng))
        assert parameter_count(Network(operations, classes=classes)) == params_of(operations, classes)


@pytest.mark.parametrize(("size", "in_channels", "channels", "cells"), [(32, 3, 16, 1), (8, 1, 4, 2), (9, 1, 3, 1)])
def test_images_in_scores_out(size: int, in_channels: int, channels: int, cells: int, nasbench201: SearchSpace) -> None:
    operations = edge_operations(nasbench201.sample(random.Random(0)))
    network = Network(operations, classes=7, in_channels=in_channels, channels=channels, cells=cells)
    scores = network(torch.randn(3, in_channels, size, size))
    assert scores.shape == (3, 7)
    scores.sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in network.parameters())


def test_every_convolution_of_a_cell_that_reaches_the_output_is_trained() -> None:
    network = Network(["nor_conv_3x3"] * 6, classes=10, channels=2, cells=1)
    network(torch.randn(4, 3, 8, 8)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_node_is_the_sum_of_what_reaches_it() -> None:
    x = torch.randn(2, 3, 5, 5)
    assert torch.equal(Cell(["skip_connect"] * 6, 3)(x), 4 * x)  # node 1 = x, node 2 = 2 x, node 3 = x + x + 2 x
    assert torch.equal(Cell(["none"] * 6, 3)(x), torch.zeros_like(x))
    assert torch.equal(Cell(["skip_connect", "none", "skip_connect", "none", "none", "skip_connect"], 3)(x), x)
    pooled = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    assert torch.equal(Cell(["avg_pool_3x3"], 3)(x), pooled)


def test_cells_with_equal_ids_compute_the_same() -> None:
    """Of the 729 cells without weights, so that the same is the same number; what the server calls equal must be."""
    space = space_from_spec({"kind": "edge_cell", "nodes": 4, "ops": ["none", "skip_connect", "avg_pool_3x3"]})
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    by_id: dict[str, torch.Tensor] = {}
    for architecture in space.enumerate():
        y = Cell(edge_operations(architecture), 2)(x)
        assert torch.allclose(by_id.setdefault(architecture.arch_id, y), y, atol=1e-12), architecture.text
    assert 2 < len(by_id) < 729 / 2  # many cells share an id, or nothing was compared


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "edge_cell", "nodes": 4, "ops": ["sep_conv_3x3"]},
        {"kind": "sequence", "positions": [{"name": "depth", "choices": [1, 2]}]},
    ],
)
def test_an_architecture_of_other_operations_has_no_network(spec: dict[str, object]) -> None:
    with pytest.raises(UnknownCell):
        edge_operations(space_from_spec(spec).sample(random.Random(0)))


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_cells_of_any_size_are_built(nodes: int) -> None:
    space = space_from_spec({"kind": "edge_cell", "nodes": nodes, "ops": ["nor_conv_1x1", "skip_connect"]})
    operations = edge_operations(space.sample(random.Random(0)))
    assert len(operations) == nodes * (nodes - 1) // 2
    assert Cell(operations, 4)(torch.randn(2, 4, 3, 3)).shape == (2, 4, 3, 3)
