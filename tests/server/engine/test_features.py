"""Features: what a client knows of cells without training them, told at any time, read by the next fit, and shown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from bonanza.spaces import space_from_spec
from bonanza_server.lifecycle import features as kept
from bonanza_server.search.known_cells import decoded
from tests.server.engine.searches import Search, accuracy
from tests.server.expect import problem
from tests.server.lab import Json

NB201 = space_from_spec({"kind": "nasbench201"})
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
BONANZA = {"name": "bonanza", "n_initial": 2}


def cell(number: int) -> Json:
    """One of 4^6 architectures; no two of the first sixteen are the same network."""
    return {"edges": [*[OPS[3]] * 4, OPS[number // 4 % 4], OPS[number % 4]]}


def known(number: int, **features: float) -> Json:
    return {"architecture": cell(number), "features": features}


def told(search: Search, *cells: Json, status: int | None = None) -> Json:
    return search.post("features", {"cells": list(cells)}, status)


def test_the_next_fit_is_given_what_is_known_of_each_cell_by_its_id(search: Search) -> None:
    search.begin(strategy=BONANZA)
    fits = len(search.jobs)
    answer = told(search, known(1, synflow=1e12), known(2, synflow=3e11, latency=4.5))
    assert answer == {"changed": 2, "unchanged": 0}
    search.until_fitted()
    assert len(search.jobs) == fits + 1
    assert (search.model["observations"], search.model["lag"]) == (2, 0), "a feature is no result"
    given = {NB201.validate(cell(number)).arch_id: number for number in (1, 2)}
    assert [(given[arch_id], values) for arch_id, _, values in decoded(search.jobs[-1].features)] == [
        (given[arch_id], {1: {"synflow": 1e12}, 2: {"synflow": 3e11, "latency": 4.5}}[given[arch_id]])
        for arch_id in sorted(given)
    ]
    [event] = search.happened("features.told")
    assert event["data"] == {"cells": 2, "names": ["latency", "synflow"]}


def test_a_value_told_again_goes_before_the_first_and_what_is_known_already_is_no_news(search: Search) -> None:
    search.begin(strategy=BONANZA)
    told(search, known(1, a=1.0, b=2.0))
    assert told(search, known(1, a=1.0)) == {"changed": 0, "unchanged": 1}
    assert told(search, known(1, a=5.0), known(1, c=3.0)) == {"changed": 1, "unchanged": 0}
    search.until_fitted()
    assert decoded(search.jobs[-1].features)[0][2] == {"a": 5.0, "b": 2.0, "c": 3.0}
    assert [event["data"]["names"] for event in search.happened("features.told")] == [["a", "b"], ["a", "c"]]


def test_features_before_the_first_result_wait_for_it(search: Search) -> None:
    search.study(strategy=BONANZA, lease={"ttl_s": 86_400}, seed=search.seed)
    told(search, known(1, a=1.0))
    assert search.jobs == []
    search.measure(2)
    search.until_fitted()
    assert len(decoded(search.jobs[-1].features)) == 1


def test_the_list_says_what_each_feature_is_worth_so_far(search: Search) -> None:
    search.begin(results=3, strategy=BONANZA)
    trials = [search.trial(number) for number in range(3)]
    cells = [
        {"architecture": trial["architecture"], "features": {"good": accuracy(trial["architecture"]), "flat": 1.0}}
        for trial in trials
    ]
    told(search, *cells, known(1, bad=2.0))
    found = search.get("/features")
    assert (found["cells"], found["read"]) == (
        4 - (NB201.validate(cell(1)).arch_id in {t["arch_id"] for t in trials}),
        True,
    )
    by_name = {one["name"]: one for one in found["features"]}
    assert list(by_name) == ["bad", "flat", "good"]
    assert (by_name["good"]["cells"], by_name["good"]["measured"]) == (3, 3)
    assert by_name["good"]["rank_correlation"] == pytest.approx(1.0)
    assert by_name["flat"]["rank_correlation"] is None


def test_the_list_says_when_the_strategy_does_not_read_them(search: Search) -> None:
    search.begin()
    fits = len(search.jobs)
    told(search, known(1, a=1.0))
    assert search.get("/features")["read"] is False
    search.measure(1, wait_s=30, freshness="latest")
    search.until_fitted()
    assert len(search.jobs) == fits + 1, "the result's, and none for what nobody reads"


def test_features_of_something_that_is_no_architecture_are_refused_and_none_is_kept(search: Search) -> None:
    search.study()
    wrong = {"architecture": {"edges": ["conv"] * 6}, "features": {"a": 1.0}}
    answer = problem(
        search.server.http.post(f"/v1/studies/{search.name}/features", json={"cells": [known(1, a=1.0), wrong]}),
        "invalid-architecture",
    )
    assert answer["errors"][0]["pointer"].startswith("/cells/1/architecture")
    assert search.get("/features") == {"cells": 0, "read": False, "features": []}
    assert search.happened("features.told") == []


@pytest.mark.parametrize("features", [{}, {"a": "1"}, {"a": None}, {"": 1.0}, {f"f{k}": 1.0 for k in range(33)}])
def test_features_that_are_no_named_numbers_are_refused(search: Search, features: Json) -> None:
    search.study()
    body = {"cells": [{"architecture": cell(1), "features": features}]}
    problem(search.server.http.post(f"/v1/studies/{search.name}/features", json=body), "invalid")


def test_of_more_cells_than_a_fit_can_be_sent_none_is_kept(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_CELLS", 3)
    search.study()
    told(search, known(1, a=1.0), known(2, a=2.0))
    body = {"cells": [known(3, a=1.0), known(4, a=1.0)]}
    answer = problem(search.server.http.post(f"/v1/studies/{search.name}/features", json=body), "invalid")
    assert "4 architectures" in answer["detail"]
    told(search, known(1, a=9.0), known(3, a=1.0))  # one of them is known: three in all
    assert search.get("/features")["cells"] == 3


def test_a_study_takes_so_many_different_features(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_NAMES", 3)
    search.study()
    told(search, known(1, a=1.0, b=2.0))
    path = f"/v1/studies/{search.name}/features"
    answer = problem(search.server.http.post(path, json={"cells": [known(2, c=1.0), known(3, d=1.0)]}), "invalid")
    assert "4 different features" in answer["detail"]
    told(search, known(2, c=1.0), known(3, a=1.0))


def test_a_study_takes_no_more_features_of_many_who_tell_at_once_and_goes_on_with_those(search: Search) -> None:
    search.study()
    path = f"/v1/studies/{search.name}/features"

    def tell(who: int) -> int:
        features = {f"of-{who}-{k}": 1.0 for k in range(kept.MOST_NAMES // 2)}
        return search.server.http.post(path, json={"cells": [known(who, **features)]}).status_code

    with ThreadPoolExecutor(8) as crowd:
        answers = sorted(crowd.map(tell, range(8)))
    assert answers == [200, 200, *[422] * 6]
    found = search.get("/features")["features"]
    assert len(found) == kept.MOST_NAMES
    assert told(search, known(9, **{found[0]["name"]: 2.0}))["changed"] == 1


def test_a_study_with_more_features_than_it_takes_still_hears_of_those(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    search.study()
    told(search, known(1, a=1.0, b=2.0, c=3.0))
    monkeypatch.setattr(kept, "MOST_NAMES", 2)
    assert told(search, known(2, a=1.0)) == {"changed": 1, "unchanged": 0}
    problem(
        search.server.http.post(f"/v1/studies/{search.name}/features", json={"cells": [known(2, d=1.0)]}), "invalid"
    )


def test_the_worth_of_a_feature_is_of_the_newest_results_that_have_it(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "PAIRS", 3)
    search.begin(results=8, strategy=BONANZA)
    trials = [search.trial(number) for number in range(5)]
    told(search, *({"architecture": one["architecture"], "features": {"worth": -one["value"]}} for one in trials))
    [found] = search.get("/features")["features"]
    assert (found["cells"], found["measured"], found["rank_correlation"]) == (5, 3, pytest.approx(-1.0))


@pytest.mark.parametrize("verb", ["features", "queue", "observations"])
def test_a_request_that_was_answered_is_answered_so_again_whatever_became_of_the_study(
    search: Search, verb: str
) -> None:
    search.study()
    body = {
        "features": {"cells": [known(1, a=1.0)]},
        "queue": {"architectures": [cell(1)]},
        "observations": {"observations": [{"architecture": cell(1), "value": 3.0}]},
    }[verb]
    key = {"Idempotency-Key": f"{search.name}-once"}
    path = f"/v1/studies/{search.name}"
    first = search.server.http.post(f"{path}/{verb}", json=body, headers=key)
    assert first.is_success
    assert search.server.http.delete(path).status_code == 204
    search.study(space={"kind": "edge_cell", "nodes": 3, "ops": ["none", "conv"]})
    again = search.server.http.post(f"{path}/{verb}", json=body, headers=key)
    assert (again.status_code, again.text) == (first.status_code, first.text)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_study_that_is_deleted_takes_its_features_with_it(search: Search) -> None:
    search.study()
    told(search, known(1, a=1.0))
    path = f"/v1/studies/{search.name}"
    assert search.server.http.delete(path).status_code == 204
    search.study()
    assert search.get("/features")["cells"] == 0
