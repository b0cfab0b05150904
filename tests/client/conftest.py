"""A real server for the SDK and the command line; it fits no models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import LiveServer


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveServer]:
    with LiveServer(f"sqlite:///{tmp_path}/live.db", fit_slots=0) as server:
        yield server


@pytest.fixture(autouse=True)
def own_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may touch the spool of whoever runs it."""
    monkeypatch.setenv("BONANZA_SPOOL", str(tmp_path / "own-spool"))
    for name in (
        "BONANZA_SERVER",
        "BONANZA_KEY",
        "BONANZA_ADMIN_KEY",
        "BONANZA_DATABASE_URL",
        "HTTP_PROXY",
        "http_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
