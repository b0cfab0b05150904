"""NAS-Bench-101 as published: hashes, parameters, and how many cells there are."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bonanza.spaces import Architecture, InvalidArchitecture, SearchSpace, space_from_spec
from bonanza.spaces.nasbench101 import OPS, module_hash
from bonanza.spaces.wiring import orders, triangle
from tests.spaces.golden101 import GOLDEN

CELLS = {2: 1, 3: 6, 4: 84, 5: 2_441, 6: 62_010, 7: 359_082}
"""By the number of vertices, as published: 423,624 in all."""


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return space_from_spec({"kind": "nasbench101"})


def spellings(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """The cell in every topological order."""
    matrix, ops = cell["adjacency"], cell["ops"]
    n = len(ops)
    edges = [(i, j) for i, j in triangle(n) if matrix[i][j]]
    full = [(0, *order, n - 1) for order in orders(n, edges)]
    return [{"adjacency": [[matrix[i][j] for j in o] for i in o], "ops": [ops[v] for v in o]} for o in full]


def with_dead_vertices(cell: dict[str, Any]) -> dict[str, Any]:
    """The cell with a vertex that only the input leads to, and if there is room one that only leads to the output."""
    matrix, ops = [list(row) for row in cell["adjacency"]], list(cell["ops"])
    for lead in [(0, -2), (-2, -1)][: 7 - len(ops)]:
        for row in matrix:
            row.insert(-1, 0)
        matrix.insert(-1, [0] * len(matrix[0]))
        ops.insert(-1, "maxpool3x3")
        matrix[lead[0]][lead[1]] = 1
    return {"adjacency": matrix, "ops": ops}


def test_golden_rows_keep_their_hashes_ids_and_parameters(space: SearchSpace) -> None:
    assert len(GOLDEN) >= 20
    assert {len(cell["ops"]) for *_, cell in GOLDEN} == set(CELLS)
    for official, arch_id, parameters, cell in GOLDEN:
        arch = space.validate(cell)
        assert arch.json == cell
        assert module_hash(**cell) == official
        assert arch.arch_id == arch_id
        cost = space.cost(arch)
        assert cost is not None
        assert cost.parameters == parameters


def test_hash_id_and_cost_are_of_the_network_and_not_of_its_spelling(space: SearchSpace) -> None:
    for official, arch_id, _, cell in GOLDEN:
        cost = space.cost(space.validate(cell))
        for spelled in [
            *random.Random(1).sample(every := spellings(cell), min(6, len(every))),
            with_dead_vertices(cell),
        ]:
            arch = space.validate(spelled)
            assert (arch.json, arch.arch_id, module_hash(**spelled)) == (spelled, arch_id, official)
            assert space.cost(arch) == cost


def test_there_are_423624_cells_as_many_of_each_size_as_published(space: SearchSpace) -> None:
    sizes = Counter(len(arch.genes) for arch in space.enumerate())
    assert sizes == {n * (n - 1) // 2 + n - 2: count for n, count in CELLS.items()}
    assert space.size == sum(CELLS.values()) == 423_624


def test_hashes_and_ids_are_one_to_one_on_the_cells_of_up_to_five_vertices(space: SearchSpace) -> None:
    few = list(itertools.islice(space.enumerate(), 1 + 6 + 84 + 2_441))
    hashes, ids = {module_hash(**arch.json) for arch in few}, {arch.arch_id for arch in few}
    assert len(hashes) == len(ids) == len(few) == 2_532
    assert max(len(arch.json["ops"]) for arch in few) == 5


def test_every_matrix_of_up_to_five_vertices_is_a_cell_that_is_listed(space: SearchSpace) -> None:
    """All upper triangles, one by one, as upstream goes through them, with dead vertices and without."""
    listed: dict[str, Architecture] = {arch.arch_id: arch for arch in itertools.islice(space.enumerate(), 2_532)}
    rng, met = random.Random(0), set()
    for n in range(2, 6):
        for bits in itertools.product((0, 1), repeat=n * (n - 1) // 2):
            at = dict(zip(triangle(n), bits, strict=True))
            matrix = [[at.get((i, j), 0) for j in range(n)] for i in range(n)]
            dead = any(not any(row) for row in matrix[:-1]) or any(
                not any(column) for column in list(zip(*matrix, strict=True))[1:]
            )
            every = list(itertools.product(OPS, repeat=n - 2))
            for ops in [rng.choice(every)] if dead else every:
                with (
                    contextlib.nullcontext()
                    if not dead and sum(bits) <= 9
                    else contextlib.suppress(InvalidArchitecture)
                ):
                    met.add(space.validate({"adjacency": matrix, "ops": ["input", *ops, "output"]}).arch_id)
    assert met == set(listed)


def test_the_module_hash_confuses_cells_beyond_the_space_that_ids_tell_apart() -> None:
    """Four vertices above, four below, each joined to two: one ring of eight, or two of four."""
    ring = [(k, k) for k in range(4)] + [(k, (k + 1) % 4) for k in range(4)]
    pair = [(k, m) for half in ((0, 1), (2, 3)) for k in half for m in half]
    spec = {"kind": "node_cell", "max_nodes": 10, "max_edges": 16, "ops": list(OPS)}
    space, cells = space_from_spec(spec), []
    for joined in (ring, pair):
        edges = {(0, k) for k in range(1, 5)} | {(k, 9) for k in range(5, 9)} | {(k + 1, m + 5) for k, m in joined}
        matrix = [[int((i, j) in edges) for j in range(10)] for i in range(10)]
        cells.append(space.validate({"adjacency": matrix, "ops": ["input", *[OPS[0]] * 8, "output"]}))
    assert module_hash(**cells[0].json) == module_hash(**cells[1].json)
    assert cells[0].arch_id != cells[1].arch_id
    assert space.cost(cells[0]) is None, "upstream has no such cells, so no order to train them in"


def test_what_has_no_module_hash_is_refused() -> None:
    for adjacency, ops, pointer in [
        ([[0, 1], [0, 0]], ["input", "conv3x3-bn-relu", "output"], "/adjacency"),
        ([[0, 1]], ["input", "output"], "/adjacency"),
        ([], [], "/adjacency"),
        ([[0, 0], [0, 0]], ["input", "output"], "/adjacency"),
        ([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ["input", "conv5x5", "output"], "/ops/1"),
    ]:
        with pytest.raises(InvalidArchitecture) as refusal:
            module_hash(adjacency, ops)
        assert refusal.value.pointer == pointer


def test_the_smallest_network_costs_what_its_layers_cost(space: SearchSpace) -> None:
    """A stem, nine 1x1 projections and a linear layer."""
    cost = space.cost(space.validate({"adjacency": [[0, 1], [0, 0]], "ops": ["input", "output"]}))
    shapes = [(128, 128, 32)] * 3 + [(128, 256, 16)] + [(256, 256, 16)] * 2 + [(256, 512, 8)] + [(512, 512, 8)] * 2
    assert cost == (
        27 * 128 + 256 + sum(a * b + 2 * b for a, b, _ in shapes) + 5_130,
        27 * 128 * 32**2 + sum(a * b * size**2 for a, b, size in shapes) + 5_120,
    )


def test_a_network_of_any_width_has_a_cost_that_grows_with_it(space: SearchSpace) -> None:
    ops, rows = ["input", *OPS, "output"], [[0, 1, 1, 1, 0], *[[0, 0, 0, 0, 1]] * 3, [0] * 5]
    three = space.validate({"adjacency": rows, "ops": ops})
    costs = [cost for width in range(1, 200) if (cost := space.cost(three, channels=width)) is not None]
    assert len(costs) == 199
    assert all(narrow.parameters < wide.parameters for narrow, wide in itertools.pairwise(costs))
    assert space.cost(three) == costs[127]


def test_constraints_on_parameters_find_the_few_small_cells(space: SearchSpace) -> None:
    small = space_from_spec({"kind": "nasbench101", "constraints": [{"measure": "parameters", "most": 400_000}]})
    rng = random.Random(3)
    for _ in range(5):
        cost = space.cost(space.validate(small.sample(rng).json))
        assert cost is not None
        assert cost.parameters <= 400_000


def test_half_the_edges_are_drawn_as_published_random_searches_draw_them() -> None:
    """With 7 vertices, some of them dead, and at most 9 live edges: small networks come more often than their share."""
    space, rng = space_from_spec({"kind": "nasbench101", "sampling": "half_edge"}), random.Random(4)
    drawn = [space.sample(rng) for _ in range(4_000)]
    assert {len(arch.json["ops"]) for arch in drawn} == {7}
    assert any(sum(map(sum, arch.json["adjacency"])) > 9 for arch in drawn), "dead edges do not count"
    assert all(len(space.canonical(arch).edges) <= 9 for arch in drawn)
    whole = space_from_spec({"kind": "nasbench101"})
    live = Counter(len(space.canonical(arch).labels) for arch in drawn)
    fair = Counter(len(whole.canonical(whole.sample(rng)).labels) for _ in range(4_000))
    assert fair[7] > 1.3 * live[7]


@pytest.mark.bench_data
def test_all_published_hashes_and_parameters_are_reproduced(space: SearchSpace) -> None:
    table = np.load(Path(os.environ["BONANZA_BENCH_DATA"]) / "nasbench101_20k.npz")
    names = table["op_names"].tolist()
    columns = [table[name].tolist() for name in ("n_vertices", "adj_bits", "ops", "trainable_params")]
    hashes = [bytes(row).hex() for row in table["hash"]]
    assert len(hashes) == 20_001
    for official, n, bits, ops, parameters in zip(hashes, *columns, strict=True):
        edges = {pair for k, pair in enumerate(triangle(7)) if bits >> k & 1}
        matrix = [[int((i, j) in edges) for j in range(n)] for i in range(n)]
        arch = space.validate({"adjacency": matrix, "ops": ["input", *[names[op] for op in ops[: n - 2]], "output"]})
        assert module_hash(**arch.json) == official
        cost = space.cost(arch)
        assert cost is not None
        assert cost.parameters == parameters


@pytest.mark.bench_data
def test_all_423624_cells_have_hashes_and_ids_of_their_own_among_them_the_published(space: SearchSpace) -> None:
    """Two minutes or so."""
    table = np.load(Path(os.environ["BONANZA_BENCH_DATA"]) / "nasbench101_20k.npz")
    ids, hashes = set(), set()
    for arch in space.enumerate():
        ids.add(arch.arch_id)
        hashes.add(bytes.fromhex(module_hash(**arch.json)))
    assert len(ids) == len(hashes) == 423_624
    assert {bytes(row) for row in table["hash"]} <= hashes
