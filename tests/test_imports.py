"""What each process loads: a trainer's little, the API's no torch, however hard it works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LISTS = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def loaded(script: str, *arguments: str) -> set[str]:
    """The packages that a fresh interpreter has loaded at the end of ``script``."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{script}\n{LISTS}", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found: list[str] = json.loads(ran.stdout.splitlines()[-1])
    return set(found)


SERVER = {"bonanza_server", "fastapi", "uvicorn", "sqlalchemy", "alembic", "psycopg"}
LEARNING = {"torch", "numpy", "sklearn", "scipy"}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("bonanza", SERVER | LEARNING | {"typer", "opentelemetry"}),
        ("bonanza.cli", SERVER | LEARNING),
        ("bonanza.spaces", SERVER | LEARNING | {"typer"}),
        ("bonanza.schemas", SERVER | LEARNING | {"typer"}),
        ("bonanza_server.search.spec", LEARNING | {"sqlalchemy", "fastapi"}),
        ("bonanza_server.store.models", LEARNING | {"fastapi"}),
        ("bonanza_server.cli", LEARNING),
        ("bonanza_server.app", LEARNING),
    ],
)
def test_a_module_loads_no_more_than_it_needs(module: str, forbidden: set[str]) -> None:
    found = loaded(f"import {module}")
    assert module.partition(".")[0] in found
    assert found & forbidden == set()


def test_a_server_that_fits_a_model_never_loads_torch_or_numpy_itself(tmp_path: Path) -> None:
    script = """
import sys, time
from tests.live import LiveServer

with LiveServer(sys.argv[1], fit_slots=1) as server:
    server.study(strategy={"name": "bananas", "n_initial": 2, "epochs": 1})
    for value in (90.0, 91.0):
        server.tell(server.one(), value)
    trial = server.one(wait_s=50)
    assert trial["origin"] == "acquisition", trial["origin"]
    server.tell(trial, 92.0)
    for path in ("", "/model", "/best", f"/trials/{trial['number']}/explain", "/events", "/export", "/report?format=html"):
        assert server.http.get("/v1/studies/s" + path).status_code == 200
"""
    found = loaded(script, f"sqlite:///{tmp_path}/study.db")
    assert SERVER - {"psycopg"} <= found
    assert found & LEARNING == set()
