"""A heartbeat in the background, while this process trains."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from bonanza.errors import BonanzaError, NotFound, UnknownToken
from bonanza.schemas.trial import Directive

log = logging.getLogger(__name__)


class Pulse:
    """Calls ``beat`` every ``period_s`` from a thread until stopped, or until the trial is no longer this worker's.

    A thread shares the interpreter lock with the training: a C call that holds it for longer than the lease loses the lease (the result
    is taken all the same). The worker daemon trains in a process apart for this.
    """

    def __init__(self, beat: Callable[[], Directive], period_s: float, *, name: str) -> None:
        """Nothing runs before ``start``; ``name`` is the thread's."""
        self._beat = beat
        self._period_s = period_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first beat comes after one period."""
        self._thread.start()

    def stop(self) -> None:
        """End. A beat under way is not waited for: it may hang on a server that is down."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            try:
                if self._beat() == "superseded":
                    return
            except (NotFound, UnknownToken) as error:
                log.warning("%s: nothing to the server any more: %s", self._thread.name, error)
                return
            except BonanzaError as error:
                log.warning("%s: a heartbeat was refused, and the training goes on: %s", self._thread.name, error)
