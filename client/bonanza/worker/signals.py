"""SIGTERM and SIGINT end a worker in order; if order takes too long, they end it all the same. SIGUSR1 has it finish what it has first."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

log = logging.getLogger("bonanza.worker")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
DRAIN: Final = signal.SIGUSR1


@contextmanager
def obey_signals(
    stop: Callable[[str], float],
    drain: Callable[[str], None] | None = None,
    *,
    drain_first: bool = False,
    last: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """While in the context, the first signal calls ``stop`` with its name, which answers how many seconds the end may take.

    After these, or at a second signal, the process ends as it is: with 0 after the seconds, which is how an orderly end is meant to look to
    whoever sent the signal, and with 128 plus the signal's number when somebody insists. The evaluators' processes die with it
    (``lifeline.py``). SIGUSR1 calls ``drain``, which may take as long as it likes; with ``drain_first`` so does the first of the others. ``last`` is called
    before an end that is not orderly. Only a program's main thread may use this.
    """
    timer: threading.Timer | None = None
    draining = False

    def give_up() -> None:
        log.warning(
            "no orderly end in time: exiting. A lease not given back runs out by itself; a result not sent is in the spool"
        )
        last()
        os._exit(0)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal timer, draining
        if timer is not None:
            if number != DRAIN:
                last()
                os._exit(128 + number)
            return
        if drain is not None and (number == DRAIN or (drain_first and not draining)):
            draining = True
            drain(signal.Signals(number).name)
            return
        timer = threading.Timer(stop(signal.Signals(number).name), give_up)
        timer.daemon = True
        timer.start()

    numbers = SIGNALS if drain is None else (*SIGNALS, DRAIN)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
