"""Strategies, surrogates and spaces of somebody else's, by name."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

from bonanza import extensions
from bonanza.spaces import InvalidSpace, space_from_spec, space_kinds
from bonanza.worker.evaluator import BrokenEvaluator, TrialContext, evaluator_from_text
from bonanza_server.search.history import History, Observation
from bonanza_server.search.spec import InvalidStrategy, n_initial, strategy_names, strategy_spec
from bonanza_server.search.strategy import strategy_from_spec


def test_an_installed_strategy_is_one_of_the_names_and_its_keyword_arguments_are_its_options(installed: Path) -> None:
    assert {"nearest", "bonanza"} <= set(strategy_names())
    assert strategy_spec({"name": "nearest"}) == {"name": "nearest", "k": 3, "n_initial": 10}
    assert strategy_spec(strategy_spec({"name": "nearest", "k": 5})) == {"name": "nearest", "k": 5, "n_initial": 10}
    assert n_initial({"name": "nearest"}) == 10
    assert n_initial({"name": "nearest", "n_initial": 4}) == 4
    assert strategy_from_spec({"name": "nearest", "k": 5}).k == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"name": "nearest", "neighbours": 5}, "/neighbours: nearest has no such option; it may set k, n_initial"),
        ({"name": "nearest", "n_initial": 0}, "/n_initial: must be an integer from 1"),
        ({"name": "nearst"}, "did you mean 'nearest'"),
        ({"name": "broken"}, "'broken' is nearest_that_is_not_there:Nearest and does not load: ModuleNotFoundError"),
        ({"name": "function"}, "is no class of strategies"),
        ({"name": "surrogate", "surrogate": "flatt"}, "must be the name of a surrogate: .*flat"),
        ({"name": "nearest:Nearest"}, "set BONANZA_MODULES=nearest"),
    ],
)
def test_what_cannot_be_used_says_what_to_do(installed: Path, spec: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidStrategy, match=says):
        strategy_spec(spec)


@pytest.mark.parametrize(
    "name", ["nearest:Nearest", "os:system", "subprocess:Popen", "os.path:join", "nearest.x:Nearest"]
)
def test_a_module_that_is_not_allowed_is_not_imported(beside: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("BONANZA_MODULES", "near,nearest.other, nearest_")  # no prefix of a name but of a package's
    before = set(sys.modules)
    for use in (
        lambda: strategy_spec({"name": name}),
        lambda: strategy_spec({"name": "surrogate", "surrogate": name}),
        lambda: space_from_spec({"kind": name}),
        lambda: space_from_spec({"kind": "pool", "of": {"kind": name}, "architectures": [{}]}),
    ):
        with pytest.raises((InvalidStrategy, InvalidSpace), match="may not be imported here"):
            use()
    assert "nearest" not in set(sys.modules) - before


@pytest.mark.parametrize(
    "name", ["nearest:Nearest.__init__", "nearest:", ":Nearest", "../nearest:Nearest", "near est:A"]
)
def test_what_is_no_name_is_refused_though_its_module_is_allowed(
    beside: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("BONANZA_MODULES", "nearest")
    with pytest.raises(InvalidStrategy, match="write MODULE:NAME"):
        strategy_spec({"name": name})


def test_a_module_that_is_allowed_is_imported(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONANZA_MODULES", "rings_space")
    extensions.allow(["nearest", "nearest"])
    assert strategy_spec({"name": "nearest:Nearest"}) == {"name": "nearest:Nearest", "k": 3, "n_initial": 10}
    space = space_from_spec({"kind": "rings_space:BESIDE"})
    assert space_from_spec(space.spec()) == space
    with pytest.raises(InvalidStrategy, match="has no 'Nobody'"):
        strategy_spec({"name": "nearest:Nobody"})
    with pytest.raises(InvalidStrategy, match="is no class of strategies"):
        strategy_spec({"name": "nearest:np"})


def test_two_distributions_that_offer_one_name_are_told_of(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[bonanza.strategies]\nnearest = flat:Flat\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InvalidStrategy, match=r"offered by other \(flat:Flat\) and mylab \(nearest:Nearest\)"):
        strategy_spec({"name": "nearest"})


def test_an_installed_space_is_one_of_the_kinds_and_pools_and_constraints_are_made_of_it(installed: Path) -> None:
    assert [kind.name for kind in space_kinds()][-1] == "rings"  # the misnamed one is left out
    space = space_from_spec({"kind": "rings"})
    assert space_from_spec(space.spec()) == space
    cell = space.sample(random.Random(0))
    pool = space_from_spec({"kind": "pool", "of": {"kind": "rings"}, "architectures": [cell.json]})
    assert pool.size == 1
    few = space_from_spec({"kind": "rings", "constraints": [{"count": "conv", "in": "raw", "most": 0}]})
    assert "conv" not in few.sample(random.Random(0)).json["edges"]
    with pytest.raises(InvalidSpace, match=r"'misnamed' must be a bonanza\.spaces\.Kind of that name"):
        space_from_spec({"kind": "misnamed"})


def test_a_surrogate_proposes_by_our_candidates_and_acquisition(installed: Path) -> None:
    space = space_from_spec({"kind": "nasbench201"})
    rng = random.Random(0)
    observed = tuple(Observation(space.sample(rng), (float(k),), k) for k in range(12))
    history = History(space, True, observed, (), frozenset(one.architecture.arch_id for one in observed))
    for acquisition in ("ei", "pi", "ucb", "its"):
        spec = {"name": "surrogate", "surrogate": "flat", "acquisition": acquisition}
        model = strategy_from_spec(spec).fit(history, np.random.default_rng(0))
        proposals = model.propose(7, np.random.default_rng(0))
        assert len({proposal.architecture.arch_id for proposal in proposals}) == 7
        assert all(proposal.mean == pytest.approx(5.5, abs=0.2) for proposal in proposals)


def test_an_installed_evaluator_is_a_kind_and_a_class_beside_is_one_too(installed: Path) -> None:
    space = space_from_spec({"kind": "rings"})
    cell = space.validate({"edges": ["conv", "none", "conv", "none", "none", "none"]})
    for text, worth in (
        ("counting", 2.0),
        ("counting:10", 20.0),
        ("counting:Counting", None),
        ("python:counting:Counting", 2.0),
    ):
        if worth is None:  # the installed name comes first, and makes nothing of this
            with pytest.raises(BrokenEvaluator, match="cannot be made of 'Counting'"):
                evaluator_from_text(text)
            continue
        assert evaluator_from_text(text).evaluate(cell, TrialContext()).value == worth


def test_a_class_beside_is_an_evaluator_by_its_name(beside: Path) -> None:
    cell = space_from_spec({"kind": "nasbench201"}).sample(random.Random(0))
    assert evaluator_from_text("counting:Counting").evaluate(cell, TrialContext()).value == 0.0
    with pytest.raises(BrokenEvaluator, match="has no function 'Nobody'"):
        evaluator_from_text("counting:Nobody")
    with pytest.raises(BrokenEvaluator, match="there is no evaluator of kind 'countin'"):
        evaluator_from_text("countin:Counting")
