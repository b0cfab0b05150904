"""A real server for the worker, and a spool of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bonanza.spaces import SearchSpace, space_from_spec
from tests.live import LiveServer


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveServer]:
    """It fits no models: these tests ask for random cells."""
    with LiveServer(f"sqlite:///{tmp_path}/live.db", fit_slots=0) as server:
        yield server


@pytest.fixture(autouse=True)
def own_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may touch the spool or the checkpoints of whoever runs it."""
    monkeypatch.setenv("BONANZA_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("BONANZA_CHECKPOINTS", str(tmp_path / "checkpoints"))
    for name in ("BONANZA_SERVER", "BONANZA_KEY", "HTTP_PROXY", "http_proxy", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def nasbench201() -> SearchSpace:
    return space_from_spec({"kind": "nasbench201"})
