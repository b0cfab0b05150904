"""A server that is told to stop: everybody is answered, and it is gone in a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.laborer import worth
from tests.live import NB201, ServerProcess

SOON_S = 5.0
"""Less than the server waits for requests before it cuts them off."""


def test_asks_that_wait_and_a_fit_that_runs_do_not_hold_up_the_end_nor_suffer_from_it(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    server = ServerProcess(new_database(), log)
    server.start()
    study = f"{server.url}/v1/studies/s"
    spec = {
        "space": NB201,
        "objective": {"direction": "maximize"},
        "strategy": {"name": "bananas", "n_initial": 3, "epochs": 10_000},  # a fit of many seconds
        "budget": {"max_parallel": 4},
    }
    httpx.put(study, json=spec).raise_for_status()

    def ask(key: str | None = None, **fields: Any) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return httpx.post(f"{study}/ask", json={"wait_s": 50} | fields, headers=headers, timeout=60)

    for trial in ask(count=3).json()["trials"]:
        body = {"lease_token": trial["attempt"]["token"], "value": worth(trial["architecture"])}
        httpx.post(f"{study}/trials/{trial['number']}/tell", json=body).raise_for_status()
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(ask, key) for key in (None, None, "a", "b")]
        time.sleep(1)
        assert not any(answer.done() for answer in waiting)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < SOON_S
        answers = [answer.result() for answer in waiting]
    assert [answer.status_code for answer in answers] == [200] * 4
    # Their time is over, as if they had waited it out: an unseen cell is better than an idle worker.
    assert {trial["origin"] for answer in answers for trial in answer.json()["trials"]} == {"fallback"}
    assert "Traceback" not in log.read_text()
