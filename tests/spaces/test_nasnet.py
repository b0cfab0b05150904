"""BONAS' open domain: one cell with both roles, whose blocks do no two alike things."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from typing import Any

import pytest

from bonanza.spaces import InvalidArchitecture, space_from_spec
from bonanza.spaces.cost import Cost
from bonanza.spaces.darts_network import network_cost

NASNET = space_from_spec({"kind": "nasnet"})
BOTH = space_from_spec({"kind": "darts", "none": True})
BONAS: list[list[Any]] = [
    ["sep_conv_3x3", 0],
    ["sep_conv_3x3", 0],
    ["skip_connect", 0],
    ["max_pool_3x3", 0],
    ["sep_conv_3x3", 0],
    ["sep_conv_3x3", 2],
    ["skip_connect", 1],
    ["sep_conv_3x3", 2],
]
"""The genotype that pipilurj/BONAS calls BONAS (opendomain_utils/genotypes.py)."""
MENDED = [["sep_conv_3x3", 1], *BONAS[1:]]


def id_of(pairs: list[list[Any]]) -> str:
    return NASNET.validate({"cell": pairs}).arch_id


def test_there_are_as_many_cells_as_pairs_of_different_inputs_allow() -> None:
    assert NASNET.size == (16 * 15) * (24 * 23) * (32 * 31) * (40 * 39)


def test_the_found_cell_costs_what_the_paper_says_and_breaks_the_rule() -> None:
    cell = [(op, source) for op, source in BONAS]
    assert network_cost(cell, cell) == Cost(3_505_078, 535_326_336)  # Table 3: 3.5 M
    with pytest.raises(InvalidArchitecture, match="another op or another source than the input before") as refusal:
        NASNET.validate({"cell": BONAS})
    assert refusal.value.pointer == "/cell/1"


def test_a_block_may_read_one_source_through_two_ops_and_two_sources_through_one_op() -> None:
    for pair in (["sep_conv_3x3", 1], ["sep_conv_5x5", 0]):
        assert NASNET.validate({"cell": [pair, *BONAS[1:]]}).json["cell"][0] == pair


def test_a_genotype_says_the_cell_twice_and_both_must_be_equal() -> None:
    arch = NASNET.validate({"cell": MENDED})
    assert NASNET.validate(arch.text) == arch
    cells = arch.text.split("reduce=")
    assert cells[1].count("'skip_connect', 1") == 1
    with pytest.raises(InvalidArchitecture, match="normal and reduce must be equal"):
        NASNET.validate("reduce=".join([cells[0], cells[1].replace("'skip_connect', 1", "'skip_connect', 3")]))


def test_cells_are_one_network_only_if_they_are_in_both_roles() -> None:
    """In the normal role a skipped input is the input, in the reduction role it is a layer."""
    rest = [["max_pool_3x3", 0], ["max_pool_3x3", 1], ["avg_pool_3x3", 0], ["avg_pool_3x3", 1]]
    skipped = [["skip_connect", 0], ["none", 1], ["sep_conv_3x3", 2], ["none", 1], *rest]
    direct = [["skip_connect", 0], ["none", 1], ["sep_conv_3x3", 0], ["none", 1], *rest]

    def id_of_both(normal: Any, reduce: Any) -> str:
        return BOTH.validate({"normal": normal, "reduce": reduce}).arch_id

    assert id_of_both(skipped, direct) == id_of_both(direct, direct)
    assert id_of_both(direct, skipped) != id_of_both(direct, direct)
    assert id_of(skipped) != id_of(direct)


def test_equal_ids_are_equal_pairs_of_cells() -> None:
    """Of cells that both spaces have: the one graph tells as much as DARTS' two."""
    rng = random.Random(0)
    ops = ["skip_connect", "none", "sep_conv_3x3"]  # few, so that many networks are alike
    cells = []
    for _ in range(1_500):
        sources = [rng.sample(range(node), 2) for node in (2, 3, 4, 5)]
        cells.append([[rng.choice(ops), source] for pair in sources for source in pair])
    ones = [id_of(cell) for cell in cells]
    twos = [BOTH.validate({"normal": cell, "reduce": cell}).arch_id for cell in cells]
    assert len(set(zip(ones, twos, strict=True))) == len(set(ones)) == len(set(twos))
    assert len(set(ones)) < 1_450


def test_the_graph_has_the_blocks_of_one_cell() -> None:
    graph = NASNET.graph(NASNET.validate({"cell": MENDED}))
    assert Counter(graph.labels) == {
        "input": 1,
        "cell c_{k-2}": 1,
        "cell c_{k-1}": 1,
        "sep_conv_3x3": 5,
        "max_pool_3x3": 1,
        "factorized_reduce": 2,
        "concat": 4,
        "output": 1,
    }


def test_everything_that_can_change_does_and_stays_valid() -> None:
    rng = random.Random(1)
    arch, changed = NASNET.sample(rng), Counter[int]()
    for _ in range(3_000):
        child = NASNET.mutate(arch, rng, rate=2)
        assert NASNET.validate(child.json) == child
        changed.update(k for k, (a, b) in enumerate(zip(arch.genes, child.genes, strict=True)) if a != b)
        arch = child
    assert set(changed) == set(range(16))


def test_neighbours_are_all_valid_cells_one_edit_away() -> None:
    """Against the definition: every other value of every gene, of which the space keeps the valid ones."""
    for seed in range(20):
        arch = NASNET.sample(random.Random(seed))
        pairs = arch.json["cell"]
        expected = set()
        for k, (op, source) in enumerate(pairs):
            changes = itertools.chain(
                ([other, source] for other in NASNET.ops if other != op),
                ([op, other] for other in range(k // 2 + 2) if other != source),
            )
            for change in changes:
                if change != pairs[k ^ 1]:
                    expected.add(NASNET.validate({"cell": [*pairs[:k], change, *pairs[k + 1 :]]}))
        assert set(NASNET.neighbors(arch)) == expected
