"""The contract of networks, for every kind of space."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from bonanza.spaces import Architecture, SearchSpace, space_kinds
from bonanza.worker.networks import (
    Dropouts,
    NoNetwork,
    Skeleton,
    build,
    build_language_model,
    export_language_model,
    parameter_count,
)
from tests.contracts.network import NetworkContract, multiply_adds

CIFAR = (3, 32, 32)
AS_PUBLISHED = Skeleton(dead_ops=True)
KNOWN = ["none", "skip_connect", "max_pool_3x3", "sep_conv_3x3", "dil_conv_5x5", "nor_conv_1x1"]


class TestNasBench101(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "nasbench101"}
    published = (AS_PUBLISHED, 10, CIFAR)


class TestNodeCell(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "node_cell", "max_nodes": 9, "max_edges": 14, "ops": KNOWN[1:]}


class TestNasBench201(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "nasbench201"}
    published = (AS_PUBLISHED, 10, CIFAR)


class TestEdgeCell(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "edge_cell", "nodes": 5, "ops": KNOWN}


class TestEdgeCellWithNamesOfItsOwn(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {
        "kind": "edge_cell",
        "nodes": 3,
        "ops": ["zero", "pass", "conv3x3-bn-relu"],
        "zero_op": "zero",
        "identity_op": "pass",
    }


class TestDarts(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "darts"}
    skeleton = Skeleton(channels=2, cells=3)


class TestDartsWithNone(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "darts", "none": True}
    skeleton = Skeleton(channels=2, cells=4)
    published = (AS_PUBLISHED, 10, CIFAR)


class TestNasnet(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "nasnet"}
    skeleton = Skeleton(channels=2, cells=5)


class TestResNetStages(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "resnet_stages", "blocks": [4, 9], "doublings": [0, 3]}
    published = (Skeleton(), 1000, (3, 224, 224))


class TestConvolutionalLayers(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "layer_graph", "flavour": "cnn", "units": [8, 24]}
    published = (Skeleton(), 10, CIFAR)


class TestPerceptrons(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "layer_graph", "flavour": "mlp", "units": [8, 64], "decision": "softmax"}
    published = (Skeleton(), 10, CIFAR)


class TestRegressionPerceptrons(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "layer_graph", "flavour": "mlp", "units": [8, 64]}
    published = (Skeleton(), 1, CIFAR)


class TestPool(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {
        "kind": "pool",
        "of": {"kind": "nasbench201", "constraints": [{"count": "none", "in": "raw", "most": 1}]},
        "architectures": [
            {"edges": ["nor_conv_3x3"] * 6},
            {"edges": ["nor_conv_1x1"] * 6},
            {"edges": ["nor_conv_1x1", "none", *["avg_pool_3x3"] * 4]},
        ],
    }


class TestConstrained(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "darts", "constraints": [{"count": "sep_conv_5x5", "most": 3}]}
    skeleton = Skeleton(channels=2, cells=1)


class TestRecurrent(NetworkContract):
    spec: ClassVar[dict[str, Any]] = {"kind": "recurrent", "nodes": 8}
    dropouts = Dropouts(words=0.1, embedded=0.1, inputs=0.1, hidden=0.1, outputs=0.1)

    def build(self, arch: Architecture) -> nn.Module:
        return build_language_model(arch.space, arch, tokens=20, width=6, layers=2, dropouts=self.dropouts)

    def source(self, arch: Architecture) -> str:
        return export_language_model(arch.space, arch, tokens=20, width=6, layers=2, dropouts=self.dropouts)

    def batch(self) -> Tensor:
        return torch.randint(0, 20, (5, 3))

    def scores(self, network: nn.Module, batch: Tensor) -> Tensor:
        scores, state = network(batch)
        assert (scores.shape, state.shape) == ((5, 3, 20), (2, 3, 6))
        return torch.as_tensor(scores).flatten(0, 1)

    def test_the_published_network_costs_what_the_space_says(
        self, space: SearchSpace, cells: list[Architecture]
    ) -> None:
        for arch in cells:
            cost = space.cost(arch)
            assert cost is not None
            with torch.device("meta"):
                network = build_language_model(space, arch, tokens=10_000)
                assert parameter_count(network) == cost.parameters
                assert multiply_adds(network, torch.zeros(1, 1, dtype=torch.long)) == cost.flops

    def test_images_of_any_size_have_scores(self, cells: list[Architecture]) -> None:  # type: ignore[override]
        with pytest.raises(NoNetwork, match="for text, none for images"):
            build(cells[0].space, cells[0], skeleton=Skeleton(), classes=5, shape=CIFAR)


def test_every_kind_has_a_network_but_the_one_that_only_its_user_knows() -> None:
    tried = {case.spec["kind"] for case in NetworkContract.__subclasses__()}
    assert {kind.name for kind in space_kinds()} - tried == {"sequence"}
