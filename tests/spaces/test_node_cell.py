"""Node cells: what is counted, how it is drawn, edited and refused, beside definitions that share no code with them."""

from __future__ import annotations

import itertools
import json
import pickle
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from bonanza.spaces import InvalidArchitecture, SearchSpace, count_ids, space_from_spec
from bonanza.spaces.node_genome import vertices_of
from bonanza.spaces.spellings import Spellings
from bonanza.spaces.structures import structures


def cells(nodes: int, edges: int, ops: Sequence[str] = "ab", **more: Any) -> SearchSpace:
    return space_from_spec({"kind": "node_cell", "max_nodes": nodes, "max_edges": edges, "ops": list(ops), **more})


def matrices(n: int, most_edges: int) -> list[tuple[int, ...]]:
    """Every upper triangle where each vertex but the input has a source and each but the output a target."""
    pairs = list(itertools.combinations(range(n), 2))
    found = []
    for bits in itertools.product((0, 1), repeat=len(pairs)):
        edges = [pair for pair, bit in zip(pairs, bits, strict=True) if bit]
        sources, targets = {i for i, _ in edges}, {j for _, j in edges}
        if len(edges) <= most_edges and len(sources) == len(targets) == n - 1:
            found.append(bits)
    return found


def is_uniform(counts: Counter[Any], outcomes: int) -> bool:
    """Whether the draws pass a chi-square test 5 standard deviations wide."""
    fair = counts.total() / outcomes
    statistic = sum((count - fair) ** 2 / fair for count in counts.values()) + (outcomes - len(counts)) * fair
    return abs(statistic - (outcomes - 1)) < 5 * (2 * (outcomes - 1)) ** 0.5


@pytest.mark.parametrize(("nodes", "edges"), [(5, 10), (5, 6), (6, 8), (6, 15)])
def test_structures_are_the_networks_of_one_op_that_all_matrices_have(nodes: int, edges: int) -> None:
    space, ids = cells(nodes, edges, "a"), set()
    for n in range(2, nodes + 1):
        for bits in matrices(n, edges):
            it = iter(bits)
            matrix = [[next(it) if j > i else 0 for j in range(n)] for i in range(n)]
            ids.add(space.validate({"adjacency": matrix, "ops": ["input", *["a"] * (n - 2), "output"]}).arch_id)
    listed = [arch.arch_id for arch in space.enumerate()]
    assert set(listed) == ids
    assert space.size == len(listed) == len(ids) == len(structures(nodes, edges))


@pytest.mark.parametrize(("nodes", "edges", "ops"), [(5, 10, "abcd"), (5, 7, "abc"), (6, 7, "ab"), (4, 6, "abcdefgh")])
def test_counting_without_listing_gives_the_number_of_ids(nodes: int, edges: int, ops: str) -> None:
    space = cells(nodes, edges, ops)
    assert space.size == count_ids(space) == sum(1 for _ in space.enumerate())


def test_every_space_of_seven_vertices_is_counted_and_larger_ones_are_where_edges_are_few() -> None:
    start = time.perf_counter()
    assert cells(7, 21, "abc").size == 18_991_191
    assert cells(8, 9, "abc").size == 871_692
    assert time.perf_counter() - start < 60
    endless = cells(8, 28)
    assert endless.size is None
    with pytest.raises(ValueError, match="endless for every practical purpose: sample them, or lower max_nodes"):
        endless.enumerate()


@pytest.mark.parametrize(("nodes", "edges"), [(2, 1), (3, 2), (4, 4), (5, 10), (6, 9)])
def test_matrices_are_counted_as_they_are_listed(nodes: int, edges: int) -> None:
    listed = [len(matrices(n, edges)) for n in range(2, nodes + 1)]
    assert Spellings(nodes, edges, 1).matrices == sum(listed)


def test_spellings_are_drawn_uniformly() -> None:
    drawn, rng = Spellings(4, 5, 2), random.Random(1)
    every = {
        (*bits, *ops) for n in range(2, 5) for bits in matrices(n, 5) for ops in itertools.product((0, 1), repeat=n - 2)
    }
    counts = Counter(drawn.sample(rng) for _ in range(100 * len(every)))
    assert set(counts) == every
    assert is_uniform(counts, len(every))


def test_networks_are_drawn_uniformly_in_the_spelling_that_is_listed() -> None:
    space, rng = cells(5, 6, "ab"), random.Random(2)
    every = {arch.genes for arch in space.enumerate()}
    counts = Counter(space.sample(rng).genes for _ in range(60 * len(every)))
    assert set(counts) == every
    assert is_uniform(counts, len(every))


def test_half_edge_sampling_draws_every_valid_matrix_with_the_same_chance() -> None:
    """Three vertices: an edge from end to end, or both others; the op in the middle may be dead."""
    space, rng = cells(3, 2, "ab", sampling="half_edge"), random.Random(3)
    valid = {
        (*bits, op) for bits in itertools.product((0, 1), repeat=3) for op in (0, 1) if bits[1] or bits[0] * bits[2]
    }
    valid -= {(1, 1, 1, op) for op in (0, 1)}
    counts = Counter(space.sample(rng).genes for _ in range(3_000))
    assert set(counts) == valid
    assert is_uniform(counts, len(valid))


def test_large_spaces_are_drawn_from_in_a_moment() -> None:
    start = time.perf_counter()
    for nodes, edges in [(16, 120), (16, 17), (12, 30)]:
        space, rng = cells(nodes, edges, "abc"), random.Random(4)
        drawn = [space.sample(rng) for _ in range(50)]
        assert len({arch.arch_id for arch in drawn}) == 50
        assert all(len(space.canonical(arch).labels) == vertices_of(arch.genes) for arch in drawn), "no vertex is dead"
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(("rate", "mean"), [(1e-9, 1.0), (1.0, 1 + (25 / 26) ** 26), (2.0, 2 + (24 / 26) ** 26)])
def test_a_mutation_makes_as_many_edits_as_its_rate_says(rate: float, mean: float) -> None:
    """Without an edge limit, so that few children are invalid and drawn again."""
    space, rng = cells(7, 21, "abc"), random.Random(5)
    chain = [[int(j > i) for j in range(7)] for i in range(7)]
    parent = space.validate({"adjacency": chain, "ops": ["input", *"abcab", "output"]})
    edits = [
        sum(a != b for a, b in zip(parent.genes, space.mutate(parent, rng, rate=rate, silent=True).genes, strict=True))
        for _ in range(3_000)
    ]
    assert sum(edits) / len(edits) == pytest.approx(mean, abs=0.08)


def test_small_cells_grow_and_large_ones_shrink_under_mutation() -> None:
    space, rng = space_from_spec({"kind": "nasbench101"}), random.Random(6)
    arch = space.validate({"adjacency": [[0, 1], [0, 0]], "ops": ["input", "output"]})
    sizes = []
    for _ in range(2_000):
        arch = space.mutate(arch, rng, rate=2)
        sizes.append(len(space.canonical(arch).labels))
    assert set(sizes) >= {4, 5, 6, 7}
    assert any(after < before for before, after in itertools.pairwise(sizes))


def test_neighbours_are_all_valid_cells_that_differ_in_one_edge_or_op() -> None:
    space = cells(5, 5, "abc")
    for arch in [space.sample(random.Random(k)) for k in range(5)]:
        n, genes = vertices_of(arch.genes), arch.genes
        edges = n * (n - 1) // 2
        expected = set()
        for k, gene in enumerate(genes):
            for other in range(2 if k < edges else 3):
                it = iter(changed := (*genes[:k], other, *genes[k + 1 :]))
                matrix = [[next(it) if j > i else 0 for j in range(n)] for i in range(n)]
                value = {"adjacency": matrix, "ops": ["input", *["abc"[op] for op in it], "output"]}
                if other != gene and accepted(space, value):
                    expected.add(changed)
        assert {near.genes for near in space.neighbors(arch)} == expected


def accepted(space: SearchSpace, value: object) -> bool:
    try:
        space.validate(value)
    except InvalidArchitecture:
        return False
    return True


def test_a_child_of_cells_of_two_sizes_has_edges_and_ops_of_both() -> None:
    space, rng = cells(5, 10, "ab"), random.Random(7)
    small = space.validate({"adjacency": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", "a", "output"]})
    large = space.validate(
        {
            "adjacency": [[0, 0, 1, 1, 1], [0, 0, 1, 0, 1], [0, 0, 0, 1, 0], [0] * 4 + [1], [0] * 5],
            "ops": ["input", *"bbb", "output"],
        }
    )
    children = {space.crossover(small, large, rng).text for _ in range(300)}
    children |= {space.crossover(large, small, rng).text for _ in range(300)}
    assert len(children) > 30
    made = [space.validate(json.loads(text)).json for text in children]
    assert {child["ops"][1] for child in made} == {"a", "b"}
    assert {tuple(child["ops"][2:4]) for child in made} == {("b", "b")}
    assert {child["adjacency"][0][1] for child in made} == {0, 1}
    assert all(child["adjacency"][0][3] + child["adjacency"][3][4] <= 2 for child in made)


def test_the_preset_equals_its_generic_spelling_however_it_is_drawn_from() -> None:
    ops = ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]
    preset, generic = space_from_spec({"kind": "nasbench101"}), cells(7, 9, ops)
    assert generic == preset
    assert generic.spec() == {"kind": "nasbench101"}
    assert cells(7, 9, ops, sampling="half_edge").spec() == {"kind": "nasbench101", "sampling": "half_edge"}
    assert cells(7, 9, ops, sampling="half_edge") != preset
    slice_ = cells(5, 9, ops)
    assert slice_.kind == "node_cell"
    arch = slice_.sample(random.Random(0))
    assert slice_.cost(arch) == preset.cost(preset.validate(arch.json))
    assert preset.validate(arch.json).arch_id == arch.arch_id
    mine = cells(7, 9)
    assert mine.cost(mine.sample(random.Random(0))) is None, "what the user's ops cost only the user knows"


LINE: dict[str, Any] = {"adjacency": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", "a", "output"]}


@pytest.mark.parametrize(
    ("value", "pointer", "says"),
    [
        (None, "", 'an object with "adjacency", "ops", not null'),
        ("[[0,1],[0,0]]", "", "must be an object"),
        ({"adjacency": LINE["adjacency"]}, "/ops", "missing"),
        (LINE | {"hash": 1}, "/hash", "unknown"),
        (LINE | {"adjacency": []}, "/adjacency", "2 to 5 rows, not of 0"),
        (LINE | {"adjacency": [[0]]}, "/adjacency", "2 to 5 rows, not of 1"),
        (LINE | {"adjacency": [[0] * 10_000] * 10_000}, "/adjacency", "2 to 5 rows, not of 10000"),
        (
            LINE | {"adjacency": [[0, 1, 0], [0, 0, 1]]},
            "/adjacency/0",
            "a list of 2 columns, one for each row, not of 3",
        ),
        (LINE | {"adjacency": [[0, 1, 0], [0, 0], [0, 0, 0]]}, "/adjacency/1", "3 columns, one for each row, not of 2"),
        (LINE | {"adjacency": [[0, 1, 0], None, [0, 0, 0]]}, "/adjacency/1", "not null"),
        (LINE | {"adjacency": [[0, 2, 0], [0, 0, 1], [0, 0, 0]]}, "/adjacency/0/1", "an integer from 0 to 1, not 2"),
        (LINE | {"adjacency": [[0, True, 0], [0, 0, 1], [0, 0, 0]]}, "/adjacency/0/1", "not true"),
        (LINE | {"adjacency": [[0, 1.0, 0], [0, 0, 1], [0, 0, 0]]}, "/adjacency/0/1", "not 1.0"),
        (LINE | {"adjacency": [[0, float("nan"), 0], [0, 0, 1], [0, 0, 0]]}, "/adjacency/0/1", "not nan"),
        (LINE | {"adjacency": [[0, 10**5000, 0], [0, 0, 1], [0, 0, 0]]}, "/adjacency/0/1", "a very large integer"),
        (
            LINE | {"adjacency": [[0, 1, 0], [0, 1, 1], [0, 0, 0]]},
            "/adjacency/1/1",
            "must be 0: an edge leads to a later",
        ),
        (LINE | {"adjacency": [[0, 1, 0], [0, 0, 1], [1, 0, 0]]}, "/adjacency/2/0", "list the vertices in an order"),
        (
            LINE | {"adjacency": [[0, 1, 0], [0, 0, 0], [0, 0, 0]]},
            "/adjacency",
            "a path from vertex 0, the input, to 2",
        ),
        (LINE | {"ops": ["input", "output"]}, "/ops", "a list of 3 ops, one for each row, not of 2"),
        (LINE | {"ops": ["a", "a", "output"]}, "/ops/0", 'must be one of "input", not "a"'),
        (LINE | {"ops": ["input", "a", "b"]}, "/ops/2", 'must be one of "output", not "b"'),
        (LINE | {"ops": ["input", "conv5x5", "output"]}, "/ops/1", 'one of "a", "b", not "conv5x5"'),
        (LINE | {"ops": ["input", ["a"], "output"]}, "/ops/1", "not a list of 1"),
        (LINE | {"ops": "input"}, "/ops", 'not "input"'),
        (
            {"adjacency": [[int(j > i) for j in range(5)] for i in range(5)], "ops": ["input", *"aba", "output"]},
            "/adjacency",
            "at most 6 edges on paths to the output, not 10",
        ),
    ],
)
def test_a_wrong_cell_is_pointed_at(value: object, pointer: str, says: str) -> None:
    with pytest.raises(InvalidArchitecture) as refusal:
        cells(5, 6).validate(value)
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message
    assert pickle.loads(pickle.dumps(refusal.value)).message == refusal.value.message


def test_the_edge_limit_is_on_what_is_live() -> None:
    """Ten edges, six of them on the way to the output: vertex 3 leads nowhere."""
    matrix = [[0, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    space = cells(5, 6)
    arch = space.validate({"adjacency": matrix, "ops": ["input", *"aba", "output"]})
    assert arch.json["adjacency"] == matrix, "a cell is kept as it was written"
    assert len(space.canonical(arch).edges) == 6


def test_ends_have_the_names_the_spec_gives_them_and_ids_do_not_care() -> None:
    named = cells(5, 6, input="x", output="y")
    arch = named.validate(LINE | {"ops": ["x", "a", "y"]})
    assert arch.json["ops"] == ["x", "a", "y"]
    assert arch.arch_id == cells(5, 6).validate(LINE).arch_id
    with pytest.raises(InvalidArchitecture, match='/ops/0: must be one of "x", not "input"'):
        named.validate(LINE)
