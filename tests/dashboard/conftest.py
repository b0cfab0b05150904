"""A real Chromium on the dashboard of a real server. What a page logs as an error, or asks of any other server, fails its test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.live import LiveServer

PATIENCE_MS = 60_000
"""How long a page may take to show what it should, on a machine however busy."""


def chromium() -> str | None:
    """The browser that is installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a browser where there is none, with the reason."""
    reason = None
    if chromium() is None:
        reason = "no Chromium is installed: apt-get install chromium"
    elif find_spec("playwright") is None:
        reason = "the package playwright is not installed"
    for item in items:
        if reason is not None and item.get_closest_marker("chromium"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """The browser, started once, and gone with this folder: while it is there an event loop runs in this thread, and tests elsewhere run their own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # No sandbox: as root, in a container, Chromium has none to offer.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        started = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that fits models, for all tests."""
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('site')}/s.db", fit_slots=1) as server:
        yield server


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """``visit(server, path, **context)`` opens a page; nothing may go wrong on it, whatever the test looks at."""
    contexts: list[Any] = []
    wrong: list[str] = []
    finished: list[Any] = []

    def open_page(server: LiveServer, path: str = "/ui", **options: Any) -> Any:
        # What pulses is painted anew sixty times a second, and here by the processor.
        still = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
        context = browser.new_context(**(still | options))
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))

        def asked(request: Any) -> None:
            url = urlsplit(request.url)
            if url.scheme not in {"data", "blob"} and url.netloc != f"127.0.0.1:{server.port}":
                wrong.append(f"asked {request.url}")

        page.on("request", asked)
        page.on("requestfinished", lambda request: finished.append(request))  # noqa: PLW0108 - Playwright takes no built-in
        page.goto(server.url + path)
        return page

    open_page.wrong = wrong  # type: ignore[attr-defined]
    open_page.finished = finished  # type: ignore[attr-defined]
    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """``workers(server, study, count)`` starts real ones: a cell takes them a moment, and convolutions are worth something."""
    (tmp_path / "slow_and_true.py").write_text(
        "import time\n"
        "def evaluate(architecture, trial):\n"
        "    value = 80.0 + 2.0 * sum('conv' in op for op in architecture.json['edges'])\n"
        "    for step in range(1, 4):\n"
        "        trial.report(step, accuracy=value - 3.0 / step)\n"
        "        time.sleep(0.1)\n"
        "    return value\n",
        encoding="utf-8",
    )
    started: list[subprocess.Popen[bytes]] = []

    def start(server: LiveServer, study: str, count: int) -> None:
        for k in range(count):
            command = [sys.executable, "-m", "bonanza.cli", "worker", "--server", server.url, "--study", study]
            command += ["--evaluator", "python:slow_and_true:evaluate", "--worker-id", f"gpu{k}:0"]
            environment = os.environ | {"BONANZA_SPOOL": str(tmp_path / "spool")}
            with (tmp_path / f"worker{k}.log").open("wb") as log:
                started.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log))

    yield start
    for process in started:
        process.kill()
        process.wait(10)
