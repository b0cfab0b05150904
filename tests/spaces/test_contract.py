"""Every family of spaces under the contract."""

from __future__ import annotations

from typing import ClassVar

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
