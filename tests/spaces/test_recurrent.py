"""Recurrent cells: counts against enumeration and against trees, ENAS's published cell, refusals."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations_with_replacement
from math import prod
from typing import Any

import pytest

from bonanza.spaces import InvalidArchitecture, InvalidSpace, count_ids, space_from_spec
from bonanza.spaces.cost import Cost

LSTM_12K = space_from_spec({"kind": "recurrent", "nodes": 8})
LARGE = space_from_spec({"kind": "recurrent", "nodes": 12, "least_nodes": 2})
SMALL = space_from_spec({"kind": "recurrent", "nodes": 3})
ENAS = "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"
"""The cell that ENAS found, as its ``ptb_final.sh`` has it."""
ENAS_OF_DARTS = {
    "activations": ["tanh", "tanh", "tanh", "relu", "tanh", "tanh", "relu", "relu", "relu", "relu", "relu", "relu"],
    "sources": [0, 1, 1, 3, 3, 3, 4, 7, 8, 8, 8],
}
"""The same cell as DARTS has it (``rnn/genotypes.py``), its nodes in another order; ``concat`` lists the leaves."""
LEAVES_OF_DARTS = [2, 5, 6, 9, 10, 11]


def test_there_are_as_many_cells_as_choices() -> None:
    assert [space_from_spec({"kind": "recurrent", "nodes": n}).size for n in (1, 2, 3)] == [4, 20, 148]
    assert LSTM_12K.size == 4 + 16 + 128 + 1_536 + 24_576 + 491_520 + 11_796_480 + 330_301_440
    assert sum(1 for _ in SMALL.enumerate()) == 148


def test_there_are_as_many_networks_as_rooted_trees_of_four_colours() -> None:
    trees: dict[int, int] = {1: 4}
    for n in (2, 3, 4):  # a root of four colours, and a multiset of smaller trees
        total = 0
        for sizes in (s for k in range(1, n) for s in combinations_with_replacement(range(1, n), k) if sum(s) == n - 1):
            total += prod(_multisets(trees[size], times) for size, times in Counter(sizes).items())
        trees[n] = 4 * total
    assert list(trees.values()) == [4, 16, 104, 752]
    assert count_ids(space_from_spec({"kind": "recurrent", "nodes": 4})) == sum(trees.values())


def _multisets(n: int, k: int) -> int:
    return sum(1 for _ in combinations_with_replacement(range(n), k))


def test_enas_and_darts_name_one_cell() -> None:
    ours, darts = LARGE.validate(ENAS), LARGE.validate(ENAS_OF_DARTS)
    assert ours.text == ENAS
    assert ours != darts
    assert ours.arch_id == darts.arch_id
    last = len(LARGE.graph(darts).labels) - 1
    assert [v - 1 for v, w in LARGE.graph(darts).edges if w == last] == LEAVES_OF_DARTS


def test_the_identity_is_a_node_with_weights() -> None:
    short, long = LSTM_12K.validate("0 0 1"), LSTM_12K.validate("0 0 2 1 1")
    assert LSTM_12K.canonical(long).labels == ("input", "tanh", "identity", "relu", "output")
    assert short.arch_id != long.arch_id


def test_the_order_of_nodes_and_leaves_does_not_matter_but_the_wiring_does() -> None:
    ids = [LSTM_12K.validate(text).arch_id for text in ("0 0 1 0 3", "0 0 3 0 1", "0 0 1 1 3")]
    assert ids[0] == ids[1] != ids[2]


def test_cells_are_drawn_uniformly_whatever_their_number_of_nodes() -> None:
    rng = random.Random(0)
    drawn = Counter(SMALL.sample(rng) for _ in range(29_600))
    assert len(drawn) == 148
    assert sum((times - 200) ** 2 / 200 for times in drawn.values()) < 220  # chi-square, 147 degrees: 1e-4
    sizes = Counter(len(LSTM_12K.sample(rng).genes) for _ in range(5_000))
    assert sizes[8] / 5_000 == pytest.approx(330_301_440 / LSTM_12K.size, abs=0.015)


def test_every_cell_is_reached_by_edits() -> None:
    reached = {next(SMALL.enumerate())}
    fresh = list(reached)
    while fresh:
        found = set(SMALL.neighbors(fresh.pop())) - reached
        reached |= found
        fresh += found
    assert len(reached) == 148


def test_neighbours_differ_in_one_node() -> None:
    space = space_from_spec({"kind": "recurrent", "nodes": 3})
    texts = {cell.text for cell in space.neighbors(space.validate("0 0 1"))}
    changed = {f"{a} 0 {b}" for a in range(4) for b in range(4) if (a == 0) != (b == 1)}
    added = {f"0 0 1 {s} {a}" for s in (0, 1) for a in range(4)} | {f"0 0 {a} 0 1" for a in range(4)}
    assert texts == {"0"} | changed | added


def test_the_cost_is_that_of_enas_language_model() -> None:
    width, words = 748, 10_000
    weights = words * width + 2 * width * 2 * width + 11 * width * 2 * width
    assert LARGE.cost(LARGE.validate(ENAS)) == Cost(weights, weights) == Cost(22_027_104, 22_027_104)
    assert LARGE.cost(LARGE.validate("0 0 0"), channels=10) == Cost(100_600, 100_600)


@pytest.mark.parametrize(
    ("value", "pointer", "says"),
    [
        (7, "", "activations"),
        ({"activations": ["tanh"]}, "/sources", "missing"),
        ({"activations": [], "sources": []}, "/activations", "1 to 8 activations, not of 0"),
        ({"activations": ["tanh"] * 9, "sources": [0] * 8}, "/activations", "not of 9"),
        ({"activations": ["tanh"] * 2, "sources": []}, "/sources", "list of 1 nodes, not of 0"),
        ({"activations": ["tanh", "gelu"], "sources": [0]}, "/activations/1", 'one of "tanh", "relu"'),
        ({"activations": ["tanh", ["tanh"]], "sources": [0]}, "/activations/1", "not a list of 1"),
        ({"activations": ["tanh"] * 3, "sources": [0, 2]}, "/sources/1", "from 0 to 1, not 2"),
        ({"activations": ["tanh"] * 3, "sources": [0, True]}, "/sources/1", "not true"),
        ({"activations": ["tanh"] * 3, "sources": [0, 1.0]}, "/sources/1", "not 1.0"),
        ("", "", "the activation of node 0"),
        ("0 0", "", "two for each other"),
        ("0 1 0", "", "source of node 1 in an arc string is from 0 to 0"),
        ("0 0 4", "", "activation of node 1 in an arc string is from 0 to 3"),
        ("0 0 ²", "", "activation of node 1"),
        ("0  0", "", "not"),
        ("0" + " 0 0" * 8, "", "1 to 8 nodes"),
        ("0 " * 100_000, "", "1 to 8 nodes"),
        ("1" * 10_000, "", "activation of node 0"),
    ],
)
def test_what_is_no_cell_is_pointed_at(value: Any, pointer: str, says: str) -> None:
    with pytest.raises(InvalidArchitecture) as refusal:
        LSTM_12K.validate(value)
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message


@pytest.mark.parametrize(
    ("fields", "pointer", "says"),
    [
        ({}, "/nodes", "missing"),
        ({"nodes": 0}, "/nodes", "from 1 to 24, not 0"),
        ({"nodes": 25}, "/nodes", "not 25"),
        ({"nodes": "8"}, "/nodes", 'not "8"'),
        ({"nodes": 4, "least_nodes": 5}, "/least_nodes", "from 1 to 4, not 5"),
        ({"nodes": 4, "ops": ["tanh"]}, "/ops", "unknown"),
    ],
)
def test_a_wrong_spec_is_pointed_at(fields: dict[str, Any], pointer: str, says: str) -> None:
    with pytest.raises(InvalidSpace) as refusal:
        space_from_spec({"kind": "recurrent", **fields})
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message
