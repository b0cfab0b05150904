"""DARTS' network: towers, drop-path, stems, what is not built, and cells that can be worked by hand."""

from __future__ import annotations

import itertools

import pytest
import torch

from bonanza.spaces import space_from_spec
from bonanza.worker.networks import InvalidSkeleton, Skeleton, build, parameter_count, set_drop_path
from bonanza.worker.networks.drop_path import DropPath
from bonanza.worker.networks.operations import FactorizedReduce
from bonanza.worker.networks.stacked_cells import Cell, Network, computed

DARTS = space_from_spec({"kind": "darts"})
NASNET = space_from_spec({"kind": "nasnet"})
V2 = """DARTS_V2 = Genotype(
    normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 1),
            ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5],
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),
            ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"""
CELL = DARTS.validate(V2)


def network(skeleton: Skeleton, shape: tuple[int, int, int] = (3, 32, 32)) -> torch.nn.Module:
    return build(DARTS, CELL, skeleton=skeleton, classes=10, shape=shape)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (3, 224, 224), (2, 5, 3)])
def test_an_auxiliary_tower_answers_in_training_only(shape: tuple[int, int, int]) -> None:
    made = network(Skeleton(channels=2, cells=3, auxiliary=True), shape)
    images = torch.randn(2, *shape)
    scores, auxiliary = made(images)
    assert scores.shape == auxiliary.shape == (2, 10)
    auxiliary.square().sum().backward()
    assert made.eval()(images).shape == (2, 10)


def test_the_auxiliary_towers_are_upstreams() -> None:
    """1x1 to 128, 2x2 to 768, both with norm, and a classifier: for ImageNet the second without."""
    with torch.device("meta"):
        for shape, channels, cells, norms in (
            ((3, 32, 32), 36, 20, 2 * 128 + 2 * 768),
            ((3, 224, 224), 48, 14, 2 * 128),
        ):
            plain, towered = (
                parameter_count(network(Skeleton(channels, cells, auxiliary=auxiliary), shape))
                for auxiliary in (False, True)
            )
            assert towered - plain == 4 * 4 * channels * 128 + 128 * 768 * 4 + norms + 768 * 10 + 10


def test_images_of_imagenets_size_get_its_skeleton() -> None:
    """4.7 M parameters with 1,000 classes (Liu et al. 2019, Table 3), 4.718 M as the repository's network counts."""
    with torch.device("meta"):
        made = build(DARTS, CELL, skeleton=Skeleton(), classes=1000, shape=(3, 224, 224))
    assert round(parameter_count(made) / 1e6, 1) == 4.7


def test_networks_without_a_tower_refuse_one() -> None:
    space = space_from_spec({"kind": "nasbench201"})
    cell = space.validate({"edges": ["skip_connect"] * 6})
    with pytest.raises(InvalidSkeleton, match="the network of nasbench201 has no auxiliary tower"):
        build(space, cell, skeleton=Skeleton(auxiliary=True), classes=10, shape=(3, 8, 8))


def test_drop_path_drops_whole_images_and_keeps_the_mean() -> None:
    drop = DropPath()
    x = torch.ones(20_000, 2, 1, 1)
    assert torch.equal(drop(x), x)
    drop.set(0.25)
    y = drop(x)
    assert torch.equal(y[:, 0], y[:, 1])
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert y.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(drop.eval()(x), x)


def test_the_probability_of_drop_path_is_set_on_the_whole_network_and_saved_nowhere() -> None:
    made = network(Skeleton(channels=2, cells=3))
    images = torch.randn(4, 3, 8, 8)
    names = list(made.state_dict())
    made.train()
    before = made(images)
    assert torch.equal(made(images), before)
    set_drop_path(made, 0.5)
    assert not torch.equal(made(images), before)
    set_drop_path(made, 0.0)
    assert torch.equal(made(images), before)
    assert list(made.state_dict()) == names
    assert not [name for name in names if "keep" in name]
    with pytest.raises(InvalidSkeleton, match="below 1"):
        set_drop_path(made, 1.0)
    set_drop_path(torch.nn.Linear(1, 1), 0.5)  # nothing to set


def test_no_path_that_is_an_identity_is_dropped() -> None:
    skips = computed([("skip_connect", 0), ("skip_connect", 1)] * 4, dead_ops=False)
    for reduces in (False, True):
        drop = DropPath()
        drop.set(0.9)
        cell = Cell(skips, {0, 1}, (2, 2), 2, drop, reduces=reduces, shrinks=False)
        x = torch.randn(8, 2, 4, 4)
        assert torch.equal(cell(x, x), cell(x, x)) is not reduces, "of stride 2 it is a layer"


def test_nodes_add_up_and_stand_side_by_side() -> None:
    pairs = [("skip_connect", 0), ("skip_connect", 1), ("skip_connect", 0), ("skip_connect", 2), ("none", 0)]
    pairs += [("max_pool_3x3", 2), ("none", 1), ("none", 3)]
    cell = Cell(computed(pairs, dead_ops=False), {0, 1}, (3, 3), 2, DropPath(), reduces=False, shrinks=False).eval()
    before, last = torch.randn(2, 2, 3, 4, 4).unbind(0)
    zero, one = cell.inputs["0"](before), cell.inputs["1"](last)
    two = zero + one
    expected = [two, zero + two, torch.nn.functional.max_pool2d(two, 3, 1, 1), torch.zeros_like(two)]
    assert torch.equal(cell(before, last), torch.cat(expected, dim=1))


def test_a_factorized_reduction_reads_every_pixel_once() -> None:
    reduce = FactorizedReduce(1, 2).eval()
    for weights in (reduce.even, reduce.odd):
        torch.nn.init.ones_(weights.weight)
    x = torch.arange(1.0, 17).reshape(1, 1, 4, 4)
    y = reduce(x) * (1 + reduce.norm.eps) ** 0.5
    assert torch.allclose(y[0], torch.stack([x[0, 0, ::2, ::2], x[0, 0, 1::2, 1::2]]))
    assert reduce(torch.ones(1, 1, 5, 3)).shape == (1, 2, 3, 2)


def test_cells_and_inputs_that_nothing_reads_are_not_built() -> None:
    """A cell that reads only the cell before the last makes every second cell idle."""
    pairs = [["skip_connect", 0], ["max_pool_3x3", 0], *[["sep_conv_3x3", 2], ["skip_connect", 2]] * 3]
    arch = NASNET.validate({"cell": pairs})
    made = build(NASNET, arch, skeleton=Skeleton(channels=2, cells=9), classes=10, shape=(3, 8, 8))
    assert isinstance(made, Network)
    assert list(made.cells) == ["0", "2", "4", "6", "8"]
    assert not [name for name in made.state_dict() if ".inputs.1." in name]
    made(torch.randn(2, 3, 8, 8)).sum().backward()
    assert all(weight.grad is not None for weight in made.parameters())
    whole = build(NASNET, arch, skeleton=Skeleton(2, 9, dead_ops=True), classes=10, shape=(3, 8, 8))
    assert isinstance(whole, Network)
    assert len(whole.cells) == 9


def test_a_network_of_nothing_but_none_is_a_constant() -> None:
    space = space_from_spec({"kind": "darts", "none": True})
    nothing = [["none", 0], ["none", 1]] * 4
    for skeleton in (Skeleton(2, 3), Skeleton(2, 3, auxiliary=True), Skeleton(2, 3, dead_ops=True)):
        made = build(
            space,
            space.validate({"normal": nothing, "reduce": nothing}),
            skeleton=skeleton,
            classes=10,
            shape=(3, 9, 9),
        )
        scores = made.eval()(torch.randn(4, 3, 9, 9))
        assert all(torch.equal(one, other) for one, other in itertools.pairwise(scores))
