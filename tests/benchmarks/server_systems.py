"""The three systems of the server benchmark on one database: our server, the floor, Optuna; each filled with completed trials."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import sqlalchemy as sa

from bonanza.spaces import space_from_spec
from tests.benchmarks import floor
from tests.benchmarks.server_load import CHOICES, POSITIONS, value_of
from tests.live import ServerProcess, free_port

SPACE = {"kind": "sequence", "positions": [{"name": name, "choices": list(CHOICES)} for name in POSITIONS]}
"""Six choices of five, which is what the floor and Optuna have too. NAS-Bench-201 has the same 15,625 strings but only 5,425 different networks, so
that 5,000 trials would nearly use it up."""

CHUNK = 2_500
"""Observations a request."""
PATIENCE_SECONDS = 300


def distinct(spec: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """``number`` different architectures of a space, drawn with a fixed seed, and their values: a body's ``observations``."""
    space, rng = space_from_spec(spec), random.Random(201)
    found: dict[str, dict[str, Any]] = {}
    while len(found) < number:
        architecture = space.sample(rng)
        (choices,) = architecture.json.values()
        found.setdefault(architecture.arch_id, {"architecture": architecture.json, "value": value_of(choices)})
    return list(found.values())


class Ours:
    """``bonanza serve`` as its users run it."""

    def __init__(self, database_url: str, folder: Path) -> None:
        """Serve ``database_url``, with fits."""
        self._server = ServerProcess(database_url, folder / "ours.log", BONANZA_FIT_SLOTS="1")
        self._still = ServerProcess(database_url, folder / "ours.log", BONANZA_FIT_SLOTS="0")
        self._running: ServerProcess | None = None
        self.start(fits=True)

    def start(self, *, fits: bool) -> None:
        """Start, or start again; without ``fits`` the pools there are go on serving and no refit disturbs a measurement."""
        self.stop()
        self._running = self._server if fits else self._still
        self._running.start()
        self.url = self._running.url
        self.http = httpx.Client(base_url=self.url, timeout=120)

    def stop(self) -> None:
        if self._running is not None:
            self.http.close()
            self._running.stop()
            self._running = None

    def create(self, study: str, strategy: str, completed: int, *, space: dict[str, Any] = SPACE) -> None:
        """A study with ``completed`` trials. Leases outlast the benchmark: a trial asked and not told is no part of what is measured."""
        body = {
            "space": space,
            "objective": {"name": "accuracy", "direction": "maximize"},
            "strategy": {"name": strategy},
            "lease": {"ttl_s": 86_400},
        }
        self.http.put(f"/v1/studies/{study}", json=body).raise_for_status()
        observations = distinct(space, completed)
        for start in range(0, completed, CHUNK):
            self._observe(study, {"observations": observations[start : start + CHUNK]})

    def measure_again(self, study: str) -> None:
        """A further result of a cell that the study has, which makes a fit due."""
        self._observe(study, {"observations": distinct(SPACE, 1), "on_duplicate": "measure"})

    def _observe(self, study: str, body: dict[str, Any]) -> None:
        self.http.post(f"/v1/studies/{study}/observations", json=body).raise_for_status()

    def model(self, study: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.get(f"/v1/studies/{study}/model").raise_for_status().json()
        return answer

    def wait_for_fit(self, study: str) -> dict[str, Any]:
        """The model, once it has seen every result."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            model = self.model(study)
            if model["version"] > 0 and model["lag"] == 0 and not model["refitting"]:
                return model
            if model["degraded"]:
                break
            time.sleep(0.1)
        raise RuntimeError(f"no fit of {study} came: {json.dumps(self.model(study))[:2000]}")

    def memory(self) -> tuple[float, float]:
        """Resident MB of the API process alone, and of its largest child: the process that fits."""
        assert self._running is not None
        assert self._running.process is not None
        process = psutil.Process(self._running.process.pid)
        children = [child.memory_info().rss for child in process.children(recursive=True)]
        return process.memory_info().rss / 1e6, max(children, default=0) / 1e6


class Floor:
    """The floor app in a process of its own."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self._engine = floor.connect(database_url)
        floor.metadata.create_all(self._engine)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "tests.benchmarks.floor", "--database", database_url, "--port", str(port)]
        with (folder / "floor.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in itertools.takewhile(lambda _: self._process.poll() is None, range(600)):
            try:
                httpx.get(self.url + "/readyz").raise_for_status()
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("the floor did not start:\n" + (folder / "floor.log").read_text()[-3000:])

    def create(self, study: str, completed: int) -> None:
        floor.fill(self._engine, study, completed)

    def stop(self) -> None:
        self._engine.dispose()
        self._process.terminate()
        self._process.wait(20)


class Optuna:
    """Optuna's RDBStorage and TPE, which run in the worker's process."""

    def __init__(self, database_url: str) -> None:
        url = sa.make_url(database_url)
        if url.get_backend_name() == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        self.storage = url.render_as_string(hide_password=False)

    def create(self, study: str, completed: int) -> None:
        """A study with ``completed`` trials, written straight into Optuna's tables: its own ``add_trials`` takes minutes for 5,000.

        Raises:
            RuntimeError: what Optuna reads back is not what was written (its tables have changed).
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        made = optuna.create_study(study_name=study, storage=self.storage, direction="maximize")
        drawn = random.Random(completed).sample(range(floor.SIZE), completed)
        cells = [floor.cell_of(number).split("|") for number in drawn]
        engine = sa.create_engine(self.storage)
        with engine.begin() as connection:
            _write_trials(connection, made._study_id, cells)
        engine.dispose()
        read = optuna.load_study(study_name=study, storage=self.storage).trials
        if [[trial.params[position] for position in POSITIONS] for trial in read] != cells:
            raise RuntimeError(f"Optuna {optuna.__version__} does not read the trials this benchmark wrote for it")


def _write_trials(connection: sa.Connection, study_id: int, cells: list[list[str]]) -> None:
    from optuna.distributions import CategoricalDistribution, distribution_to_json

    if not cells:
        return
    tables = sa.MetaData()
    tables.reflect(connection, only=["trials", "trial_params", "trial_values"])
    now = datetime.now()  # noqa: DTZ005 - naive, as Optuna stores it
    written = [
        {"number": n, "study_id": study_id, "state": "COMPLETE", "datetime_start": now, "datetime_complete": now}
        for n in range(len(cells))
    ]
    table = tables.tables["trials"]
    connection.execute(sa.insert(table), written)
    query = sa.select(table.c.trial_id).where(table.c.study_id == study_id).order_by(table.c.number)
    ids = list(connection.execute(query).scalars())
    distribution = distribution_to_json(CategoricalDistribution(CHOICES))
    params = [
        {
            "trial_id": trial_id,
            "param_name": position,
            "param_value": float(CHOICES.index(choice)),
            "distribution_json": distribution,
        }
        for trial_id, cell in zip(ids, cells, strict=True)
        for position, choice in zip(POSITIONS, cell, strict=True)
    ]
    values = [
        {"trial_id": trial_id, "objective": 0, "value": value_of(cell), "value_type": "FINITE"}
        for trial_id, cell in zip(ids, cells, strict=True)
    ]
    connection.execute(sa.insert(tables.tables["trial_params"]), params)
    connection.execute(sa.insert(tables.tables["trial_values"]), values)
