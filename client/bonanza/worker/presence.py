"""A worker's word to the server about itself: at the start, at every change, every so often, and at the end. No training hangs on it."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from typing import Final

from bonanza.client import Client
from bonanza.errors import BonanzaError
from bonanza.schemas import WorkerReport
from bonanza.schemas.worker import WorkerState

log = logging.getLogger("bonanza.worker")

PERIOD_S: Final = 30.0
CALM_S: Final = 1.0
"""Between two reports, however much changes."""
PATIENCE_S: Final = 2.0
NOT_IN_A_NAME: Final = re.compile(r"^[^A-Za-z0-9]|[^A-Za-z0-9._:@-]")
"""What a worker's id may have and its name in a URL may not."""


class Presence:
    """Reports from a thread of its own until ``leave``."""

    def __init__(
        self, client: Client, worker_id: str, describe: Callable[[], WorkerReport], *, period_s: float = PERIOD_S
    ) -> None:
        """Begin; ``describe`` is called for every report."""
        self._client = client
        self._worker_id = NOT_IN_A_NAME.sub("x", worker_id)[:200]
        self._describe = describe
        self._period_s = period_s
        self._changed = threading.Event()
        self._over = threading.Event()
        self._heard = True
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Something is worth telling soon."""
        self._changed.set()

    def leave(self, state: WorkerState = "stopped") -> None:
        """Say goodbye and end."""
        self._over.set()
        self._changed.set()
        self._thread.join(2 * PATIENCE_S)
        if not self._thread.is_alive():
            self._say(self._describe().model_copy(update={"state": state}))

    def _run(self) -> None:
        while not self._over.is_set():
            self._changed.clear()
            self._say(self._describe())
            self._over.wait(CALM_S)
            self._changed.wait(self._period_s)

    def _say(self, report: WorkerReport) -> None:
        try:
            self._client.report_worker(self._worker_id, report, patience_s=PATIENCE_S)
            self._heard = True
        except BonanzaError as error:
            if self._heard:  # once an outage
                log.warning("the server was not told how this worker is: %s", error)
            self._heard = False
