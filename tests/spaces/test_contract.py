"""Every family of spaces under the contract."""

from __future__ import annotations

import itertools
import random
from typing import Any, ClassVar

import networkx as nx
import pytest

from bonanza.spaces import InvalidArchitecture, SearchSpace, space_from_spec
from bonanza.spaces.contract import SpaceContract


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


class ConstrainedContract(SpaceContract):
    """What a constrained space makes is what the space within makes, less what ``meets`` says is outside.

    ``meets`` reads the JSON alone and shares no code with the constraints.
    """

    @staticmethod
    def meets(json: dict[str, Any]) -> bool:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def within(cls) -> SearchSpace:
        return space_from_spec({member: value for member, value in cls.spec.items() if member != "constraints"})

    def test_everything_a_constrained_space_makes_meets_the_constraints(
        self, space: SearchSpace, rng: random.Random, walk: list[Any]
    ) -> None:
        made = [*walk, *(space.sample(rng) for _ in range(100)), *itertools.islice(space.enumerate(), 300)]
        made += [space.mutate(arch, rng, rate=rate) for arch in walk for rate in (0.5, 3)]
        made += [space.crossover(rng.choice(walk), rng.choice(walk), rng) for _ in range(100)]
        assert all(self.meets(arch.json) for arch in made)
        assert all(arch.space == space for arch in made)

    def test_neighbours_are_those_of_the_space_within_that_meet_the_constraints(
        self, space: SearchSpace, within: SearchSpace, walk: list[Any]
    ) -> None:
        for arch in walk[:10]:
            others = [other.json for other in within.neighbors(within.validate(arch.json))]
            assert [other.json for other in space.neighbors(arch)] == [json for json in others if self.meets(json)]

    def test_exactly_what_meets_the_constraints_is_valid(
        self, space: SearchSpace, within: SearchSpace, rng: random.Random
    ) -> None:
        outside = 0
        for arch in [within.sample(rng) for _ in range(300)]:
            if self.meets(arch.json):
                inside = space.validate(arch.json)
                assert (inside.json, inside.text, inside.arch_id) == (arch.json, arch.text, arch.arch_id)
                assert space.graph(inside) == within.graph(arch)
                continue
            outside += 1
            with pytest.raises(InvalidArchitecture, match=r"must be .*: the space has the constraint \{"):
                space.validate(arch.json)
        assert outside > 30


def live_edges(json: dict[str, Any]) -> nx.DiGraph[int]:
    """The edges of an edge cell, op by op, on a path from the input to the output without ``none``."""
    nodes = next(n for n in itertools.count(2) if n * (n - 1) // 2 == len(json["edges"]))
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(nodes))
    ends = [(i, j) for j in range(nodes) for i in range(j)]
    graph.add_edges_from((i, j, {"op": op}) for (i, j), op in zip(ends, json["edges"], strict=True) if op != "none")
    between = (nx.descendants(graph, 0) | {0}) & (nx.ancestors(graph, nodes - 1) | {nodes - 1})
    return graph.subgraph(between).copy()


class TestConstrainedNasBench201(ConstrainedContract):
    """Two live 3x3 convolutions, and what the published formula lets through: 73,306 parameters and so much an op."""

    accepts_text = True
    spec: ClassVar = {
        "kind": "nasbench201",
        "constraints": [
            {"count": "nor_conv_3x3", "most": 2},
            {"measure": "parameters", "channels": 16, "most": 600_000},
        ],
    }

    @staticmethod
    def meets(json: dict[str, Any]) -> bool:
        convolutions = [op for *_, op in live_edges(json).edges(data="op") if op == "nor_conv_3x3"]
        ones, threes = json["edges"].count("nor_conv_1x1"), json["edges"].count("nor_conv_3x3")
        return len(convolutions) <= 2 and 73_306 + 28_000 * ones + 243_040 * threes <= 600_000


class TestConstrainedEdgeCell(ConstrainedContract):
    """No identities, two to three ops deep: one cell in fifty, so that some samples are repaired."""

    accepts_text = True
    uncounted = True
    spec: ClassVar = {
        "kind": "edge_cell",
        "nodes": 5,
        "ops": ["none", "a", "b", "skip_connect"],
        "constraints": [{"count": "skip_connect", "in": "raw", "most": 0}, {"measure": "depth", "least": 2, "most": 3}],
    }

    @staticmethod
    def meets(json: dict[str, Any]) -> bool:
        if "skip_connect" in json["edges"]:
            return False
        live = live_edges(json)
        return live.number_of_edges() > 0 and 2 <= nx.dag_longest_path_length(live, default_weight=1) <= 3


class TestConstrainedSequence(ConstrainedContract):
    """A choice forbidden at one position, and one that may not be too frequent."""

    uncounted = True
    spec: ClassVar = {
        "kind": "sequence",
        "positions": [{"name": f"p{k}", "choices": ["x", 1, True]} for k in range(30)],
        "constraints": [
            {"count": True, "in": "/choices/0", "most": 0},
            {"count": 1, "in": "/choices", "most": 10},
        ],
    }

    @staticmethod
    def meets(json: dict[str, Any]) -> bool:
        choices = json["choices"]
        return choices[0] is not True and sum(choice == 1 and choice is not True for choice in choices) <= 10


class TestConstrainedPool(ConstrainedContract):
    accepts_text = True
    mutual = False
    spec: ClassVar = {
        **pool_of({"kind": "edge_cell", "nodes": 4, "ops": ["none", "skip_connect", "a"]}, draws=200, seed=6),
        "constraints": [{"count": "a", "in": "/edges", "most": 3}, {"measure": "depth", "least": 1}],
    }

    @staticmethod
    def meets(json: dict[str, Any]) -> bool:
        return json["edges"].count("a") <= 3 and "a" in {op for *_, op in live_edges(json).edges(data="op")}


class TestPoolOfAConstrainedSpace(PoolContract):
    spec: ClassVar = pool_of(
        {"kind": "recurrent", "nodes": 5, "constraints": [{"measure": "depth", "most": 3}]}, draws=40, seed=7
    )


class NodeCellContract(SpaceContract):
    """One spelling of each network is listed."""

    every_spelling = False


class TestNasBench101(NodeCellContract):
    spec: ClassVar = {"kind": "nasbench101"}


class TestNasBench101ByHalfEdges(NodeCellContract):
    spec: ClassVar = {"kind": "nasbench101", "sampling": "half_edge"}


class TestNodeCellOfFiveVertices(NodeCellContract):
    """Few networks, each at many spellings: most pairs of a walk are twins or nearly."""

    spec: ClassVar = {"kind": "node_cell", "max_nodes": 5, "max_edges": 7, "ops": ["a", "b"]}


class TestNodeCellOfOneOp(NodeCellContract):
    spec: ClassVar = {"kind": "node_cell", "max_nodes": 6, "max_edges": 15, "ops": ["a"], "sampling": "half_edge"}


class TestNodeCellOfTwelveVertices(NodeCellContract):
    """Too many networks to list; few edges, so that most edits are held up by the limit."""

    spec: ClassVar = {"kind": "node_cell", "max_nodes": 12, "max_edges": 14, "ops": ["a", "b", "c"]}


class TestNodeCellOfManyEdges(NodeCellContract):
    spec: ClassVar = {"kind": "node_cell", "max_nodes": 9, "max_edges": 36, "ops": ["a", "b"]}


class TestNodeCellOfStrangeNames(NodeCellContract):
    spec: ClassVar = {
        "kind": "node_cell",
        "max_nodes": 4,
        "max_edges": 5,
        "ops": ["0", "größe 3", "none"],
        "input": "x|t",
        "output": "y/~",
    }


class TestNodeCellOfOneCell(NodeCellContract):
    spec: ClassVar = {"kind": "node_cell", "max_nodes": 2, "max_edges": 1, "ops": ["a"]}


class TestConstrainedNasBench101(ConstrainedContract):
    every_spelling = False
    uncounted = True
    spec: ClassVar = {
        "kind": "nasbench101",
        "constraints": [
            {"count": "maxpool3x3", "in": "/ops", "most": 1},
            {"count": 1, "in": "/adjacency/0", "least": 2},
        ],
    }

    @staticmethod
    def meets(json: dict[str, Any]) -> bool:
        return json["ops"].count("maxpool3x3") <= 1 and sum(json["adjacency"][0]) >= 2
