"""DARTS' two cells: published networks, what is one network and what is not, how they change, what they cost."""

from __future__ import annotations

import csv
import gzip
import itertools
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from bonanza.spaces import Architecture, InvalidArchitecture, space_from_spec
from bonanza.spaces.blocks import BlockGenome
from bonanza.spaces.contract.interpreter import PRIME, apply, evaluate, random_weights
from bonanza.spaces.cost import Cost
from tests.spaces.golden_darts import MEASURED, OPS, RANDOM, decoded
from tests.strategies import generators

DARTS = space_from_spec({"kind": "darts"})
WITH_NONE = space_from_spec({"kind": "darts", "none": True})
V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)

Cell = list[list[Any]]


def written(json: dict[str, Cell]) -> str:
    """The genotype, as Python prints the original's named tuple."""
    cells = {role: [tuple(pair) for pair in cell] for role, cell in json.items()}
    normal, reduce = cells["normal"], cells["reduce"]
    return f"Genotype(normal={normal}, normal_concat=range(2, 6), reduce={reduce}, reduce_concat=range(2, 6))"


def cell(text: str) -> Cell:
    """An op and a source for each input: none, max_pool_3x3, skip_connect, sep_conv_3x3 and 5x5, dil_conv_3x3."""
    names = dict(zip("nms35d", (OPS[k] for k in (0, 1, 3, 4, 5, 6)), strict=True))
    return [[names[op], int(source)] for op, source in text.split()]


CALM = "30 51 30 52 31 53 m0 d4"


def id_of(normal: str = CALM, reduce: str = CALM) -> str:
    return WITH_NONE.validate({"normal": cell(normal), "reduce": cell(reduce)}).arch_id


@pytest.mark.parametrize("code", RANDOM)
def test_golden_rows_are_read_printed_and_read_again(code: str) -> None:
    expect_round_trip(code, DARTS)


def expect_round_trip(code: str, space: Any) -> None:
    arch = space.validate(decoded(code))
    assert arch.json == decoded(code)
    assert arch.text == written(decoded(code))
    assert space.validate(arch.text) == space.validate(arch.text.replace("range(2, 6)", "[2, 3, 4, 5]")) == arch


@pytest.mark.bench_data
def test_all_214_random_networks_are_read_printed_and_read_again(bench_data: Path) -> None:
    codes = np.load(bench_data / "darts_random214.npz")["genotype"].tolist()
    assert len(codes) == 214
    assert set(RANDOM) <= set(codes)
    for code in codes:
        expect_round_trip(code, DARTS)
    assert len({DARTS.validate(decoded(code)).arch_id for code in codes}) == 214


@pytest.mark.bench_data
def test_all_545_measured_networks_are_read_printed_and_cost_what_was_published(bench_data: Path) -> None:
    with gzip.open(bench_data / "darts_bench_545.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 545
    for row in rows:
        code = row["cells_op.input_x8normal_x8reduce"]
        expect_round_trip(code, WITH_NONE)
        assert published(code) == (round(float(row["params_M"]) * 1e6), round(float(row["flops_M"]) * 1e6))


@pytest.mark.parametrize("row", MEASURED)
def test_golden_rows_cost_what_was_published(row: tuple[float, float, str]) -> None:
    parameters, flops, code = row
    assert published(code) == (round(parameters * 1e6), round(flops * 1e6))


def published(code: str) -> tuple[int, int]:
    """Parameters and FLOPs as OnceNAS-Bench has them, by our formula and what its counter (thop) counts beside.

    That is four operations for each value of an affine batch norm, one for each value of an average pool, and 65 for
    each of the 576 channels of the global pool.
    """
    cost = WITH_NONE.cost(WITH_NONE.validate(decoded(code)))
    assert cost is not None
    per_cell = [36 * 32**2, 72 * 16**2, 144 * 8**2]
    normal_values, reduce_values = 6 * sum(per_cell), per_cell[1] + per_cell[2]
    norms = 108 * 32**2 + 2 * normal_values + 2 * (72 * 32**2 + 144 * 16**2)  # the stem, the inputs of the cells
    pools = 0
    for (role, pairs), values in zip(decoded(code).items(), (normal_values, reduce_values), strict=True):
        for op, source in pairs:
            strided_skip = role == "reduce" and op == "skip_connect" and source < 2
            norms += values * (2 * op.startswith("sep") + op.startswith("dil") + strided_skip)
            pools += values * (op == "avg_pool_3x3")
    return cost.parameters, cost.flops + 4 * norms + pools + 65 * 576


def test_the_second_order_genotype_costs_what_the_repository_logs() -> None:
    arch = DARTS.validate(V2)
    assert arch.json == DARTS.validate(arch.text).json
    assert DARTS.cost(arch) == Cost(3_349_342, 528_359_040)
    assert DARTS.cost(arch, channels=36) == DARTS.cost(arch)
    narrow = DARTS.cost(arch, channels=16)
    assert narrow is not None
    assert 0 < narrow.parameters < 3_349_342 / 4


def test_there_are_as_many_networks_as_the_literature_says() -> None:
    assert DARTS.size == ((2 * 1) * (3 * 2) * (4 * 3) * (5 * 4) * 7**8) ** 2
    assert WITH_NONE.size == (2_880 * 8**8) ** 2
    assert 1.0e18 < DARTS.size / 2**8 < 1.1e18  # no order of the 8 nodes' inputs; BANANAS and NAS-Bench-301: 10^18


def test_the_spellings_of_one_op_are_all_listed_once() -> None:
    genome = BlockGenome(cells=1, ops=1, repeats=False)
    every = list(genome.enumerate())
    assert len(every) == len(set(every)) == genome.size == 2_880
    assert every == sorted(every)
    assert all(source < k // 4 + 2 for genes in every for k, source in enumerate(genes) if k % 2)
    assert all(genes[k + 1] != genes[k + 3] for genes in every for k in range(0, 16, 4))


def test_a_network_has_96_neighbours_of_another_op_and_24_of_another_source() -> None:
    arch = DARTS.sample(random.Random(0))
    changed: Counter[str] = Counter()
    for neighbour in DARTS.neighbors(arch):
        edits = [k for k, (a, b) in enumerate(zip(arch.genes, neighbour.genes, strict=True)) if a != b]
        assert len(edits) == 1
        changed["source" if edits[0] % 2 else "op"] += 1
    assert changed == {"op": 96, "source": 24}


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ({}, {"normal": "51 30 52 30 31 53 d4 m0"}, "the order of a node's inputs"),
        ({}, {"reduce": "51 30 52 30 31 53 d4 m0"}, "the order of a node's inputs"),
        ({"normal": "30 51 30 m1 d2 d1 50 51"}, {"normal": "30 m1 30 51 d3 d1 50 51"}, "the order of nodes"),
        ({"normal": "30 51 30 m1 d2 d1 50 51"}, {"normal": "50 51 30 51 30 m1 d3 d1"}, "the order of nodes"),
        ({"reduce": "30 51 30 m1 d2 d1 50 51"}, {"reduce": "50 51 30 51 30 m1 d3 d1"}, "the order of nodes"),
        ({"normal": "30 n1 51 50 m2 m3 30 31"}, {"normal": "30 n1 51 50 m2 m3 31 30"}, "what zero reads"),
        ({"normal": "30 51 30 n1 31 n0 m0 d4"}, {"normal": "30 51 30 n2 31 n3 m0 d4"}, "what zero reads"),
        ({"normal": "n0 n1 32 51 30 51 m0 d4"}, {"normal": "n0 n1 n2 51 30 51 m0 d4"}, "an op on zeros"),
        ({"reduce": "n0 n1 s2 51 30 51 m0 d4"}, {"reduce": "n0 n1 n2 51 30 51 m0 d4"}, "zeros passed on"),
        ({"normal": "s0 n1 32 51 30 51 m0 d4"}, {"normal": "s0 n1 30 51 30 51 m0 d4"}, "the input passed on"),
        ({"normal": "30 51 s2 n0 53 m0 m1 d0"}, {"normal": "30 51 s2 n0 52 m0 m1 d0"}, "a node passed on"),
        ({"reduce": "30 51 s2 n0 53 m0 m1 d0"}, {"reduce": "30 51 s2 n0 52 m0 m1 d0"}, "a node passed on"),
    ],
)
def test_spellings_of_one_network_have_one_id(one: dict[str, str], other: dict[str, str], why: str) -> None:
    assert id_of(**one) == id_of(**other), why


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (
            {"reduce": "s0 n1 32 51 30 51 m0 d4"},
            {"reduce": "s0 n1 30 51 30 51 m0 d4"},
            "a factorised reduction has weights",
        ),
        ({"normal": "30 51 30 52 31 53 m0 d4"}, {"normal": "31 50 31 52 30 53 m1 d4"}, "the inputs differ"),
        ({"normal": "30 51 30 51 30 51 30 51"}, {"reduce": "30 51 30 51 30 51 30 51"}, "the cells differ"),
        (
            {"normal": "30 51 d0 m1 30 31 30 31"},
            {"normal": "30 m1 d0 51 30 31 30 31"},
            "an output is no sum of its nodes",
        ),
        (
            {"reduce": "30 51 d0 m1 30 31 30 31"},
            {"reduce": "30 m1 d0 51 30 31 30 31"},
            "an output is no sum of its nodes",
        ),
        (
            {"normal": "30 51 s2 n0 30 31 30 31"},
            {"normal": "30 51 n2 n0 30 31 30 31"},
            "a node twice in the output is not once",
        ),
        (
            {"normal": "30 51 30 51 m2 50 m2 31"},
            {"normal": "30 51 30 51 m2 50 m3 31"},
            "nodes alike have weights of their own",
        ),
        ({"normal": "30 51 30 52 31 53 m0 d4"}, {"normal": "30 51 30 52 31 53 m0 d3"}, "another source"),
    ],
)
def test_different_networks_have_different_ids(one: dict[str, str], other: dict[str, str], why: str) -> None:
    assert id_of(**one) != id_of(**other), why


def respelled(pairs: Cell, order: tuple[int, ...]) -> Cell | None:
    """The cell with its nodes in this order and their inputs sorted; None where a node would precede its source."""
    place = {0: 0, 1: 1} | {node + 2: k + 2 for k, node in enumerate(order)}
    found: Cell = []
    for k, node in enumerate(order):
        inputs = sorted([op, place[source]] for op, source in pairs[2 * node : 2 * node + 2])
        if any(source >= k + 2 for _, source in inputs):
            return None
        found += inputs
    return found


def spellings(pairs: Cell) -> list[Cell]:
    return [found for order in itertools.permutations(range(4)) if (found := respelled(pairs, order)) is not None]


def test_without_skips_ids_are_equal_exactly_when_some_order_of_nodes_and_inputs_is() -> None:
    """By brute force over all 24 orders: without ``skip_connect`` and ``none`` there is no other way to be equal."""
    rng = random.Random(1)
    plain = [op for op in DARTS.ops if op != "skip_connect"][:2]  # few, so that many networks are alike

    def drawn() -> Cell:
        sources = [rng.sample(range(node), 2) for node in (2, 3, 4, 5)]
        return [[rng.choice(plain), source] for pair in sources for source in pair]

    fixed = cell("30 51 30 52 31 53 m0 d4")
    cells = [drawn() for _ in range(600)]
    cells += [rng.choice(spellings(pairs)) for pairs in cells]
    for role, other in (("normal", "reduce"), ("reduce", "normal")):
        ids = [DARTS.validate({role: pairs, other: fixed}).arch_id for pairs in cells]
        least = [str(min(spellings(pairs))) for pairs in cells]
        assert len(set(zip(ids, least, strict=True))) == len(set(ids)) == len(set(least)) < len(cells) / 2


@settings(deadline=None, max_examples=100)
@given(rng=generators())
def test_the_graph_computes_what_the_two_cells_compute(rng: random.Random) -> None:
    """The cells as the repository's model runs them, in exact arithmetic; a reader of a concat weighs each part."""
    arch = WITH_NONE.sample(rng)
    graph = WITH_NONE.graph(arch)
    weights = random_weights(graph, rng)
    x, node, output = rng.randrange(PRIME), 0, 0
    assert len(graph.labels) == 30
    for role, pairs in arch.json.items():
        states = []
        for name in ("c_{k-2}", "c_{k-1}"):
            node += 1
            states.append(apply(f"{role} {name}", weights[node], x))
        for k in range(4):
            total = 0
            for op, source in pairs[2 * k : 2 * k + 2]:
                node += 1
                stride = 2 if role == "reduce" and source < 2 else 1
                if op == "skip_connect":
                    value = states[source] if stride == 1 else apply("factorized_reduce", weights[node], states[source])
                else:
                    value = 0 if op == "none" else apply(op, weights[node], states[source])
                total += value
            states.append(total % PRIME)
        for state in states[2:]:
            node += 1
            output += apply("concat", weights[node], state)
    assert output % PRIME == evaluate(graph, weights, x, zero_op="none", identity_op="skip_connect")


def test_paths_tell_the_cells_and_their_inputs_apart() -> None:
    graph = WITH_NONE.graph(WITH_NONE.validate({"normal": cell(CALM), "reduce": cell(CALM)}))
    starts = [graph.labels[w] for v, w in graph.edges if v == 0]
    assert starts == ["normal c_{k-2}", "normal c_{k-1}", "reduce c_{k-2}", "reduce c_{k-1}"]
    shares = [v for v, w in graph.edges if w == len(graph.labels) - 1]
    assert [graph.labels[v] for v in shares] == ["concat"] * 8  # of every node: a path to any of them counts


def test_every_op_and_every_source_that_can_change_does_about_equally_often() -> None:
    rng = random.Random(2)
    arch, changed = DARTS.sample(rng), Counter[int]()
    for _ in range(7_000):
        child = DARTS.mutate(arch, rng, rate=1e-9, silent=True)
        changed.update(k for k, (a, b) in enumerate(zip(arch.genes, child.genes, strict=True)) if a != b)
    free = set(range(32)) - {1, 3, 17, 19}  # the first node of a cell reads both inputs, whatever happens
    assert set(changed) == free
    assert all(150 < times < 350 for times in changed.values())  # of 250, with a deviation of 16


def test_a_mutation_has_about_as_many_edits_as_its_rate() -> None:
    rng = random.Random(3)
    for rate in (1.0, 4.0):
        edits = 0
        for _ in range(1_000):
            arch = DARTS.sample(rng)
            child = DARTS.mutate(arch, rng, rate=rate, silent=True)
            edits += sum(a != b for a, b in zip(arch.genes, child.genes, strict=True))
        assert abs(edits / 1_000 - (rate + (1 - rate / 28) ** 28)) < 0.2


def test_samples_are_uniform_over_the_pairs_of_sources_and_the_ops() -> None:
    rng = random.Random(4)
    sources, ops = Counter[Any](), Counter[str]()
    for _ in range(4_000):
        pairs = DARTS.sample(rng).json["reduce"]
        sources[pairs[6][1], pairs[7][1]] += 1
        ops[pairs[2][0]] += 1
    assert set(sources) == set(itertools.permutations(range(5), 2))
    assert all(abs(times - 200) < 70 for times in sources.values())  # five deviations
    assert set(ops) == set(DARTS.ops)
    assert all(abs(times - 571) < 110 for times in ops.values())


def test_a_child_has_each_input_from_either_parent_equally_often() -> None:
    rng = random.Random(5)
    for a, b in [(DARTS.sample(rng), DARTS.sample(rng)) for _ in range(5)]:
        ours, theirs = inputs(a), inputs(b)
        first: Counter[int] = Counter()
        for _ in range(1_000):
            child = inputs(DARTS.crossover(a, b, rng))
            assert all(found in {one, other} for found, one, other in zip(child, ours, theirs, strict=True))
            first.update(k for k, found in enumerate(child) if found == ours[k] != theirs[k])
        for k in range(16):
            assert ours[k] == theirs[k] or abs(first[k] - 500) < 80  # five deviations


def test_a_child_mixes_the_inputs_of_a_node_only_where_they_differ_still() -> None:
    a = DARTS.validate({"normal": cell(CALM), "reduce": cell(CALM)})
    b = DARTS.validate({"normal": cell("d1 m0 d1 m0 d1 m3 d3 m1"), "reduce": cell(CALM)})
    rng = random.Random(8)
    seen = {tuple(inputs(DARTS.crossover(a, b, rng))[k : k + 2]) for _ in range(500) for k in (2, 4)}
    ours, theirs = inputs(a), inputs(b)
    second = {(ours[2], ours[3]), (theirs[2], theirs[3])}  # 30 and m0 would read one node
    third = set(itertools.product((ours[4], theirs[4]), (ours[5], theirs[5])))
    assert seen == second | third


def inputs(arch: Architecture) -> list[tuple[str, int]]:
    return [(op, source) for pairs in arch.json.values() for op, source in pairs]


def test_a_thousand_networks_a_second_are_drawn_and_told_apart_and_a_thousand_changed() -> None:
    rng, start = random.Random(6), time.process_time()
    drawn = [DARTS.sample(rng) for _ in range(1_000)]
    assert len({arch.arch_id for arch in drawn}) == 1_000
    assert all(DARTS.mutate(arch, rng).arch_id != arch.arch_id for arch in drawn)
    assert time.process_time() - start < 4.0  # 0.7 s on an idle core


JSON = decoded(RANDOM[0])


def with_pair(k: int, pair: Any) -> dict[str, Any]:
    return JSON | {"reduce": [*JSON["reduce"][:k], pair, *JSON["reduce"][k + 1 :]]}


@pytest.mark.parametrize(
    ("value", "pointer", "says"),
    [
        (None, "", '{"normal": [[op, source], ...], "reduce": [[op, source], ...]} or Genotype(normal=[...], ...)'),
        ([], "", "not a list of 0"),
        ({}, "/normal", "missing"),
        ({"normal": JSON["normal"]}, "/reduce", "missing"),
        (JSON | {"normal_concat": [2, 3, 4, 5]}, "/normal_concat", "unknown"),
        (JSON | {"normal": JSON["normal"][:7]}, "/normal", "8 [op, source] pairs, not of 7"),
        (JSON | {"normal": JSON["normal"] * 1_000}, "/normal", "not of 8000"),
        (JSON | {"normal": "sep_conv_3x3"}, "/normal", "must be a list of 8"),
        (with_pair(3, "skip_connect"), "/reduce/3", "2 items, an op and a source"),
        (with_pair(3, ["skip_connect"]), "/reduce/3", "not of 1"),
        (with_pair(3, ["sep_conv_7x7", 0]), "/reduce/3/0", 'one of "max_pool_3x3", '),
        (with_pair(3, ["none", 0]), "/reduce/3/0", 'not "none"'),
        (with_pair(3, [["skip_connect"], 0]), "/reduce/3/0", "not a list of 1"),
        (with_pair(3, ["skip_connect", 3]), "/reduce/3/1", "from 0 to 2, not 3"),
        (with_pair(3, ["skip_connect", -1]), "/reduce/3/1", "from 0 to 2, not -1"),
        (with_pair(3, ["skip_connect", True]), "/reduce/3/1", "not true"),
        (with_pair(3, ["skip_connect", 1.0]), "/reduce/3/1", "not 1.0"),
        (with_pair(3, ["skip_connect", float("nan")]), "/reduce/3/1", "not nan"),
        (with_pair(3, ["skip_connect", 10**5000]), "/reduce/3/1", "a very large integer"),
        (with_pair(3, ["skip_connect", 0]), "/reduce/3", "another source than the input before it"),
        (V2.replace("'dil_conv_3x3', 2", "'dil_conv_7x7', 2"), "", '/normal/7/0 must be one of "max_pool_3x3"'),
        (
            V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"),
            "",
            "/normal/7/1 must be an integer from 0 to 4, not 5",
        ),
        (V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 0)"), "", "/normal/7 must have another source"),
        (V2.replace(", ('dil_conv_3x3', 2)", ""), "", "/normal must be a list of 8 [op, source] pairs, not of 7"),
        (V2.replace("normal_concat=[2, 3, 4, 5]", "normal_concat=[4, 5]"), "", "normal_concat must be range(2, 6)"),
        (V2.replace("reduce_concat=[2, 3, 4, 5]", "reduce_concat=range(999999999)"), "", "reduce_concat must be"),
        (V2[:-1], "", "its end at character"),
        ("|none~0|", "", "a genotype reads Genotype(normal=["),
    ],
)
def test_what_is_no_network_is_pointed_at(value: Any, pointer: str, says: str) -> None:
    with pytest.raises(InvalidArchitecture) as refusal:
        DARTS.validate(value)
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message


def test_lists_nested_deeper_than_the_stack_are_refused() -> None:
    deep: Any = []
    for _ in range(20_000):
        deep = [deep]
    for value in (
        JSON | {"normal": deep},
        with_pair(0, deep),
        with_pair(0, [deep, 0]),
        with_pair(0, ["skip_connect", deep]),
    ):
        with pytest.raises(InvalidArchitecture):
            DARTS.validate(value)
    while deep:  # not left to the collector, whose recursion is not ours to test
        deep = deep.pop()


def test_the_space_with_none_gives_the_others_networks_their_ids() -> None:
    rng = random.Random(7)
    for arch in [DARTS.validate(V2), *(DARTS.sample(rng) for _ in range(50))]:
        assert WITH_NONE.validate(arch.json).arch_id == arch.arch_id
