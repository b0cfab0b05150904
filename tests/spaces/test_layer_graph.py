"""NASBOT's networks: the published facts, what each primitive does, and what a wrong network or spec is told."""

from __future__ import annotations

import contextlib
import json
import math
import random
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonanza.spaces import Architecture, InvalidArchitecture, InvalidSpace, space_from_spec
from bonanza.spaces.contract.hostile import hostile_json
from bonanza.spaces.layer import CNN, DECISIONS, FC, IP, KERNELS, MLP, POOLS, WITH_UNITS, Layer, layer, op_of
from bonanza.spaces.layer_crossover import crossover, cuts
from bonanza.spaces.layer_edits import widened
from bonanza.spaces.layer_examples import blocked_cnn, blocked_mlp, multidepth_cnn, starting_networks, vgg
from bonanza.spaces.layer_graph import LayerGraph, layer_graph
from bonanza.spaces.layer_neighbors import neighbors
from bonanza.spaces.layer_network import Network, chain, halvings, masses, network
from bonanza.spaces.layer_primitives import PRIMITIVES, STEPS, WEIGHTS, mutate, step
from bonanza.spaces.layer_rules import Rules, violation
from bonanza.spaces.layer_sites import SWAPS

CNNS = Rules(CNN, "softmax")
MLPS = Rules(MLP, "linear")
STARTS = [(net, rules) for rules in (CNNS, MLPS) for net in starting_networks(rules)]


@pytest.fixture
def rng() -> random.Random:
    return random.Random(1802_07191)


def applied(name: str, net: Network, rng: random.Random, rules: Rules, times: int = 60) -> list[Network]:
    """The valid networks among so many draws of a primitive."""
    drawn = [PRIMITIVES[name](net, rng) for _ in range(times)]
    return [other for other in drawn if other is not None and other != net and violation(other, rules) is None]


def some_cnn(**changes: Any) -> dict[str, Any]:
    """A network with a branch, in JSON."""
    layers: list[dict[str, Any]] = [
        {"op": "ip"},
        {"op": "conv3", "units": 16},
        {"op": "conv5", "units": 32, "stride": 2},
        {"op": "max-pool"},
        {"op": "res3", "units": 24},
        {"op": "fc", "units": 64},
        {"op": "softmax"},
        {"op": "op"},
    ]
    edges = [[0, 1], [1, 2], [1, 3], [2, 4], [3, 4], [4, 5], [5, 6], [6, 7]]
    return {"layers": layers, "edges": edges} | changes


def with_layer(v: int, **changes: Any) -> dict[str, Any]:
    value = some_cnn()
    value["layers"][v] = {k: x for k, x in (value["layers"][v] | changes).items() if x is not None}
    return value


def with_edges(*more: list[int], without: tuple[list[int], ...] = ()) -> dict[str, Any]:
    value = some_cnn()
    value["edges"] = [edge for edge in value["edges"] if edge not in without] + list(more)
    return value


# The published facts


@pytest.mark.parametrize(
    ("net", "mass"),
    [
        (vgg(1), 302881.28),
        (vgg(2), 750164.48),
        (blocked_cnn(3, 2), 187932.16),
        (blocked_cnn(3, 2, op="res3"), 187932.16),
    ],
)
def test_total_masses_are_those_of_the_original(net: Network, mass: float) -> None:
    assert math.fsum(masses(net, net.parents())) == pytest.approx(mass, rel=1e-12)


def test_each_layer_has_the_mass_of_the_papers_definition() -> None:
    space = layer_graph(CNNS)
    graph = space.graph(space.validate(some_cnn()))
    assert [op_of(label) for label in graph.labels] == [each["op"] for each in some_cnn()["layers"]]
    between = [16, 16 * 32, 16, (32 + 16) * 24, 0.1 * 24 * 64]
    end = sum(between) * 0.1
    assert graph.mass == pytest.approx([end, *between, end, end])
    assert graph.units == (0, 16, 32, 0, 24, 64, 0, 0)
    assert graph.labels[2] == "conv5/2"


def test_decision_layers_share_one_mass_and_small_networks_have_ends_of_a_hundred() -> None:
    two = network(
        [Layer(IP), layer("relu", 8), layer("linear"), layer("linear"), Layer("op")],
        [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)],
    )
    assert two is not None
    assert masses(two, two.parents()) == (100, 8, 50, 50, 100)


def test_there_are_twelve_convolutional_and_ten_perceptron_starting_networks() -> None:
    assert [len(net.layers) for net in starting_networks(CNNS)] == [18, 21, 24, 27, 10, 13, 16, 19, 22, 23, 13, 15]
    assert [len(net.layers) for net in starting_networks(MLPS)] == [9, 11, 13, 15, 15, 19, 21, 23, 27, 27]
    for net, rules in STARTS:
        assert violation(net, rules) is None
    assert len({layer_graph(rules).identify(Architecture(layer_graph(rules), net)) for net, rules in STARTS}) == 22


def test_the_examples_are_the_originals() -> None:
    assert [each.op for each in vgg(1).layers][7:] == [
        *("conv3", "max-pool", "conv3", "max-pool", "conv3", "max-pool"),
        *("fc", "fc", "fc", "softmax", "op"),
    ]
    blocked = blocked_cnn(4, 2)
    assert [each.units for each in blocked.layers if each.units] == [64, 64, 64, 128, 128, 256, 256, 512, 512, 1024]
    assert [each.stride for each in blocked.layers] == [0, 1, 2, 2, 1, 2, 1, 2, 1, 2, 1, 2, 0, 0, 0]
    assert [each.op for each in blocked_mlp(3, 1, "linear").layers] == [
        "ip",
        "relu",
        "logistic",
        "crelu",
        "linear",
        "op",
    ]
    assert multidepth_cnn().layers.count(layer("softmax")) == 2
    assert len(multidepth_cnn().edges) == 17


def test_steps_and_weights_are_the_originals(rng: random.Random) -> None:
    assert sum(STEPS) == pytest.approx(1)
    assert sum(WEIGHTS.values()) == pytest.approx(1.2)
    assert WEIGHTS.keys() == PRIMITIVES.keys()
    for chances in SWAPS.values():
        assert sum(chances.values()) == pytest.approx(1)
    assert SWAPS["conv3"] == {
        "res3": 0.25,
        "res5": 0.25,
        "conv5": 0.15,
        "conv7": 0.25,
        "max-pool": 0.05,
        "avg-pool": 0.05,
    }
    assert SWAPS["res5"] == {"conv3": 0.25, "conv5": 0.25, "res3": 0.2, "res7": 0.2, "max-pool": 0.05, "avg-pool": 0.05}
    assert SWAPS["max-pool"] == {"avg-pool": 1}
    assert set(SWAPS["elu"]) == {"logistic", "tanh"}
    assert len(SWAPS["tanh"]) == 5


# The primitives


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_primitive_finds_something_valid_in_nearly_every_starting_network(name: str, rng: random.Random) -> None:
    found = [len(applied(name, net, rng, rules, times=20)) for net, rules in STARTS]
    assert sum(found) > 20 * len(STARTS) / 3
    assert sum(not each for each in found) <= 2, "skip and remove are hard in the shortest ones only"


@pytest.mark.parametrize(("name", "factor"), [("inc_single", 1.125), ("dec_single", 0.875)])
def test_one_layer_gets_an_eighth_more_units_or_fewer(name: str, factor: float, rng: random.Random) -> None:
    for net, rules in STARTS:
        for other in applied(name, net, rng, rules, times=5):
            changed = [(a, b) for a, b in zip(net.layers, other.layers, strict=True) if a != b]
            assert [b for _, b in changed] == [changed[0][0]._replace(units=round(changed[0][0].units * factor))]
            assert other.edges == net.edges


def test_units_always_change_and_are_rounded_half_up() -> None:
    def changed(units: int, *, more: bool) -> int:
        return widened(chain([layer("relu", units), layer("linear")]), [1], more=more).layers[1].units

    assert [changed(units, more=True) for units in (1, 3, 4, 8, 12, 100, 1020)] == [2, 4, 5, 9, 14, 113, 1148]
    assert [changed(units, more=False) for units in (2, 4, 8, 12, 100, 1020)] == [1, 3, 7, 11, 88, 893]


def test_units_change_en_masse_in_halves_quarters_and_eighths(rng: random.Random) -> None:
    sizes = Counter(
        sum(a != b for a, b in zip(vgg(4).layers, other.layers, strict=True))
        for other in applied("dec_en_masse", vgg(4), rng, CNNS, times=400)
    )
    assert set(sizes) == {9, 10, 4, 5, 2, 3}, "19 layers with units"
    few = applied("dec_en_masse", blocked_cnn(3, 1), rng, CNNS)
    assert {sum(a != b for a, b in zip(blocked_cnn(3, 1).layers, net.layers, strict=True)) for net in few} == {1, 2, 3}


def test_a_swap_changes_one_op_and_seldom_a_stride(rng: random.Random) -> None:
    strides = 0
    for net, rules in STARTS:
        for other in applied("swap_layer", net, rng, rules, times=40):
            (before, after), *more = [(a, b) for a, b in zip(net.layers, other.layers, strict=True) if a != b]
            assert not more
            assert after.op in SWAPS[before.op]
            assert after.units == (before.units if after.op in WITH_UNITS else 0)
            strides += before.stride != after.stride and after.op in KERNELS and before.op in KERNELS
    assert 0 < strides < 50


def fits(before: Layer, new: Layer, after: Layer) -> bool:
    """Whether the original may wedge ``new`` between these two."""
    units = [each.units for each in (before, after) if each.units]
    if before.op == FC:
        return new == before and after.op != "op"
    return before.op != IP if new.op in POOLS else new.units == sum(units) // len(units)


def test_a_wedge_takes_its_units_from_both_ends_and_copies_what_is_fully_connected(rng: random.Random) -> None:
    net = chain([layer("conv3", 16), layer("conv3", 33), layer("max-pool"), layer(FC, 64), layer("softmax")])
    seen: Counter[str] = Counter()
    for other in applied("wedge_layer", net, rng, CNNS, times=600):
        places = [v for v in range(1, 7) if (*other.layers[:v], *other.layers[v + 1 :]) == net.layers]
        ops = {other.layers[v].op for v in places}
        assert len(ops) == 1, "where equal layers meet, either may be the new one"
        seen.update(ops)
        assert any(fits(net.layers[v - 1], other.layers[v], net.layers[v]) for v in places)
    assert set(seen) == {*KERNELS, *POOLS, FC}
    assert sum(seen[op] for op in POOLS) < sum(seen.values()) / 8


def test_a_removed_pool_leaves_its_stride_to_the_convolution_behind(rng: random.Random) -> None:
    net = chain([layer("conv3", 16), layer("max-pool"), layer("conv3", 8), layer("fc", 64), layer("softmax")])
    found = {tuple(each.label for each in other.layers) for other in applied("remove_layer", net, rng, CNNS)}
    assert ("input", "conv3", "conv3/2", "fc", "softmax", "output") in found
    assert all("fc" in labels and "softmax" in labels for labels in found)


def test_what_a_removed_layer_joined_stays_joined(rng: random.Random) -> None:
    joined = network(
        [
            Layer(IP),
            layer("relu", 8),
            layer("elu", 9),
            layer("tanh", 10),
            layer("relu", 11),
            layer("linear"),
            Layer("op"),
        ],
        [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 5), (5, 6)],
    )
    assert joined is not None
    without_tanh = {
        other.edges for other in applied("remove_layer", joined, rng, MLPS) if layer("tanh", 10) not in other.layers
    }
    assert without_tanh == {((0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 5))}


def test_a_branch_copies_what_it_must(rng: random.Random) -> None:
    for net, rules in STARTS[:12]:
        for other in applied("branch", net, rng, rules, times=10):
            new = Counter(other.layers) - Counter(net.layers)
            assert sum(new.values()) == len(other.layers) - len(net.layers) >= 1
            assert set(new) <= set(net.layers)
            assert len(other.edges) == len(net.edges) + sum(new.values()) + 1


def test_a_skip_has_as_many_average_pools_as_it_passes_halvings(rng: random.Random) -> None:
    seen = set()
    for other in applied("skip", vgg(1), rng, CNNS, times=200):
        new = Counter(other.layers) - Counter(vgg(1).layers)
        assert set(new) <= {layer("avg-pool")}
        assert len(other.edges) == len(vgg(1).edges) + new[layer("avg-pool")] + 1
        assert None not in [
            left for left, each in zip(halvings(other, other.parents()), other.layers, strict=True) if each.stride
        ]
        seen.add(new[layer("avg-pool")])
    assert seen >= {1, 2, 3, 4}
    for other in applied("skip", blocked_mlp(3, 2, "linear"), rng, MLPS):
        assert len(other.edges) == len(blocked_mlp(3, 2, "linear").edges) + 1
        assert len(other.layers) == len(blocked_mlp(3, 2, "linear").layers)


def test_a_higher_rate_is_more_steps(rng: random.Random) -> None:
    def changes(rate: float) -> float:
        made = [mutate(vgg(4), rng, CNNS, rate=rate) for _ in range(100)]
        return sum(sum((Counter(net.layers) - Counter(vgg(4).layers)).values()) for net in made) / len(made)

    assert changes(0.1) < changes(1.5) < changes(6)


def test_long_walks_stay_valid(rng: random.Random) -> None:
    bounded = Rules(
        CNN, "softmax", layers=(5, 20), units=(10, 90), in_degree=3, edges=26, mass=(1000, 60_000), halvings=4
    )
    for rules in (CNNS, MLPS, bounded):
        net = starting_networks(rules)[0]
        sizes = set()
        for _ in range(400):
            net = step(net, rng, rules) or net
            assert violation(net, rules) is None
            sizes.add(len(net.layers))
        assert len(sizes) > 5


# Neighbours and children


def test_neighbours_are_every_kind_of_edit(rng: random.Random) -> None:
    net = vgg(1)
    found = list(neighbors(net, CNNS))
    by_size = Counter(len(other.layers) - len(net.layers) for other in found)
    assert by_size[-1] == 12, (
        "each layer but the ends, softmax and the first fc: 12 others, of which none breaks a join"
    )
    same = [other for other in found if other.edges == net.edges]
    units = [other for other in same if [each.op for each in other.layers] == [each.op for each in net.layers]]
    assert len(units) == 2 * 10 + 2 * (2 + 4 + 2), "6 of the eighths of 10 layers are single ones"
    assert len(same) == len(units) + 7 * 6 - 2 + 5, "7 convolutions, the first of them no pool; 5 pools"
    assert by_size[0] - len(same) == 7, "skips between images of one size need no pools"
    assert all(violation(other, CNNS) is None for other in found)


def test_a_child_has_the_head_of_one_parent_and_the_tail_of_the_other(rng: random.Random) -> None:
    a, b = vgg(2), blocked_cnn(3, 5, op="res3")
    children = {crossover(a, b, rng, CNNS) for _ in range(200)}
    assert len(children) > 30
    for child in children:
        assert violation(child, CNNS) is None
        first, second = (a, b) if child.layers[1] == a.layers[1] else (b, a)
        cut = next(k for k, (x, y) in enumerate(zip(child.layers, first.layers, strict=False)) if x != y)
        assert child.layers[:cut] == first.layers[:cut]
        assert any(
            child.layers[k:] == second.layers[len(second.layers) - len(child.layers) + k :] for k in (cut - 1, cut)
        )


def test_networks_are_cut_where_every_path_leads_through() -> None:
    assert [v for v, _ in cuts(multidepth_cnn())] == [1]
    assert cuts(chain([layer("conv3", 8, 2), layer(FC, 8), layer("softmax")])) == [(1, 1), (2, None)]


def test_parents_that_cannot_be_joined_give_one_of_them(rng: random.Random) -> None:
    rules = Rules(CNN, "softmax", layers=(5, 5))
    a, b = (chain([layer(op, 8), layer(FC, 8), layer("softmax")]) for op in ("conv3", "res7"))
    assert {crossover(a, b, rng, rules) for _ in range(50)} == {a, b}, "every child of these is one of its parents"


# Identity


def test_the_order_of_layers_and_parents_changes_neither_id_nor_mass(rng: random.Random) -> None:
    space = layer_graph(CNNS)
    for arch in [space.validate(some_cnn()), *[space.sample(rng) for _ in range(40)]]:
        n = len(arch.genes[0])
        moved = list(range(n))
        rng.shuffle(moved)
        value = arch.json
        layers = [value["layers"][moved.index(k)] for k in range(n)]
        edges = [[moved[v], moved[w]] for v, w in value["edges"]]
        rng.shuffle(edges)
        other = space.validate({"layers": layers, "edges": edges})
        assert other.arch_id == arch.arch_id
        assert space.canonical(other) == space.canonical(arch)


def test_op_units_stride_and_edges_are_part_of_the_identity() -> None:
    space = layer_graph(CNNS)
    strides = with_layer(4, stride=2)
    more = with_layer(4, units=25)
    others = [some_cnn(), strides, more, with_layer(4, op="conv3"), with_layer(3, op="avg-pool")]
    pool_of_both = {
        "layers": [
            {"op": "ip"},
            *[{"op": "conv3", "units": 8}] * 2,
            *[{"op": "max-pool"}],
            {"op": "softmax"},
            {"op": "op"},
        ],
        "edges": [[0, 1], [0, 2], [1, 3], [2, 3], [3, 4], [4, 5]],
    }
    pool_of_each = {
        "layers": [
            {"op": "ip"},
            *[{"op": "conv3", "units": 8}] * 2,
            *[{"op": "max-pool"}] * 2,
            {"op": "softmax"},
            {"op": "op"},
        ],
        "edges": [[0, 1], [0, 2], [1, 3], [2, 4], [3, 5], [4, 5], [5, 6]],
    }
    others += [pool_of_both, pool_of_each]
    assert len({space.validate(value).arch_id for value in others}) == len(others)


# Cost


class Built:
    """A network of layers built layer by layer in torch, without data: shapes only."""

    def __init__(self, net: Network) -> None:
        from torch import nn, zeros

        self.parameters = self.flops = 0
        self._nn = nn
        cnn = net.layers[1].op in KERNELS
        values = [zeros((1, 3, 32, 32) if cnn else (1, 3 * 32 * 32), device="meta")]
        parents = net.parents()
        for v, (op, units, stride) in enumerate(net.layers[1:], start=1):
            x = self._joined([values[u] for u in parents[v]], mean=op == "op")
            if op in KERNELS:
                values.append(self._convolutional(x, op, units, stride))
            elif op in POOLS:
                values.append(nn.MaxPool2d(2, ceil_mode=True)(x))
            elif op != "op":
                x = x.mean((2, 3)) if x.dim() == 4 else x
                out = (
                    10 if op == "softmax" else 1 if op == "linear" else math.ceil(units / 2) if op == "crelu" else units
                )
                x = self._counted(nn.Linear(x.shape[1], out, device="meta"), x)
                values.append(self._joined([x, -x])[:, :units] if op == "crelu" else x)
            else:
                self.answer = x

    def _joined(self, values: list[Any], *, mean: bool = False) -> Any:
        import torch

        return torch.stack(values).mean(0) if mean else torch.cat(values, 1)

    def _convolutional(self, x: Any, op: str, units: int, stride: int) -> Any:
        y = self._norm(self._conv(x, units, KERNELS[op], stride))
        if op.startswith("conv"):
            return y
        same = x.shape == y.shape
        return self._norm(self._conv(y, units, KERNELS[op], 1)) + (x if same else self._conv(x, units, 1, stride))

    def _conv(self, x: Any, units: int, kernel: int, stride: int) -> Any:
        conv = self._nn.Conv2d(x.shape[1], units, kernel, stride, kernel // 2, bias=False, device="meta")
        return self._counted(conv, x)

    def _norm(self, x: Any) -> Any:
        norm = self._nn.BatchNorm2d(x.shape[1], device="meta").eval()
        self.parameters += sum(p.numel() for p in norm.parameters())
        return norm(x)

    def _counted(self, module: Any, x: Any) -> Any:
        y = module(x)
        self.parameters += sum(p.numel() for p in module.parameters())
        self.flops += module.weight.numel() * (y[0, 0].numel() if y.dim() == 4 else 1)
        return y


@pytest.mark.parametrize(
    ("spec", "answers"),
    [({"flavour": "cnn"}, 10), ({"flavour": "mlp"}, 1), ({"flavour": "mlp", "decision": "softmax"}, 10)],
)
def test_every_network_can_be_built_and_costs_what_the_built_one_does(
    spec: dict[str, Any], answers: int, rng: random.Random
) -> None:
    space = space_from_spec({"kind": "layer_graph", **spec})
    assert isinstance(space, LayerGraph)
    nets = [*starting_networks(space.rules), *[Network(*space.sample(rng).genes) for _ in range(4)]]
    for net in nets:
        built = Built(net)
        assert built.answer.shape == (1, answers)
        assert space.cost(Architecture(space, net)) == (built.parameters, built.flops)


# What a wrong network is told


@pytest.mark.parametrize(
    ("value", "pointer", "says"),
    [
        ([], "", "must be an object"),
        ({"layers": []}, "/edges", "missing"),
        (some_cnn(nodes=3), "/nodes", "unknown"),
        (some_cnn(layers=[{"op": "ip"}] * 4), "/layers", "5 to 60 layers, not of 4"),
        (some_cnn(layers=[{"op": "ip"}] * 61), "/layers", "not of 61"),
        (some_cnn(edges=[[0, 1]] * 201), "/edges", "0 to 200 edges, not of 201"),
        (some_cnn(edges=7), "/edges", "not 7"),
        (some_cnn(layers=["conv3"] * 8), "/layers/0", 'not "conv3"'),
        (with_layer(1, op="relu"), "/layers/1/op", '"conv3"'),
        (with_layer(1, op=["conv3"]), "/layers/1/op", "not a list of 1"),
        (with_layer(1, op="linear"), "/layers/1/op", "must be one of"),
        (with_layer(1, units=None), "/layers/1/units", "is missing"),
        (with_layer(1, units=-16), "/layers/1/units", "from 8 to 1024, not -16"),
        (with_layer(1, units=7), "/layers/1/units", "not 7"),
        (with_layer(1, units=1025), "/layers/1/units", "not 1025"),
        (with_layer(1, units=10**4000), "/layers/1/units", "very large"),
        (with_layer(1, units=math.nan), "/layers/1/units", "not nan"),
        (with_layer(1, units=True), "/layers/1/units", "not true"),
        (with_layer(3, units=8), "/layers/3/units", "left out"),
        (with_layer(6, units=10), "/layers/6/units", "left out"),
        (with_layer(1, stride=3), "/layers/1/stride", "from 1 to 2, not 3"),
        (with_layer(3, stride=2), "/layers/3/stride", "left out"),
        (with_layer(1, filters=3), "/layers/1/filters", "unknown"),
        (with_layer(2, stride=1), "/layers/4", "halved 0 times and an image halved 1 times"),
        (with_layer(4, op="ip", units=None), "/layers/4/op", "again"),
        (with_layer(6, op="op"), "/layers/7/op", "again"),
        (with_layer(0, op="max-pool"), "/layers", 'one layer "ip", not none'),
        (with_layer(7, op="softmax"), "/layers", 'one layer "op", not none'),
        (with_layer(6, op="fc", units=8), "/layers/6", "only softmax may"),
        (with_layer(1, op="max-pool", units=None), "/layers/1", "must not read the ip"),
        (with_layer(5, op="softmax", units=None), "/layers/5", "only the op may read it"),
        (with_layer(4, op="fc"), "/layers/4", None),
        (with_edges([4, 7]), "/layers/4", "must not lead to the op"),
        (with_edges([4, 6]), "/layers/6", "an image halved 1 times and a vector"),
        (with_edges(without=([5, 6],)), "/layers/5", "dangles: no edge leads from it"),
        (with_edges(without=([1, 3],)), "/layers/3", "dangles: no edge leads to it"),
        (with_edges([2, 1]), "/edges", "circle"),
        (with_edges([7, 0]), "/edges", "circle"),
        (with_edges([3, 3]), "/edges/8", "another layer than its own"),
        (with_edges([1, 2]), "/edges/8", "not be [1, 2] again"),
        (with_edges([1, 8]), "/edges/8/1", "from 0 to 7, not 8"),
        (with_edges([-1, 2]), "/edges/8/0", "not -1"),
        (with_edges([1]), "/edges/8", "2 layers, [from, to], not of 1"),
        (with_edges([1, 2.0]), "/edges/8/1", "not 2.0"),
    ],
)
def test_a_wrong_network_is_pointed_at(value: Any, pointer: str, says: str | None) -> None:
    space = layer_graph(CNNS)
    if says is None:
        assert space.validate(value)
        return
    with pytest.raises(InvalidArchitecture) as refusal:
        space.validate(value)
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message


@pytest.mark.parametrize(
    ("bound", "pointer", "says"),
    [
        ({"in_degree": 1}, "/layers/4", "reads 2 layers; at most 1"),
        ({"out_degree": 1}, "/layers/1", "is read by 2 layers; at most 1"),
        ({"edges": 7}, "/edges", "0 to 7 edges"),
        ({"layers": [5, 7]}, "/layers", "5 to 7 layers, not of 8"),
        ({"units": [20, 100]}, "/layers/1/units", "from 20 to 100, not 16"),
        ({"mass": [0, 2_000]}, "/layers", "a mass of 0 to 2000 in all, not 2404.48"),
        ({"mass": [3_000, None]}, "/layers", "3000 or more"),
        ({"halvings": 0}, "/layers/2", "halved 1 times; at most 0"),
    ],
)
def test_a_network_out_of_bounds_is_told_which(bound: dict[str, Any], pointer: str, says: str) -> None:
    space = space_from_spec({"kind": "layer_graph", "flavour": "cnn", **bound})
    with pytest.raises(InvalidArchitecture) as refusal:
        space.validate(some_cnn())
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message


def test_pointers_are_to_the_layers_as_the_user_numbered_them() -> None:
    value = with_layer(2, stride=1)
    turned = {"layers": value["layers"][::-1], "edges": [[7 - v, 7 - w] for v, w in value["edges"]]}
    with pytest.raises(InvalidArchitecture, match="halved") as refusal:
        layer_graph(CNNS).validate(turned)
    assert refusal.value.pointer == "/layers/3"


def test_a_perceptron_of_nothing_but_decisions_is_refused() -> None:
    value = {"layers": [{"op": "ip"}, *[{"op": "linear"}] * 3, {"op": "op"}], "edges": [[0, v] for v in (1, 2, 3)]}
    value["edges"] += [[v, 4] for v in (1, 2, 3)]
    with pytest.raises(InvalidArchitecture, match="a layer with units"):
        layer_graph(MLPS).validate(value)


@settings(deadline=None, max_examples=150)
@given(value=hostile_json(), v=st.integers(0, 7), field=st.sampled_from(["op", "units", "stride"]))
def test_anything_anywhere_in_a_network_or_a_spec_is_taken_or_refused(value: Any, v: int, field: str) -> None:
    networks = [some_cnn(layers=value), some_cnn(edges=value), with_layer(v, **{field: value}), with_edges(value)]
    networks += [some_cnn(layers=[*some_cnn()["layers"][:7], value]), with_edges([1, value])]
    for wrong in networks:
        with contextlib.suppress(InvalidArchitecture):
            arch = layer_graph(CNNS).validate(wrong)
            assert layer_graph(CNNS).validate(arch.json) == arch
    for name in ("flavour", "decision", "layers", "units", "edges", "in_degree", "out_degree", "mass", "halvings"):
        for wrong in (value, [value, 9], [9, value]):
            with contextlib.suppress(InvalidSpace):
                assert space_from_spec(spec_of() | {name: wrong}).sample(random.Random(0))


def test_huge_graphs_are_refused_at_once() -> None:
    n = 10_000
    layers = [{"op": "ip"}, *[{"op": "conv3", "units": 8}] * n, {"op": "softmax"}, {"op": "op"}]
    edges = [[v, v + 1] for v in range(n + 2)]
    started = time.perf_counter()
    for value in ({"layers": layers, "edges": edges}, some_cnn(edges=edges * 100)):
        with pytest.raises(InvalidArchitecture, match="must be a list of"):
            layer_graph(CNNS).validate(value)
    assert time.perf_counter() - started < 1


def test_the_largest_networks_get_an_id_in_time(rng: random.Random) -> None:
    space = space_from_spec(
        {"kind": "layer_graph", "flavour": "mlp", "layers": [5, 100], "edges": 500, "in_degree": 60, "out_degree": 60}
    )
    layers = [{"op": "ip"}, *[{"op": "relu", "units": 8}] * 96, {"op": "linear"}, {"op": "op"}]
    edges = [[0, v] for v in range(1, 49)] + [[v, 97] for v in range(49, 97)] + [[97, 98]]
    for _ in range(2):  # each of the 48 read by two of the other 48: cycles of all lengths, all layers alike
        targets = list(range(49, 97))
        rng.shuffle(targets)
        edges += [[v, w] for v, w in zip(range(1, 49), targets, strict=True) if [v, w] not in edges]
    started = time.perf_counter()
    assert len(space.validate({"layers": layers, "edges": edges}).arch_id) == 20
    assert time.perf_counter() - started < 20


# Specs


def spec_of(flavour: str = CNN, **bounds: Any) -> dict[str, Any]:
    return {"kind": "layer_graph", "flavour": flavour} | bounds


@pytest.mark.parametrize(
    ("spec", "pointer", "says"),
    [
        ({"kind": "layer_graph"}, "/flavour", "missing"),
        (spec_of("rnn"), "/flavour", '"cnn", "mlp", not "rnn"'),
        (spec_of(["cnn"]), "/flavour", "not a list of 1"),
        (spec_of(depth=3), "/depth", "unknown"),
        (spec_of(decision="linear"), "/decision", 'one of "softmax", not "linear"'),
        (spec_of(MLP, decision="tanh"), "/decision", '"linear", "softmax", not "tanh"'),
        (spec_of(MLP, halvings=3), "/halvings", "left out"),
        (spec_of(halvings=-1), "/halvings", "not -1"),
        (spec_of(layers=20), "/layers", "not 20"),
        (spec_of(layers=[5]), "/layers", "2 numbers, [least, most], not of 1"),
        (spec_of(layers=[3, 60]), "/layers/0", "from 4 to 100, not 3"),
        (spec_of(layers=[30, 20]), "/layers/1", "from 30 to 100, not 20"),
        (spec_of(layers=[5, 10_000]), "/layers/1", "not 10000"),
        (spec_of(layers=[5, None]), "/layers/1", "not null"),
        (spec_of(units=[0, 9]), "/units/0", "not 0"),
        (spec_of(units=[8, math.inf]), "/units/1", "not inf"),
        (spec_of(edges=10**400), "/edges", "very large"),
        (spec_of(in_degree=0), "/in_degree", "not 0"),
        (spec_of(out_degree=True), "/out_degree", "not true"),
        (spec_of(mass=[0, 0.5]), "/mass/1", "not 0.5"),
        (spec_of(mass=[None, 5]), "/mass/0", "not null"),
        (spec_of(mass=[0, 100]), "/mass", "leaves no network to start from"),
        (spec_of(mass=[10**15, None]), "/mass", "leaves no network to start from"),
        (spec_of(edges=3), "/edges", "at most 3 edges, not 4"),
    ],
)
def test_a_wrong_spec_is_pointed_at(spec: dict[str, Any], pointer: str, says: str) -> None:
    with pytest.raises(InvalidSpace) as refusal:
        space_from_spec(spec)
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message


def test_a_spec_says_only_what_differs_from_the_demo() -> None:
    said = spec_of(MLP, decision="linear", layers=[5, 60], units=[8, 1024], edges=200, mass=[0, None], halvings=None)
    assert space_from_spec(said).spec() == spec_of(MLP)
    assert space_from_spec(said) is space_from_spec(spec_of(MLP))
    bounded = spec_of(units=[1, 65_536], mass=[5_000, None], halvings=5, in_degree=2)
    assert space_from_spec(json.loads(json.dumps(bounded))).spec() == bounded


def test_starting_networks_are_brought_within_the_bounds() -> None:
    narrow = starting_networks(Rules(CNN, "softmax", units=(100, 200)))
    assert len(narrow) == 12
    assert {each.units for net in narrow for each in net.layers if each.units} == {100, 128, 200}
    assert len(starting_networks(Rules(CNN, "softmax", halvings=5))) == 11, "four blocks of stride 2 halve six times"
    assert len(starting_networks(Rules(CNN, "softmax", layers=(5, 15)))) == 4


def test_where_no_starting_network_is_within_bounds_a_chain_is_built(rng: random.Random) -> None:
    for rules in (
        Rules(CNN, "softmax", halvings=0),
        Rules(MLP, "softmax", layers=(28, 40)),
        Rules(MLP, "linear", layers=(4, 4), units=(1, 1)),
        Rules(CNN, "softmax", halvings=0, mass=(10_000_000, 20_000_000)),
    ):
        (net,) = starting_networks(rules)
        assert violation(net, rules) is None
        assert all(v + 1 == w for v, w in net.edges)
        space = layer_graph(rules)
        assert space.mutate(space.sample(rng), rng).genes


def test_a_sample_is_a_short_walk_from_a_starting_network(rng: random.Random) -> None:
    space = layer_graph(CNNS)
    starts = set(starting_networks(CNNS))
    drawn = [space.sample(rng) for _ in range(300)]
    assert 5 <= sum(arch.genes in starts for arch in drawn) <= 50, "1 in 13 walks has no step"
    assert len({arch.arch_id for arch in drawn}) > 250
    assert {each.op for arch in drawn for each in arch.genes[0]} >= {*KERNELS, *POOLS, FC, *DECISIONS[:1]}
