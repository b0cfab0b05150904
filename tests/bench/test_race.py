"""One search of one contestant."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bonanza.spaces import space_from_spec
from bonanza_server.bench.contestant import Confirm, parse
from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.race import Outcome, Terms, race
from bonanza_server.bench.report import reached
from bonanza_server.bench.table import Table, load

TERMS = Terms(trials=20, cap=25, workers=1, mean=True)
NASBENCH201 = ("nasbench201", "cifar10", "{}", True)


def timeless(outcome: Outcome) -> Outcome:
    return replace(outcome, seconds=None)


@pytest.mark.parametrize("text", ["random", "bonanza", "evolution"])
def test_equal_races_have_equal_outcomes(text: str, table: Table) -> None:
    contestant = parse(text, peer=False)
    noisy = replace(TERMS, mean=False, workers=3)
    assert timeless(race(table, contestant, 1, noisy)) == timeless(race(table, contestant, 1, noisy))
    assert race(table, contestant, 1, noisy).regrets != race(table, contestant, 2, noisy).regrets


def test_a_search_for_the_optimum_ends_when_it_is_found(table: Table) -> None:
    outcome = race(table, parse("bonanza", peer=False), 0, TERMS)
    assert outcome.found is not None
    assert outcome.found == len(outcome.regrets) == len(outcome.hours)
    assert outcome.regrets[-1] == 0.0
    assert reached(outcome, 0.0) == outcome.found


def test_a_search_that_misses_the_optimum_ends_at_the_cap(table: Table) -> None:
    outcome = race(table, parse("random", peer=False), 4, replace(TERMS, trials=3, cap=3))
    assert outcome.found is None
    assert len(outcome.regrets) == 3


def test_regret_falls_only_where_values_are_means(table: Table) -> None:
    regrets = [one for one in race(table, parse("random", peer=False), 0, TERMS).regrets if one is not None]
    assert regrets == sorted(regrets, reverse=True)


def test_with_single_measurements_a_strategy_recommends_by_its_model_and_a_peer_by_its_luck(table: Table) -> None:
    noisy = replace(TERMS, mean=False)
    outcomes = {
        name: race(table, parse(name, peer=name == "optuna"), 2, noisy) for name in ("bonanza", "optuna", "random")
    }
    for name in ("optuna", "random"):  # nor does random search have a model
        found = outcomes[name]
        assert found.recommended == {"20": found.regrets[19]}
    assert set(outcomes["bonanza"].recommended) == {"20"}
    assert race(table, parse("bonanza", peer=False), 2, TERMS).recommended == {}


@pytest.mark.parametrize(("name", "peer"), [("bonanza", False), ("random", False), ("optuna", True)])
def test_the_last_trials_measure_the_best_cells_again_and_the_best_mean_of_them_counts(
    name: str, peer: bool, table: Table
) -> None:
    measured: list[str] = []

    class Watched(Table):
        def draw(self, architecture, seed, *, mean):  # type: ignore[no-untyped-def]
            measured.append(self.key(architecture))
            return super().draw(architecture, seed, mean=mean)

    watched = Watched(table.name, table.space, table._entries, grouping=table.grouping, maximize=table.maximize)
    noisy = replace(TERMS, mean=False, workers=3, confirm=Confirm(top=2, seeds=4))
    outcome = race(watched, parse(name, peer=peer), 5, noisy)
    assert len(outcome.regrets) == len(outcome.hours) == len(measured) == 20
    assert len(set(measured[:12])) == 12
    again = Counter(measured[12:])
    assert sorted(again.values()) == [4, 4]
    assert set(again) <= set(measured[:12])
    assert set(outcome.regrets[11:19]) == {outcome.regrets[11]}
    truths = {round(table.regret(table._entries[key].mean), 6) for key in again}
    assert {outcome.regrets[19], outcome.recommended["20"]} <= truths
    assert outcome.hours == sorted(outcome.hours)


def test_the_initial_design_of_a_seed_is_the_same_for_all_contestants() -> None:
    terms = replace(TERMS, trials=10, cap=10)
    table = load(*NASBENCH201)
    contestants = [parse("random", peer=False), parse("bananas:epochs=1", peer=False), parse("optuna", peer=True)]
    assert len({tuple(race(table, one, 3, terms).regrets) for one in contestants}) == 1


def test_workers_share_the_virtual_clock_and_none_waits_for_another(table: Table) -> None:
    budget = replace(TERMS, mean=False, trials=12)
    alone = race(table, parse("random", peer=False), 0, budget)
    four = race(table, parse("random", peer=False), 0, replace(budget, workers=4))
    seconds = sorted(hour * 3600.0 for hour in four.hours)
    assert four.hours == sorted(four.hours)
    assert alone.hours[-1] == pytest.approx(sum(_durations(table, 12)) / 3600.0, rel=1e-3)
    # Four trainings of 100 to 400 s at once: the clock, times four workers, is their sum but for the idle end.
    assert alone.hours[-1] <= four.hours[-1] <= alone.hours[-1] + 3 * 400.0 / 3600.0
    assert seconds[0] <= 4 * 400.0


def _durations(table: Table, trials: int) -> list[float]:
    """What the first trials of the race with seed 0 took: the initial design, then what random search asks for."""
    taken: list[float] = []
    original = table.entry

    class Watched(Table):
        def draw(self, architecture, seed, *, mean):  # type: ignore[no-untyped-def]
            taken.append(original(architecture).seconds)  # type: ignore[union-attr]
            return super().draw(architecture, seed, mean=mean)

    watched = Watched(table.name, table.space, table._entries, grouping=table.grouping, maximize=table.maximize)
    race(watched, parse("random", peer=False), 0, replace(TERMS, mean=False, trials=trials))
    return taken


def test_a_surrogate_is_judged_on_cells_it_has_not_seen() -> None:
    table = load(*NASBENCH201)
    outcome = race(table, parse("bonanza", peer=False), 0, replace(TERMS, trials=15, cap=15))
    assert outcome.rank_correlation is not None
    assert 0.4 < outcome.rank_correlation < 1.0
    assert race(table, parse("random", peer=False), 0, replace(TERMS, trials=15, cap=15)).rank_correlation is None


def test_optuna_searches_without_measuring_a_network_twice() -> None:
    table = load(*NASBENCH201)
    outcome = race(table, parse("optuna", peer=True), 0, replace(TERMS, trials=30, mean=False, workers=4))
    assert len(outcome.regrets) == 30


def test_a_peer_says_which_spaces_it_does_not_know(tmp_path: Path) -> None:
    space = space_from_spec({"kind": "recurrent", "nodes": 3})
    cell = space.sample(random.Random(0)).json
    path = tmp_path / "recurrent.jsonl"
    path.write_text(json.dumps({"architecture": cell, "values": [1.0]}) + "\n")
    with pytest.raises(CannotBench, match="which a space 'recurrent' has not"):
        parse("optuna", peer=True).start(load(str(path), "", json.dumps(space.spec()), True), 0)


@pytest.mark.parametrize(
    ("text", "peer", "says"),
    [
        ("bananana", False, "unknown"),
        ("bananas:loss=mse", False, "/loss"),
        ("bananas:mae", False, "'mae' is no option, write bananas:OPTION=VALUE"),
        ("vizier", True, "there is no peer 'vizier'; there are optuna, smac"),
    ],
)
def test_an_unknown_contestant_is_refused(text: str, peer: bool, says: str) -> None:
    with pytest.raises(CannotBench, match=says):
        parse(text, peer=peer)
