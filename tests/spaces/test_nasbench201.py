"""NAS-Bench-201 as published, strings and unique strings, and our own classes of all 15,625 cells against networkx."""

from __future__ import annotations

import os
import pickle
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bonanza.spaces import Architecture, InvalidArchitecture, LabelledDag, SearchSpace, count_ids, space_from_spec
from bonanza.spaces.nasbench201 import OPS, parse_cell, print_cell, unique_string
from tests.contracts.space import isomorphism, simplified
from tests.spaces.golden import GOLDEN


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return space_from_spec({"kind": "nasbench201"})


@pytest.fixture(scope="module")
def cells(space: SearchSpace) -> list[Architecture]:
    return list(space.enumerate())


def test_there_are_15625_cells_in_6466_official_classes(cells: list[Architecture]) -> None:
    assert len({cell.text for cell in cells}) == 15_625
    assert len({unique_string(cell.text) for cell in cells}) == 6_466


def test_there_are_5425_distinct_networks(space: SearchSpace) -> None:
    count = count_ids(space)
    print(f"NAS-Bench-201 has {count:,} distinct arch_ids over {space.size:,} cells")
    assert count == 5_425


def test_golden_rows_keep_their_strings_classes_and_ids(space: SearchSpace) -> None:
    assert len(GOLDEN) >= 20
    for _, text, _, arch_id in GOLDEN:
        cell = space.validate(text)
        assert cell.text == text
        assert print_cell(parse_cell(text)) == text
        assert cell.arch_id == arch_id


def test_golden_rows_share_a_unique_string_exactly_when_they_share_a_class() -> None:
    for one in GOLDEN:
        for other in GOLDEN:
            assert (unique_string(one[1]) == unique_string(other[1])) == (one[2] == other[2]), (one, other)


def test_the_unique_string_is_written_as_upstream_writes_it() -> None:
    text = "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"
    assert unique_string(text) == "#+0+((0)@nor_conv_3x3)@nor_conv_1x1+(0)@avg_pool_3x3"


def test_networkx_agrees_on_all_15625_cells(space: SearchSpace, cells: list[Architecture]) -> None:
    """Each cell is isomorphic to the first of its id, and no two firsts are: all pairs, by classes."""
    first: dict[str, LabelledDag] = {}
    for cell in cells:
        graph = simplified(space, cell).graph
        if (known := first.setdefault(cell.arch_id, graph)) != graph:
            assert isomorphism(known, graph) is not None, cell
    alike: dict[Any, list[LabelledDag]] = defaultdict(list)
    for graph in first.values():
        alike[invariant(graph)].append(graph)
    for graphs in alike.values():
        for k, graph in enumerate(graphs):
            assert all(isomorphism(graph, other) is None for other in graphs[:k])


def invariant(graph: LabelledDag) -> Any:
    """The same for isomorphic graphs: what each node is and what its neighbours are. It only saves comparisons."""
    before, after = graph.predecessors(), graph.successors()
    return tuple(
        sorted(
            (label, *[tuple(sorted((graph.labels[u], count) for u, count in found[v])) for found in (before, after)])
            for v, label in enumerate(graph.labels)
        )
    )


def test_all_cells_with_a_dead_output_are_one_network(space: SearchSpace, cells: list[Architecture]) -> None:
    dead = [cell for cell in cells if not space.canonical(cell).edges]
    assert len({cell.arch_id for cell in dead}) == 1
    assert len({unique_string(cell.text) for cell in dead}) > 1, "upstream tells sums of zeros apart"
    assert all(space.canonical(cell) == LabelledDag(("input", "output"), ()) for cell in dead)


def test_an_input_added_twice_is_not_an_input_added_once(space: SearchSpace) -> None:
    once = space.validate("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    twice = space.validate("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|skip_connect~1|none~2|")
    assert space.canonical(once).counts == (1,)
    assert space.canonical(twice).counts == (2,)
    assert once.arch_id != twice.arch_id


def test_a_shared_op_is_not_two_ops_though_the_unique_string_says_so(space: SearchSpace) -> None:
    shared = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|"
    two = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|"
    assert unique_string(shared).count("(0)@nor_conv_3x3") == unique_string(two).count("(0)@nor_conv_3x3") == 2
    assert space.validate(shared).arch_id != space.validate(two).arch_id


def test_the_preset_equals_its_generic_spelling(space: SearchSpace) -> None:
    spelled = space_from_spec(
        {"kind": "edge_cell", "nodes": 4, "ops": list(OPS), "zero_op": "none", "identity_op": "skip_connect"}
    )
    assert spelled == space == space_from_spec({"kind": "edge_cell", "nodes": 4, "ops": list(OPS)})
    assert spelled.spec() == {"kind": "nasbench201"}
    assert spelled.validate(GOLDEN[0][1]) == space.validate(GOLDEN[0][1])
    other = space_from_spec({"kind": "edge_cell", "nodes": 4, "ops": list(reversed(OPS))})
    assert other != space
    assert other.validate(GOLDEN[0][1]).arch_id == space.validate(GOLDEN[0][1]).arch_id


def test_sampling_is_uniform_over_the_raw_cells(space: SearchSpace) -> None:
    rng = random.Random(3)
    drawn = [space.sample(rng).genes for _ in range(5_000)]
    for edge in range(6):
        for op in range(5):
            assert 880 < sum(genes[edge] == op for genes in drawn) < 1_120  # 1,000 +- 4.2 standard deviations


@pytest.mark.parametrize(("rate", "mean"), [(1.0, 1 + (5 / 6) ** 6), (3.0, 3 + (1 / 2) ** 6), (6.0, 6.0), (1e-9, 1.0)])
def test_a_mutation_changes_as_many_ops_as_its_docstring_says(space: SearchSpace, rate: float, mean: float) -> None:
    rng = random.Random(5)
    parent = space.sample(rng)
    changes = [
        sum(a != b for a, b in zip(parent.genes, space.mutate(parent, rng, rate=rate, silent=True).genes, strict=True))
        for _ in range(4_000)
    ]
    assert sum(changes) / len(changes) == pytest.approx(mean, abs=0.08)


@pytest.mark.parametrize(
    ("cell", "parameters", "mflops"),
    [  # as published: of no convolution, of architecture 9930, of one 1x1, of six 3x3
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 73_306, 7.78),
        (
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
            1_288_506,
            184.73,
        ),
        ("|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|", 101_306, 11.72),
        (
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
            1_531_546,
            220.12,
        ),
    ],
)
def test_a_network_costs_what_is_published(space: SearchSpace, cell: str, parameters: int, mflops: float) -> None:
    cost = space.cost(space.validate(cell))
    assert cost is not None
    assert (cost.parameters, round(cost.flops / 1e6, 2)) == (parameters, mflops)
    narrow = space.cost(space.validate(cell), channels=8)
    assert narrow is not None
    assert narrow < cost


def test_a_cell_has_24_neighbours(space: SearchSpace) -> None:
    cell = space.sample(random.Random(0))
    assert [sum(a != b for a, b in zip(cell.genes, n.genes, strict=True)) for n in space.neighbors(cell)] == [1] * 24


@pytest.mark.parametrize(
    ("value", "pointer", "says"),
    [
        ("|nor_conv_3x3~0|", "", "6 edges, this one 1"),
        ("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|conv~2|", "", r"edge (2, 3) must be one of \"none\""),
        ("|none~0|+|none~1|none~0|+|none~0|none~1|none~2|", "", "op 0 of node 2"),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", "", "node 2 of a cell string has 2 ops, not 1"),
        ("none~0", "", "begins and ends with a bar"),
        ("|", "", "begins and ends with a bar"),
        ("", "", "begins and ends with a bar"),
        ({"edges": ["none"] * 5}, "/edges", "a list of 6 ops, not of 5"),
        ({"edges": ["none"] * 5 + [3]}, "/edges/5", r"edge (2, 3) must be one of"),
        ({"edges": ["none"] * 5 + [["none"]]}, "/edges/5", "not a list of 1"),
        ({"edges": "none"}, "/edges", 'not "none"'),
        ({"edges": ["none"] * 6, "a/b": 1}, "/a~1b", "unknown"),
        ({}, "/edges", "missing"),
        ({"choices": [1]}, "/choices", 'allowed: "edges"'),
        (["none"] * 6, "", "not a list of 6"),
        (None, "", "not null"),
    ],
)
def test_a_wrong_cell_is_pointed_at(space: SearchSpace, value: object, pointer: str, says: str) -> None:
    with pytest.raises(InvalidArchitecture) as refusal:
        space.validate(value)
    assert refusal.value.pointer == pointer
    assert says.replace("\\", "") in refusal.value.message
    assert pickle.loads(pickle.dumps(refusal.value)).message == refusal.value.message


def test_the_unique_string_of_a_larger_cell_is_refused() -> None:
    with pytest.raises(InvalidArchitecture, match="4 nodes"):
        unique_string(print_cell(["nor_conv_3x3"] * 10))


def test_ids_keep_up_with_a_search(space: SearchSpace) -> None:
    """The aim is 10,000 samples with ids a second; a tenth is missed by an algorithm, not by a busy machine."""
    rng = random.Random(11)
    start = time.perf_counter()
    for _ in range(5_000):
        assert space.sample(rng).arch_id
    assert time.perf_counter() - start < 5.0


@pytest.mark.bench_data
def test_the_published_classes_are_the_unique_strings(space: SearchSpace) -> None:
    table = np.load(Path(os.environ["BONANZA_BENCH_DATA"]) / "nasbench201.npz")
    names = table["op_names"].tolist()
    texts = [print_cell([names[op] for op in row]) for row in table["ops"].tolist()]
    classes = table["iso_class"].tolist()
    assert len(set(texts)) == 15_625
    assert len(set(zip(map(unique_string, texts), classes, strict=True))) == len(set(classes)) == 6_466
    for index, text, iso_class, _ in GOLDEN:
        assert (texts[index], classes[index]) == (text, iso_class)
    assert [space.validate(text).text for text in texts] == texts
