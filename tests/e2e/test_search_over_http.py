"""A whole search as its users run it: a server process, its fit processes, workers over HTTP."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from bonanza import Client
from tests.e2e.crew import Crew
from tests.e2e.laborer import worth
from tests.live import NB201, ServerProcess, create_postgres_database
from tests.server.engine.searches import until

INITIAL, TRIALS = 10, 40
QUICK = {"epochs": 20}
"""Enough to learn an additive landscape, and little enough for a test."""
HEAVY = ("libtorch", "numpy")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """``bonanza serve`` on a fresh SQLite file."""
    folder = tmp_path_factory.mktemp("search")
    server = ServerProcess(f"sqlite:///{folder}/studies.db", folder / "server.log")
    server.start()
    yield server
    assert server.stop() == 0


def loaded(process: psutil.Process) -> list[str]:
    """Which heavy libraries a process has in its memory."""
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    return [library for library in HEAVY if library in maps]


def test_two_workers_and_a_model_beat_the_initial_design(server: ServerProcess, tmp_path: Path) -> None:
    with Client(server.url, spool=tmp_path / "spool") as client:
        study = client.create_study(
            "search",
            space=NB201,
            strategy={"name": "bananas", "n_initial": INITIAL} | QUICK,
            budget={"max_trials": TRIALS},
        )
        with Crew(server.url, "search", tmp_path, count=2, seconds=0.02) as crew:
            crew.finish(timeout=300)
        until(lambda: not study.model().refitting)  # the last fit may end after the last worker
        trials = list(study.trials())
        model = httpx.get(f"{server.url}{study.path}/model").json()
        published = [event for event in study.events() if event.kind == "fit.published"]
        explained = {trial.number: study.explain(trial.number) for trial in trials if trial.origin == "acquisition"}

    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert all(trial.value == worth(trial.architecture) for trial in trials)
    origins = [trial.origin for trial in trials]
    assert origins[:INITIAL] == ["initial"] * INITIAL
    assert origins[INITIAL:] == ["acquisition"] * (TRIALS - INITIAL)
    assert len(explained) == origins.count("acquisition")

    versions = [explained[number].model_version or 0 for number in sorted(explained)]
    assert versions == sorted(versions)
    assert versions[-1] > 10
    assert [event.data["version"] for event in published] == list(range(1, model["version"] + 1))
    assert all(earlier.data["read"] < later.data["read"] for earlier, later in pairwise(published))
    for trial in trials[INITIAL:]:
        if trial.origin == "acquisition":
            assert trial.prediction is not None
            assert (trial.prediction.mean, trial.prediction.std) == (
                explained[trial.number].mean,
                explained[trial.number].std,
            )
            assert trial.prediction.std > 0

    assert model["lag"] == TRIALS - model["observations"] <= 3  # what came after the last ask is not fitted
    assert model["rank_correlation"] > 0.05  # 0.38 ± 0.07, by how the workers' turns fall and how the processor rounds
    assert model["predictions"] == len(explained)
    initial = max(trial.value or 0.0 for trial in trials[:INITIAL])
    found = max(trial.value or 0.0 for trial in trials)
    assert found > initial
    later = sorted((trial.value or 0.0 for trial in trials[INITIAL:]), reverse=True)
    assert later[len(later) // 2] > sorted(trial.value or 0.0 for trial in trials[:INITIAL])[INITIAL // 2]


def test_the_process_that_answers_has_loaded_neither_torch_nor_numpy_and_the_one_that_fits_has(
    server: ServerProcess,
) -> None:
    assert server.process is not None
    api = psutil.Process(server.process.pid)
    assert loaded(api) == []
    slots = [child for child in api.children() if "torch" in " ".join(loaded(child))]
    assert len(slots) == 1
    assert loaded(slots[0]) == list(HEAVY)
    assert api.memory_info().rss < 150 * 2**20


def test_the_same_search_again_proposes_the_same_to_the_last_bit(postgres: str, tmp_path: Path) -> None:
    """On another database, with another hash seed, and with a worker of another pace."""
    urls = {"0": f"sqlite:///{tmp_path}/again.db", "1": create_postgres_database(postgres, "again")}
    runs = []
    for seed, url in urls.items():
        server = ServerProcess(url, tmp_path / f"server{seed}.log", PYTHONHASHSEED=seed)
        server.start()
        try:
            runs.append(search_alone(server, pace=random.Random(seed), spool=tmp_path / seed))
        finally:
            server.stop()
    assert runs[0] == runs[1]
    assert sum(origin == "acquisition" for origin, *_ in runs[0]) == 9


def search_alone(server: ServerProcess, *, pace: random.Random, spool: Path) -> list[tuple[Any, ...]]:
    """What one worker gets, as (origin, cell, seed, mean, std, acquisition)."""
    with Client(server.url, spool=spool) as client:
        spec = {"name": "bananas", "n_initial": 5} | QUICK
        study = client.create_study(
            "again", space=NB201, strategy=spec, budget={"max_trials": 14}, seed=7, consistency="ordered"
        )
        told = 0
        while told < 14:
            trial = study.ask(wait_s=50)
            if trial is None:
                continue  # the fit takes longer than that, on a machine that has much else to do
            time.sleep(pace.uniform(0.0, 0.2))
            trial.tell(worth(trial.architecture))
            told += 1
        trials = list(study.trials())
        whys = [study.explain(trial.number) for trial in trials]
        return [(t.origin, t.arch_id, t.seed, w.mean, w.std, w.acquisition) for t, w in zip(trials, whys, strict=True)]


def test_a_search_that_is_warm_started_says_in_its_report_what_came_of_it(
    server: ServerProcess, tmp_path: Path
) -> None:
    with Client(server.url, spool=tmp_path / "spool") as client:
        client.create_study("before", space=NB201, strategy={"name": "random"}, budget={"max_trials": 12})
        with Crew(server.url, "before", tmp_path, count=1, seconds=0.0) as crew:
            crew.finish(timeout=300)
        strategy = {"name": "bonanza", "warm_start_from": ["before"]}
        study = client.create_study("after", space=NB201, strategy=strategy, budget={"max_trials": 6})
        with Crew(server.url, "after", tmp_path, count=1, seconds=0.0) as crew:
            crew.finish(timeout=300)
        origins = [trial.origin for trial in study.trials()]
        made = httpx.get(f"{server.url}{study.path}/report", timeout=60).json()["transfer"]
        texts = [
            httpx.get(f"{server.url}{study.path}/report?format={form}", timeout=60).text
            for form in ("markdown", "html")
        ]
    assert origins[:3] == ["initial"] * 3
    assert "acquisition" in origins[3:]
    assert [(source["study"], source["cells"]) for source in made["sources"]] == [("before", 12)]
    assert made["used"] == (made["sources"][0]["correlation"] > 0.0)
    assert made["rank_correlation_without"] is not None
    assert all("before (12 cells, correlation" in text for text in texts)
