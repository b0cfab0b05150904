"""ResNet strings: counts, uniform draws, edits, costs against published networks, refusals."""

from __future__ import annotations

import random
from collections import Counter
from math import comb
from typing import Any

import pytest

from bonanza.spaces import InvalidArchitecture, InvalidSpace, space_from_spec
from bonanza.spaces.cost import Cost, convolution
from bonanza.spaces.resnet_stages import resnet_stages

PAPER = "1211-211-1111-12111"
WIDE = resnet_stages((1, 6), (1, 200), (0, 8))
USUAL = space_from_spec({"kind": "resnet_stages"})
FEW = resnet_stages((1, 3), (2, 5), (1, 2))


def by_brute_force(stages: range, blocks: range, doublings: range) -> set[str]:
    """Every string of the three characters, filtered."""
    found, longest = set(), blocks[-1] + stages[-1] - 1
    strings = [""]
    for _ in range(longest):
        strings = [text + character for text in strings for character in "12-"]
        for text in strings:
            parts = text.split("-")
            if all(parts) and len(parts) in stages and text.count("2") in doublings and len("".join(parts)) in blocks:
                found.add(text)
    return found


def test_the_papers_string_is_an_architecture_and_its_text() -> None:
    arch = USUAL.validate(PAPER)
    assert arch.text == PAPER
    assert arch.json == {"stages": ["1211", "211", "1111", "12111"]}
    assert USUAL.validate(arch.json) == arch
    assert USUAL.graph(arch).labels == ("input", *PAPER, "output")


def test_the_strings_of_a_space_are_those_that_brute_force_finds() -> None:
    expected = by_brute_force(range(1, 4), range(2, 6), range(1, 3))
    assert {arch.text for arch in FEW.enumerate()} == expected
    assert FEW.size == len(expected) == sum(1 for _ in FEW.enumerate())


def test_the_number_of_strings_is_exact_however_many() -> None:
    four = space_from_spec({"kind": "resnet_stages", "stages": [4, 4], "blocks": [16, 16], "doublings": [3, 3]})
    assert four.size == comb(15, 3) * comb(16, 3) == 254_800
    assert USUAL.size == sum(comb(n - 1, 3) * sum(comb(n, d) for d in range(5)) for n in range(4, 34))
    assert len(str(WIDE.size)) > 15


def test_every_string_is_drawn_equally_often() -> None:
    rng = random.Random(0)
    n = FEW.size or 0
    drawn = Counter(FEW.sample(rng) for _ in range(100 * n))
    assert len(drawn) == n
    assert sum((times - 100) ** 2 / 100 for times in drawn.values()) < n + 4 * (2 * n) ** 0.5  # chi-square, 4 sigma


def test_draws_keep_the_bounds() -> None:
    rng = random.Random(1)
    for _ in range(300):
        assert WIDE.validate(WIDE.sample(rng).text).space is WIDE


@pytest.mark.parametrize("space", [FEW, resnet_stages((2, 2), (5, 5), (2, 2)), resnet_stages((1, 2), (1, 4), (1, 8))])
def test_every_string_is_reached_by_edits(space: Any) -> None:
    reached = {next(space.enumerate())}
    fresh = list(reached)
    while fresh:
        found = set(space.neighbors(fresh.pop())) - reached
        reached |= found
        fresh += found
    assert len(reached) == space.size


def test_neighbours_have_a_character_more_less_other_or_moved() -> None:
    space = resnet_stages((1, 3), (1, 4), (0, 2))
    found = {arch.text for arch in space.neighbors(space.validate("12-1"))}
    inserted = {"112-1", "121-1", "122-1", "212-1", "12-11", "12-21", "12-12", "1-2-1"}
    removed = {"2-1", "1-1", "121"}
    changed = {"22-1", "11-1", "12-2"}
    moved = {"21-1", "11-2", "1-21"}
    assert found == inserted | removed | changed | moved


def test_a_child_has_stages_of_its_parents() -> None:
    rng = random.Random(2)
    a, b = USUAL.validate("111-2-1-11"), USUAL.validate("12-21-2-1111")
    for _ in range(50):
        parts = USUAL.crossover(a, b, rng).text.split("-")
        assert all(part in pair for part, *pair in zip(parts, a.json["stages"], b.json["stages"], strict=True))
    fixed = resnet_stages((2, 2), (4, 4), (0, 4))
    a, b = fixed.validate("1-111"), fixed.validate("222-2")
    assert {fixed.crossover(a, b, rng) for _ in range(20)} == {a, b}


RESNETS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
PUBLISHED = {50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
"""Parameters as torchvision counts them; BONAS' table 5 has 25.56 M and 44.55 M."""


@pytest.mark.parametrize("depth", RESNETS)
def test_the_cost_is_that_of_the_published_resnets_but_for_the_stem(depth: int) -> None:
    text = "-".join(("2" if stage else "1") + "1" * (n - 1) for stage, n in enumerate(RESNETS[depth]))
    cost = WIDE.cost(WIDE.validate(text))
    assert cost is not None
    stem, theirs = convolution(3, 64, 3, 112) + convolution(64, 64, 3, 56), convolution(3, 64, 7, 112)
    assert cost.parameters - stem.parameters + theirs.parameters == PUBLISHED[depth]
    if depth == 50:  # 4.09 GFLOPs with the stride in the 3x3 convolution
        assert cost.flops - stem.flops + theirs.flops == 4_089_184_256


def test_the_cost_of_one_block_by_hand() -> None:
    stem = (3 * 9 * 4 + 8) + (4 * 9 * 4 + 8)
    block = (4 * 8 + 16) + (8 * 9 * 8 + 16) + (8 * 32 + 64) + (4 * 32 + 64)
    cost = WIDE.cost(WIDE.validate("2"), channels=4)
    assert cost is not None
    assert cost.parameters == stem + block + 33 * 1000
    assert isinstance(cost, Cost)


@pytest.mark.parametrize(
    ("value", "pointer", "says"),
    [
        (1211, "", "not 1211"),
        ("", "", "before and behind each dash"),
        ("-1-1-1-1", "", "before and behind"),
        ("1-1-1-", "", "before and behind"),
        ("1--1-1-1", "", "before and behind"),
        ("1-1-1-3", "", 'the characters "1", "2" and "-" only'),
        ("1-1-1-１", "", "characters"),
        ("1-1-1", "", "4 to 4 stages in this space, not 3"),
        ("1-1-1-" + "1" * 31, "", "at most 36 characters"),
        ("1" * 10**6, "", "at most 36 characters in this space, not 1000000"),
        ("11-1-1-" + "1" * 30, "", "at most 36"),
        ("222-22-1-1", "", "0 to 4 doublings in this space, not 5"),
        ({"stages": ["1", "1", "1"]}, "/stages", "4 strings, not of 3"),
        ({"stages": ["1", "1", "1", ""]}, "/stages/3", "digits"),
        ({"stages": ["1", "1", "1", "1-1"]}, "/stages/3", "digits"),
        ({"stages": ["1", "1", "1", 1]}, "/stages/3", "not 1"),
        ({"stages": ["1" * 9] * 4}, "/stages", "at most 36"),
        ({"stages": ["2", "2", "2", "22"]}, "/stages", "doublings"),
        ({"string": PAPER}, "/string", "unknown"),
    ],
)
def test_what_is_no_string_is_pointed_at(value: Any, pointer: str, says: str) -> None:
    with pytest.raises(InvalidArchitecture) as refusal:
        USUAL.validate(value)
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message


@pytest.mark.parametrize(
    ("fields", "pointer", "says"),
    [
        ({"stages": 4}, "/stages", "list of 2 integers, the least and the most, not 4"),
        ({"stages": [4]}, "/stages", "not of 1"),
        ({"stages": [0, 4]}, "/stages/0", "from 1 to 6, not 0"),
        ({"stages": [4, 3]}, "/stages/1", "from 4 to 6, not 3"),
        ({"stages": [4, 7]}, "/stages/1", "not 7"),
        ({"blocks": [1, 201]}, "/blocks/1", "from 1 to 200"),
        ({"blocks": [True, 8]}, "/blocks/0", "not true"),
        ({"blocks": [1, 3]}, "/stages/0", "at most 3, the most blocks, not 4"),
        ({"blocks": [4, 4], "doublings": [5, 6]}, "/doublings/0", "at most 4, the most blocks, not 5"),
        ({"doublings": [0, 9]}, "/doublings/1", "from 0 to 8"),
        ({"depth": [1, 2]}, "/depth", "unknown"),
    ],
)
def test_a_wrong_spec_is_pointed_at(fields: dict[str, Any], pointer: str, says: str) -> None:
    with pytest.raises(InvalidSpace) as refusal:
        space_from_spec({"kind": "resnet_stages", **fields})
    assert refusal.value.pointer == pointer
    assert says in refusal.value.message
