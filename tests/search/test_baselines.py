"""What evolution and local search propose: children of the best of the newest, neighbours of where the walk stands."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from bonanza.spaces import Architecture, space_from_spec
from bonanza_server.search.acqopt import unseen_samples
from bonanza_server.search.history import History, Observation
from bonanza_server.search.local_search import Walk
from bonanza_server.search.options import LocalSearchOptions
from bonanza_server.search.strategy import strategy_from_spec

SPACE = space_from_spec(
    {"kind": "sequence", "positions": [{"name": f"p{k}", "choices": list(range(5))} for k in range(6)]}
)
"""Where every gene counts, so that a distance of genes is one of networks."""


def cells(n: int, seed: int = 0) -> list[Architecture]:
    return unseen_samples(SPACE, frozenset(), n, random.Random(seed))


def history(told: list[tuple[Architecture, float]], pending: tuple[Architecture, ...] = ()) -> History:
    observed = tuple(Observation(cell, (value,), number) for number, (cell, value) in enumerate(told))
    return History(
        SPACE, True, observed, pending, frozenset(cell.arch_id for cell in (*(c for c, _ in told), *pending))
    )


def proposed(spec: dict[str, Any], of: History, n: int, seed: int = 0) -> list[Architecture]:
    return [p.architecture for p in strategy_from_spec(spec).propose(of, n, np.random.default_rng(seed))]


def distance(a: Architecture, b: Architecture) -> int:
    return sum(x != y for x, y in zip(a.genes, b.genes, strict=True))


def test_evolution_mutates_the_best_of_a_tournament_among_the_newest() -> None:
    old = [(cell, 1000.0) for cell in cells(20, seed=1)]
    young = [(cell, float(k)) for k, cell in enumerate(cells(30, seed=2))]
    of = history(old + young)
    found = proposed({"name": "evolution", "tournament": 200}, of, 40)
    best = young[-1][0]  # a tournament of 200 with replacement misses it with a chance of 0.1 %; the old ones are past
    assert sum(distance(child, best) <= 3 for child in found) >= 38
    assert min(distance(child, cell) for child in found for cell, _ in old) >= 1


def test_a_tournament_without_replacement_as_large_as_the_population_always_has_the_best() -> None:
    told = [(cell, float(k)) for k, cell in enumerate(cells(25))]
    found = proposed({"name": "evolution", "population": 25, "tournament": 25, "replacement": False}, history(told), 20)
    assert all(distance(child, told[-1][0]) <= 4 for child in found)


def test_evolution_goes_on_at_random_where_the_population_has_no_new_child() -> None:
    small = space_from_spec({"kind": "sequence", "positions": [{"name": "a", "choices": list(range(300))}]})
    first = small.validate({"choices": [0]})
    of = History(small, True, (Observation(first, (1.0,), 0),), (), frozenset([first.arch_id]))
    ids = {
        p.architecture.arch_id
        for p in strategy_from_spec({"name": "evolution"}).propose(of, 299, np.random.default_rng(0))
    }
    assert len(ids) == 299


def climb(told: list[tuple[Architecture, float]], **options: Any) -> Walk:
    return Walk(history(told), LocalSearchOptions(**{"n_initial": 3, **options}))


def test_a_walk_begins_at_the_best_of_its_random_cells() -> None:
    told = list(zip(cells(3), [1.0, 3.0, 2.0], strict=True))
    assert climb(told[:2]).place is None
    assert climb(told).place == history(told).observations[1]


def test_a_walk_moves_to_the_first_better_neighbour_or_waits_for_all_of_them() -> None:
    told = list(zip(cells(3), [1.0, 3.0, 2.0], strict=True))
    neighbours = list(SPACE.neighbors(told[1][0]))
    told += [(neighbours[0], 0.0), (neighbours[1], 4.0), (neighbours[2], 5.0)]
    first = climb(told).place
    assert first is not None
    assert first.architecture == neighbours[2]
    patient = climb(told, full=True).place
    assert patient is not None
    assert patient.architecture == told[1][0]
    told += [(neighbour, 4.5) for neighbour in neighbours[3:]]
    assert (moved := climb(told, full=True).place) is not None
    assert moved.architecture == neighbours[2]


def test_a_walk_starts_again_at_a_local_optimum_unless_told_to_go_on() -> None:
    told = list(zip(cells(3), [1.0, 9.0, 2.0], strict=True))
    told += [(neighbour, 5.0 - 0.01 * k) for k, neighbour in enumerate(SPACE.neighbors(told[1][0]))]
    again = climb(told)
    assert (again.place, again.starts) == (None, 2)
    assert len({p.genes for p in proposed({"name": "local_search", "n_initial": 3}, history(told), 5)}) == 5
    stays = climb(told, restart=False)
    assert stays.place is not None
    assert stays.place.value == 9.0
    second = told[3][0]  # the best cell that still has unseen neighbours
    on = proposed({"name": "local_search", "n_initial": 3, "restart": False}, history(told), 10)
    assert all(distance(cell, second) == 1 for cell in on)


def test_the_place_is_left_only_for_better_cells_whatever_is_pending() -> None:
    told = list(zip(cells(3), [1.0, 3.0, 2.0], strict=True))
    neighbours = list(SPACE.neighbors(told[1][0]))
    of = history(told, pending=tuple(neighbours[:20]))
    left = proposed({"name": "local_search", "n_initial": 3}, of, 4)
    assert set(left) == set(neighbours[20:])
    more = proposed({"name": "local_search", "n_initial": 3}, of, 8)
    assert all(distance(cell, told[2][0]) == 1 for cell in more[4:])  # the next best cell's, not idle workers


@pytest.mark.parametrize("name", ["evolution", "local_search"])
def test_the_baselines_beat_random_search_on_a_smooth_objective(name: str) -> None:
    target = SPACE.validate({"choices": [4, 0, 3, 1, 2, 4]})

    def best(spec: dict[str, Any], seed: int) -> float:
        told: list[tuple[Architecture, float]] = [(c, 6.0 - distance(c, target)) for c in cells(10, seed)]
        for step in range(70):
            (cell,) = proposed(spec, history(told), 1, seed=1000 * seed + step)
            told.append((cell, 6.0 - distance(cell, target)))
        return max(value for _, value in told)

    ours = [best({"name": name}, seed) for seed in range(8)]
    chance = [best({"name": "random"}, seed) for seed in range(8)]
    assert sum(a >= b for a, b in zip(ours, chance, strict=True)) == 8
    assert sum(ours) > sum(chance) + 8
