"""Node cells, against the paper's rules worked by hand."""

from __future__ import annotations

import torch
from torch import nn

from bonanza.spaces import space_from_spec
from bonanza.worker.networks import Skeleton, build
from bonanza.worker.networks.nasbench101 import Cell

SPACE = space_from_spec({"kind": "nasbench101"})


def test_a_vertex_reads_projections_of_the_input_and_the_first_channels_of_others_and_the_output_puts_them_side_by_side() -> (
    None
):
    # 1 and 2 share the output's 5 channels as 3 and 2; 2 reads 1 cut to 2 channels and the input; the output adds the input
    cell = Cell(
        ["maxpool3x3", "conv1x1-bn-relu"], [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], 4, [0, 3, 2, 5]
    ).eval()
    x = torch.randn(2, 4, 6, 6)
    to1, to2, to3 = (cell.projections[k](x) for k in "123")
    one = nn.functional.max_pool2d(to1, 3, 1, 1)
    two = cell.operations["2"](to2 + one[:, :2])
    assert torch.equal(cell(x), torch.cat([one, two], dim=1) + to3)


def test_a_cell_without_vertices_between_is_a_projection() -> None:
    cell = Cell([], [(0, 1)], 4, [0, 8]).eval()
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(cell(x), cell.projections["1"](x))


def test_a_cell_narrower_than_what_shares_it_is_as_wide_as_that() -> None:
    five = [[0, 1, 1, 1, 1, 1, 0], *[[0] * 6 + [1] for _ in range(5)], [0] * 7]
    arch = SPACE.validate({"adjacency": [*five[:5], [0] * 7, [0] * 7], "ops": ["input", *["maxpool3x3"] * 5, "output"]})
    for channels in (1, 2, 3, 4, 5):
        network = build(SPACE, arch, skeleton=Skeleton(channels, 3), classes=10, shape=(3, 32, 32))
        cost = SPACE.cost(arch, channels=channels)
        assert cost is not None
        assert sum(weight.numel() for weight in network.parameters()) == cost.parameters


def test_equal_networks_have_one_state_whatever_their_spelling() -> None:
    """Channels that do not divide go by upstream's order of the vertices, not by the user's."""
    ops = ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]
    shapes = set()
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        matrix = [[0, 1, 1, 1, 0], *[[0, 0, 0, 0, 1]] * 3, [0] * 5]
        arch = SPACE.validate({"adjacency": matrix, "ops": ["input", *[ops[k] for k in order], "output"]})
        network = build(SPACE, arch, skeleton=Skeleton(7, 1), classes=10, shape=(3, 8, 8))
        shapes.add(tuple((name, weight.shape) for name, weight in network.state_dict().items()))
    assert len(shapes) == 1
