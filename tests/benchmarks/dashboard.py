"""What the dashboard costs: ``python -m tests.benchmarks.dashboard`` (two minutes; Chromium and an idle machine).

On a study of 10,000 trials of NAS-Bench-101, in a server process of its own:

- first paint: from the navigation to the frame that shows the study's curve, in a browser that has nothing cached;
- weight: bytes over the wire of everything that the page fetches until it is complete, headers included;
- a watching tab: processor time of the server and the processes it starts, with a tab open less without, in percent of one core; at rest, and while
  a worker tells a result every two seconds.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from bonanza.spaces import space_from_spec
from tests.dashboard.conftest import chromium
from tests.live import ServerProcess

SPACE = {"kind": "nasbench101"}
IMPORTED = 2_500
PATIENCE_MS = 120_000
SHOWN = """
new MutationObserver((_, observer) => {
  if (!document.querySelector(".overview .chart canvas")) return;
  observer.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.shownAt = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
"""
"""Two frames after the chart is in the page its pixels are on the screen."""


def study(url: str, trials: int) -> str:
    """Make the study; return its URL."""
    space = space_from_spec(SPACE)
    rng = random.Random(0)
    cells: dict[str, Any] = {}
    while len(cells) < trials:
        cell = space.sample(rng)
        cells.setdefault(cell.arch_id, cell.json)
    told = [
        {"architecture": cell, "value": 80.0 + 14.0 * rng.random() ** 0.3, "cost": {"seconds": 900.0}}
        for cell in cells.values()
    ]
    made = f"{url}/v1/studies/watched"
    body = {"space": SPACE, "objective": {"name": "accuracy", "direction": "maximize"}, "strategy": {"name": "random"}}
    httpx.put(made, json=body, timeout=60).raise_for_status()
    for first in range(0, trials, IMPORTED):
        part = {"observations": told[first : first + IMPORTED]}
        httpx.post(f"{made}/observations", json=part, timeout=600).raise_for_status()
    return made


@contextmanager
def page_of(browser: Browser, url: str) -> Iterator[tuple[Page, list[Any]]]:
    """The study's page in a browser without a cache, complete; and its requests."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(SHOWN)
    page = context.new_page()
    finished: list[Any] = []
    page.on("requestfinished", lambda request: finished.append(request))  # noqa: PLW0108 - Playwright takes no built-in
    page.goto(f"{url}/ui/studies/watched")
    page.get_by_role("img", name=re.compile("A map of ")).wait_for()
    page.get_by_role("img", name=re.compile("The best cell")).wait_for()
    yield page, finished
    context.close()


def spent(server: ServerProcess) -> float:
    """Processor seconds of the server and its processes so far."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(used.user + used.system for used in times))


def share(server: ServerProcess, seconds: float) -> float:
    """Percent of a core that the server takes over that time."""
    before, began = spent(server), time.monotonic()
    time.sleep(seconds)
    return 100.0 * (spent(server) - before) / (time.monotonic() - began)


@contextmanager
def a_worker(made: str, every_s: float) -> Iterator[None]:
    """Asks and tells, once in ``every_s`` seconds."""
    over = threading.Event()

    def work() -> None:
        with httpx.Client(timeout=60) as api:
            while not over.wait(every_s):
                (trial,) = api.post(f"{made}/ask", json={"worker_id": "gpu0", "wait_s": 0}).json()["trials"]
                told = {"lease_token": trial["attempt"]["token"], "value": 90.0}
                api.post(f"{made}/trials/{trial['number']}/tell", json=told).raise_for_status()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--loads", type=int, default=5, help="page loads; their median is the first paint")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of each measurement of the server's processor time"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = ServerProcess(f"sqlite:///{folder}/s.db", Path(folder) / "server.log")
        server.start()
        made = study(server.url, options.trials)
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        load = psutil.getloadavg()[0]
        print(f"{options.trials:,} trials, {psutil.cpu_count()} cores, load {load:.1f} before the first page")
        paints, firsts, bytes_ = [], [], []
        for _ in range(options.loads):
            with page_of(browser, server.url) as (page, finished):
                paints.append(page.evaluate("window.shownAt"))
                firsts.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
                sizes = [request.sizes() for request in finished]
                bytes_.append(sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes))
        print(
            f"first paint of the study   {statistics.median(paints):7.0f} ms   ({', '.join(f'{ms:.0f}' for ms in paints)})"
        )
        print(f"first paint of anything    {statistics.median(firsts):7.0f} ms")
        print(f"page weight, compressed    {statistics.median(bytes_) / 1000:7.0f} kB")
        time.sleep(3.0)
        alone = share(server, options.seconds)
        with page_of(browser, server.url):
            time.sleep(3.0)
            watched = share(server, options.seconds)
        print(f"a watching tab, at rest    {watched - alone:7.2f} % of a core   ({watched:.2f} less {alone:.2f})")
        with a_worker(made, 2.0):
            time.sleep(3.0)
            alone = share(server, options.seconds)
            with page_of(browser, server.url):
                time.sleep(3.0)
                watched = share(server, options.seconds)
        print(
            f"a watching tab, one result in 2 s   {watched - alone:.2f} % of a core   ({watched:.2f} less {alone:.2f})"
        )
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
