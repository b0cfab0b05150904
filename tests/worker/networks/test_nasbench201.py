"""Edge cells, against arithmetic that can be done by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bonanza.spaces import SearchSpace, space_from_spec
from bonanza.worker.networks import NoNetwork, Skeleton, build, parameter_count
from bonanza.worker.networks.nasbench201 import Cell, live
from bonanza.worker.tabular import params_of

Edges = list[tuple[int, int, str]]
PAIRS = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


def edges(*ops: str) -> Edges:
    return [(i, j, op) for (i, j), op in zip(PAIRS, ops, strict=False) if op != "none"]


def test_the_table_counts_the_parameters_of_the_network_that_is_built(nasbench201: SearchSpace) -> None:
    cell = nasbench201.validate({"edges": ["nor_conv_3x3", "none", "nor_conv_1x1", "none", "skip_connect", "none"]})
    for classes in (10, 100, 120):
        network = build(nasbench201, cell, skeleton=Skeleton(dead_ops=True), classes=classes, shape=(3, 32, 32))
        assert parameter_count(network) == params_of(cell.json["edges"], classes)


def test_a_node_is_the_sum_of_what_reaches_it() -> None:
    x = torch.randn(2, 3, 5, 5)
    assert torch.equal(Cell(edges(*["skip_connect"] * 6), 4, 3)(x), 4 * x)  # node 1 = x, 2 = 2 x, 3 = x + x + 2 x
    assert torch.equal(Cell([], 4, 3)(x), torch.zeros_like(x))
    assert torch.equal(Cell(edges("skip_connect", "none", "skip_connect", "none", "none", "skip_connect"), 4, 3)(x), x)
    pooled = nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    assert torch.equal(Cell(edges("avg_pool_3x3"), 2, 3)(x), pooled)


def test_cells_with_equal_ids_compute_the_same() -> None:
    """Of the 729 cells without weights, so that the same is the same number; what the server calls equal must be."""
    space = space_from_spec({"kind": "edge_cell", "nodes": 4, "ops": ["none", "skip_connect", "avg_pool_3x3"]})
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64)
    by_id: dict[str, Tensor] = {}
    for architecture in space.enumerate():
        y = Cell(live(edges(*architecture.json["edges"]), 3), 4, 2)(x)
        assert torch.allclose(by_id.setdefault(architecture.arch_id, y), y, atol=1e-12), architecture.text
    assert 2 < len(by_id) < 729 / 2  # many cells share an id, or nothing was compared


def test_what_adds_nothing_is_not_built_unless_it_is_asked_for(nasbench201: SearchSpace) -> None:
    ops = [
        "none",
        "nor_conv_3x3",
        "nor_conv_3x3",
        "skip_connect",
        "nor_conv_1x1",
        "none",
    ]  # 1 is fed by nothing, 2 feeds nothing
    dead, pure = (
        nasbench201.validate({"edges": found}) for found in (ops, ["none"] * 3 + ["skip_connect"] + ["none"] * 2)
    )
    assert dead.arch_id == pure.arch_id

    def count(cell: object, *, dead_ops: bool) -> int:
        skeleton = Skeleton(4, 1, dead_ops=dead_ops)
        return parameter_count(build(nasbench201, cell, skeleton=skeleton, classes=10, shape=(3, 8, 8)))  # type: ignore[arg-type]

    assert count(dead, dead_ops=False) == count(pure, dead_ops=False) == count(pure, dead_ops=True)
    convolutions = sum(2 * c * c * 9 + c * c + 3 * 2 * c for c in (4, 8, 16))
    assert count(dead, dead_ops=True) == count(pure, dead_ops=True) + convolutions


def test_a_dead_convolution_passes_on_the_shift_of_its_norm_as_upstream_does() -> None:
    cell = Cell([(1, 2, "nor_conv_1x1")], 3, 2).eval()
    norm = cell.operations[0][2]  # type: ignore[index]
    nn.init.constant_(norm.bias, 0.5)
    assert torch.equal(cell(torch.randn(1, 2, 3, 3)), torch.full((1, 2, 3, 3), 0.5))


@pytest.mark.parametrize(
    ("op", "says"), [("sep_conv3x3", "did you mean 'sep_conv_3x3'?"), ("mine", "Known are none, skip_connect")]
)
def test_an_op_that_no_network_knows_is_refused_by_name(op: str, says: str) -> None:
    space = space_from_spec({"kind": "edge_cell", "nodes": 2, "ops": [op]})
    with pytest.raises(NoNetwork, match=f"the space edge_cell has the op '{op}'") as caught:
        build(space, space.validate({"edges": [op]}), skeleton=Skeleton(), classes=10, shape=(3, 8, 8))
    assert says in str(caught.value)
    assert "MODULE:FUNCTION" in str(caught.value)
