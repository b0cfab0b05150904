"""Where candidates come from."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza_server.search.acqopt import TRIES, Unseen, mutants, unseen_samples
from bonanza_server.search.history import History, Observation

NB201 = space_from_spec({"kind": "nasbench201"})
SMALL = space_from_spec({"kind": "edge_cell", "nodes": 3, "ops": ["none", "skip_connect", "conv"]})


def history_of(space: SearchSpace, cells: list[Architecture]) -> History:
    observed = tuple(Observation(cell, (100.0 - k,), k) for k, cell in enumerate(cells))
    return History(space, True, observed, (), frozenset(cell.arch_id for cell in cells))


def distinct(space: SearchSpace, n: int, seed: int = 0) -> list[Architecture]:
    return unseen_samples(space, frozenset(), n, random.Random(seed))


def distance(a: Architecture, b: Architecture) -> int:
    return sum(x != y for x, y in zip(a.genes, b.genes, strict=True))


def endless(space: SearchSpace) -> SearchSpace:
    """The same space, not telling how large it is."""

    class Endless(type(space)):  # type: ignore[misc]
        size = None

        def enumerate(self) -> Iterator[Architecture]:
            raise ValueError("endless")

    return Endless(space.nodes, space.ops, space.zero_op, space.identity_op)  # type: ignore[attr-defined]


@settings(max_examples=20, deadline=None)
@given(observed=st.integers(1, 30), n=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_there_are_always_as_many_distinct_unseen_candidates_as_asked_for(observed: int, n: int, seed: int) -> None:
    history = history_of(NB201, distinct(NB201, observed, seed))
    found = mutants(history, n, random.Random(seed))
    ids = {cell.arch_id for cell in found}
    assert len(ids) == len(found) >= n
    assert not ids & history.seen


def test_few_candidates_are_mutants_of_the_best_cell() -> None:
    cells = distinct(NB201, 20)
    found = mutants(history_of(NB201, cells), 20, random.Random(0))
    assert sum(distance(cell, cells[0]) <= 2 for cell in found) > 0.8 * len(found)
    assert len(found) < 20 + TRIES


def test_more_candidates_come_from_the_next_best_cells() -> None:
    cells = distinct(NB201, 20)
    found = mutants(history_of(NB201, cells), 150, random.Random(0), parents=5)
    near = [min(range(20), key=lambda k, cell=cell: distance(cell, cells[k])) for cell in found]
    assert {0, 1} <= set(near)
    assert sum(k < 5 for k in near) > sum(k >= 5 for k in near)


def test_candidates_are_found_where_every_neighbour_has_been_seen() -> None:
    best = NB201.sample(random.Random(1))
    around = {cell.arch_id: cell for cell in NB201.neighbors(best)}
    around.pop(best.arch_id, None)
    history = history_of(NB201, [best, *around.values()])
    found = mutants(history, 100, random.Random(0))
    assert len(found) >= 100


@pytest.mark.parametrize("left", [0, 1, 5])
def test_the_last_cells_of_a_finite_space_are_found(left: int) -> None:
    cells = {cell.arch_id: cell for cell in SMALL.enumerate()}
    history = history_of(SMALL, list(cells.values())[left:])
    found = mutants(history, 50, random.Random(0))
    assert {cell.arch_id for cell in found} == set(list(cells)[:left])


def test_an_endless_space_is_never_listed() -> None:
    space = endless(NB201)
    assert len(unseen_samples(space, frozenset(), 200, random.Random(0))) == 200


def test_the_last_cells_are_drawn_in_random_order() -> None:
    cells = {cell.arch_id for cell in SMALL.enumerate()}
    orders = {
        tuple(cell.arch_id for cell in unseen_samples(SMALL, frozenset(), len(cells) + 1, random.Random(seed)))
        for seed in range(5)
    }
    assert len(orders) > 1
    assert all(set(order) == cells for order in orders)


def test_samples_are_as_the_space_samples() -> None:
    space = space_from_spec(
        {"kind": "sequence", "positions": [{"name": f"p{i}", "choices": ["a", "b", "c", "d", "e"]} for i in range(9)]}
    )
    drawn = unseen_samples(space, frozenset(), 500, random.Random(0))
    share = sum(cell.json["choices"].count("a") for cell in drawn) / (9 * 500)
    assert share == pytest.approx(0.2, abs=0.03)


def test_one_network_spelled_twice_is_one_candidate() -> None:
    one = NB201.validate("|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    other = NB201.validate("|avg_pool_3x3~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    unseen = Unseen(frozenset())
    for cell in (one, other, one):
        unseen.offer(cell)
    assert unseen.found == [one]
    assert Unseen({one.arch_id}).found == []
