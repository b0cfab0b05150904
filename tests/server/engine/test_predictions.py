"""Predictions of any architecture: the model's that proposes, whichever process has it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

import pytest

import bonanza
from bonanza.spaces import space_from_spec
from bonanza_server.search import fit as fits
from bonanza_server.search.fit import Snapshot
from tests.live import NB201, LiveServer
from tests.search.test_fit import snapshot
from tests.server.expect import problem

QUICK = {"name": "bananas", "n_initial": 4, "epochs": 3, "ensemble": 2, "candidates": 40}
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"


@pytest.fixture(scope="module")
def fitting(tmp_path_factory: pytest.TempPathFactory, slot: Executor) -> Iterator[LiveServer]:
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('predict')}/studies.db", executor=slot) as server:
        yield server


def measured(server: LiveServer, name: str, strategy: dict[str, Any], results: int = 4) -> None:
    server.study(name, strategy=strategy, lease={"ttl_s": 3600})
    for value in range(results):
        server.tell(server.one(name, wait_s=30), 80.0 + value, name)


def predict(server: LiveServer, name: str, *cells: Any, **fields: Any) -> dict[str, Any]:
    return server.post(f"/v1/studies/{name}/predict", {"architectures": cells, "wait_s": 30} | fields)


def test_a_prediction_is_that_of_the_model_that_proposes(fitting: LiveServer) -> None:
    measured(fitting, "same", QUICK)
    trial = fitting.one("same", wait_s=30)
    assert trial["origin"] == "acquisition"
    answer = predict(fitting, "same", CELL, trial["architecture"])
    assert answer["observations"] == 4
    assert [found["arch_id"] for found in answer["predictions"]][1] == trial["arch_id"]
    found = {key: answer["predictions"][1][key] for key in ("mean", "std")}
    assert found == pytest.approx(trial["prediction"], rel=1e-5)  # matrices of other sizes are summed in another order


def test_the_sdk_predicts(fitting: LiveServer) -> None:
    measured(fitting, "sdk", QUICK)
    with bonanza.Client(fitting.url) as client:
        study = client.study("sdk")
        cells = [space_from_spec(NB201).validate(CELL), CELL]
        first, second = study.predict(cells)
    assert first == second
    assert first.mean is not None
    assert 70.0 < first.mean < 95.0


def test_without_a_model_there_is_the_mean_and_without_a_result_nothing(fitting: LiveServer) -> None:
    measured(fitting, "chance", {"name": "random"}, results=3)
    (found,) = predict(fitting, "chance", CELL)["predictions"]
    assert found["mean"] == pytest.approx(81.0)
    fitting.study("empty", strategy=QUICK)
    answer = predict(fitting, "empty", CELL)
    assert (answer["predictions"][0]["mean"], answer["observations"]) == (None, 0)


def test_who_will_not_wait_is_told_to_ask_again(fitting: LiveServer) -> None:
    measured(fitting, "hasty", QUICK)
    body = {"architectures": [CELL], "wait_s": 0}
    answer = fitting.http.post("/v1/studies/hasty/predict", json=body)
    problem(answer, "unavailable", says="ask again")
    assert int(answer.headers["Retry-After"]) >= 1
    assert predict(fitting, "hasty", CELL)["observations"] == 4


def test_what_is_wrong_is_pointed_at(fitting: LiveServer) -> None:
    fitting.study("wrong")
    post = fitting.http.post
    problem(post("/v1/studies/nowhere/predict", json={"architectures": [CELL]}), "not-found")
    problem(post("/v1/studies/wrong/predict", json={"architectures": []}), "invalid", at="/architectures")
    cells = [CELL, {"edges": ["none"] * 5 + ["nne"]}]
    answer = post("/v1/studies/wrong/predict", json={"architectures": cells})
    problem(answer, "invalid-architecture", at="/architectures/1/edges/5")


def test_a_server_that_fits_nothing_says_so(server: LiveServer) -> None:
    server.study()
    answer = server.http.post("/v1/studies/s/predict", json={"architectures": [CELL]})
    problem(answer, "unavailable", says="BONANZA_FIT_SLOTS")


def test_a_model_that_was_forgotten_is_fitted_to_the_same() -> None:
    strategy = {"name": "bananas", "epochs": 2, "ensemble": 2}
    read: Snapshot = snapshot(20, strategy=strategy)
    cells = [architecture for _, architecture, _ in snapshot(30).observations]
    fits.fit(read)
    kept = fits.predict(read, cells)
    for seed in range(fits.MOST_KEPT):
        fits.predict(snapshot(5, strategy=strategy, seed=100 + seed), cells[:1])
    assert fits._kept_of(read) is None
    assert fits.predict(read, cells) == kept
    assert fits._kept_of(snapshot(20, strategy=strategy, pending=[], excluded=[])) is not None
    fits.fit(snapshot(21, strategy=strategy, seq=42))
    assert fits._kept_of(read) is None, "of one study the newest alone: of many results a model is large"
