"""Every family of spaces under the contract."""

from __future__ import annotations

import random
from typing import Any, ClassVar

from bonanza.spaces import space_from_spec
from tests.contracts.space import SpaceContract


class EdgeCellContract(SpaceContract):
    """Cells are accepted as official strings too."""

    accepts_text = True


class TestNasBench201(EdgeCellContract):
    spec: ClassVar = {"kind": "nasbench201"}


class TestEdgeCellOfManyEqualNetworks(EdgeCellContract):
    """Two middle nodes and few ops: most pairs of a walk are twins or nearly."""

    spec: ClassVar = {"kind": "edge_cell", "nodes": 4, "ops": ["none", "skip_connect", "a"]}


class TestEdgeCellOfSixNodes(EdgeCellContract):
    spec: ClassVar = {"kind": "edge_cell", "nodes": 6, "ops": ["skip_connect", "none", "a", "b"]}


class TestEdgeCellOfTwelveNodes(EdgeCellContract):
    spec: ClassVar = {"kind": "edge_cell", "nodes": 12, "ops": ["none", "skip_connect", "a"]}


class TestEdgeCellWithoutSpecialOps(EdgeCellContract):
    spec: ClassVar = {
        "kind": "edge_cell",
        "nodes": 4,
        "ops": ["none", "skip_connect"],
        "zero_op": None,
        "identity_op": None,
    }


class TestEdgeCellWithOpsOfStrangeNames(EdgeCellContract):
    spec: ClassVar = {
        "kind": "edge_cell",
        "nodes": 3,
        "ops": ["+", "a~0", "größe 3", "/"],
        "zero_op": "+",
        "identity_op": "/",
    }


class TestEdgeCellOfOneCell(EdgeCellContract):
    spec: ClassVar = {"kind": "edge_cell", "nodes": 2, "ops": ["a"]}


class TestSequence(SpaceContract):
    spec: ClassVar = {
        "kind": "sequence",
        "positions": [
            {"name": "depth", "choices": [2, 3, 4]},
            {"name": "lr", "choices": [0.1, 1.0, 1e-05]},
            {"name": "op=x", "choices": ["größe", "input", "a=b"]},
            {"name": "skip", "choices": [True, False]},
        ],
    }


class TestSequenceOfOneList(SpaceContract):
    spec: ClassVar = {"kind": "sequence", "positions": [{"name": "only", "choices": ["one"]}]}


class TestSequenceWithAPositionWithoutChoice(SpaceContract):
    spec: ClassVar = {
        "kind": "sequence",
        "positions": [{"name": "a", "choices": [1]}, {"name": "b", "choices": [1, True]}],
    }


class TestLongSequence(SpaceContract):
    spec: ClassVar = {
        "kind": "sequence",
        "positions": [{"name": f"p{k}", "choices": ["x", "y", "z"]} for k in range(30)],
    }


class TestRecurrent(SpaceContract):
    spec: ClassVar = {"kind": "recurrent", "nodes": 8}
    accepts_text = True


class TestRecurrentOfFewNodes(SpaceContract):
    spec: ClassVar = {"kind": "recurrent", "nodes": 4, "least_nodes": 2}
    accepts_text = True


class TestResNetStages(SpaceContract):
    spec: ClassVar = {"kind": "resnet_stages"}
    accepts_text = True


class TestResNetStagesOfOneLength(SpaceContract):
    """Only moves: neither a block nor a dash nor a doubling may come or go."""

    spec: ClassVar = {"kind": "resnet_stages", "stages": [3, 3], "blocks": [7, 7], "doublings": [2, 2]}
    accepts_text = True


class TestResNetStagesOfFewBlocks(SpaceContract):
    spec: ClassVar = {"kind": "resnet_stages", "stages": [1, 3], "blocks": [1, 5], "doublings": [0, 8]}
    accepts_text = True


def pool_of(spec: dict[str, Any], *, draws: int, seed: int) -> dict[str, Any]:
    """The spec of a pool of drawn architectures of a space, every third listed as text."""
    space, rng = space_from_spec(spec), random.Random(seed)
    drawn = [space.sample(rng) for _ in range(draws)]
    return {
        "kind": "pool",
        "of": spec,
        "architectures": [arch.text if k % 3 else arch.json for k, arch in enumerate(drawn)],
    }


class PoolContract(SpaceContract):
    """A member may be among the nearest of another that is not among its own nearest."""

    accepts_text = True
    mutual = False


class TestPoolOfManyEqualNetworks(PoolContract):
    spec: ClassVar = pool_of({"kind": "edge_cell", "nodes": 4, "ops": ["none", "skip_connect", "a"]}, draws=300, seed=1)


class TestPoolOfFewOfManyCells(PoolContract):
    spec: ClassVar = pool_of({"kind": "nasbench201"}, draws=200, seed=2)


class TestPoolOfRecurrentCells(PoolContract):
    spec: ClassVar = pool_of({"kind": "recurrent", "nodes": 8}, draws=100, seed=3)


class TestPoolOfOne(PoolContract):
    spec: ClassVar = pool_of({"kind": "recurrent", "nodes": 2}, draws=1, seed=4)


class TestPoolOfTwo(PoolContract):
    spec: ClassVar = pool_of({"kind": "resnet_stages", "blocks": [4, 6]}, draws=2, seed=5)


class StackedCellsContract(SpaceContract):
    """Cells are accepted as genotypes too."""

    accepts_text = True


class TestDarts(StackedCellsContract):
    spec: ClassVar = {"kind": "darts"}


class TestDartsWithNone(StackedCellsContract):
    spec: ClassVar = {"kind": "darts", "none": True}


class TestNasnet(StackedCellsContract):
    spec: ClassVar = {"kind": "nasnet"}


class LayerGraphContract(SpaceContract):
    """Units that grow and shrink again are others, so edits are not mutual; a gene is a layer or an edge."""

    mutual = False
    pickled = 4_000


class TestLayerGraphOfConvolutions(LayerGraphContract):
    spec: ClassVar = {"kind": "layer_graph", "flavour": "cnn"}


class TestLayerGraphOfPerceptrons(LayerGraphContract):
    spec: ClassVar = {"kind": "layer_graph", "flavour": "mlp", "decision": "softmax"}


class TestSmallLayerGraph(LayerGraphContract):
    """Few layers, few units: many isomorphic networks and many edits that the bounds forbid."""

    spec: ClassVar = {
        "kind": "layer_graph",
        "flavour": "mlp",
        "layers": [4, 7],
        "units": [1, 2],
        "edges": 9,
        "in_degree": 2,
        "out_degree": 3,
    }


class TestLayerGraphOfSmallImages(LayerGraphContract):
    """No starting network keeps these bounds, so that one is built."""

    spec: ClassVar = {
        "kind": "layer_graph",
        "flavour": "cnn",
        "layers": [4, 12],
        "units": [3, 20],
        "halvings": 1,
        "mass": [200, 9000],
    }
