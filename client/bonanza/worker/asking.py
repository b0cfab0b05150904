"""Getting the next trial: for as long as it takes, through pauses and outages, and never deaf to a stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from bonanza.errors import (
    AskTimeout,
    BonanzaError,
    InternalError,
    RequestInFlight,
    ServerUnreachable,
    TooManyRequests,
    Unavailable,
)
from bonanza.study import Freshness, Study
from bonanza.trial import Trial

log = logging.getLogger("bonanza.worker")

FIRST_PAUSE_S: Final = 0.25
PAUSE_S: Final = 1.0
OUTAGE_PAUSE_S: Final = 5.0
REAPING_S: Final = 5.0  # until the server has noticed that a lease ran out
LAST_ASK_S: Final = 2.0
"""An ask under way when the worker is to stop may have a trial in its answer, to be given back: most are answered within this time."""

PASSING: Final = (ServerUnreachable, Unavailable, TooManyRequests, RequestInFlight, InternalError)
"""What a server that is down, starting or busy gives: a worker left running for a month outlives it."""


@dataclass(frozen=True)
class Stop:
    """The worker is to end, and give back what it has."""

    reason: str


@dataclass(frozen=True)
class Drain:
    """The worker is to end once the trial under way is told."""

    reason: str


@dataclass(frozen=True)
class Answer:
    """What came of one ask: a trial, nothing more to come (neither), or an error; and how long it took."""

    trial: Trial | None = None
    error: BonanzaError | None = None
    seconds: float = 0.0


class Asker:
    """Asks one study for one trial after the other. ``inbox`` is the worker's: a stop comes through it too."""

    def __init__(
        self,
        study: Study,
        inbox: SimpleQueue[object],
        *,
        worker_id: str,
        wait_s: float,
        freshness: Freshness = "latest",
        reuse: bool = False,
        idle: Callable[[], bool] = lambda: False,
    ) -> None:
        """Nothing is asked yet; the options are those of ``Study.ask``, ``reuse`` for the first trial only. Once ``idle()``, no more is waited for."""
        self._study = study
        self._inbox = inbox
        self._worker_id = worker_id
        self._wait_s = wait_s
        self._freshness: Freshness = freshness
        self._reuse = reuse
        self._idle = idle
        self._stopping: str | None = None

    def stop(self, reason: str) -> None:
        """Have ``next_trial`` answer None from now on; to be followed by a ``Stop`` or ``Drain`` in the inbox, which wakes it."""
        self._stopping = reason

    def next_trial(self) -> Trial | None:
        """The next trial; None where there will be none (``study.last_reason`` says why), or the worker was told to stop.

        Raises:
            BonanzaError: the server refuses for good: the study is gone, the key is wrong.
        """
        linger = self._linger()
        waiting_for: str | None = None
        while self._stopping is None:
            answer = self._ask_once()
            if answer.trial is not None or self._stopping is not None:
                return answer.trial
            if self._idle():
                return None
            if answer.error is None:
                pause = next(linger, None)
                if pause is None:
                    return None
                self.sleep(pause)
            elif isinstance(answer.error, AskTimeout):
                if self._study.last_reason != waiting_for:
                    waiting_for = self._study.last_reason
                    log.info("waiting: %s", waiting_for)
                self.sleep(PAUSE_S - answer.seconds)
            elif isinstance(answer.error, PASSING):
                log.warning("%s; trying on", answer.error)
                self.sleep(OUTAGE_PAUSE_S)
            else:
                raise answer.error
        return None

    def _linger(self) -> Iterator[float]:
        """Pauses between asks once the study has nothing more to start.

        A trial under way elsewhere comes back if its worker has died, at the latest when the lease runs out: so long somebody must be there
        to take it. A trial that is still under way then has a worker that lives.
        """
        until, pause = time.monotonic() + self._study.info.lease.ttl_s + REAPING_S, FIRST_PAUSE_S
        while self._study.last_reason == "budget_reached" and time.monotonic() < until:
            try:
                trials = self._study.refresh().trials
                if not trials.get("running") and not trials.get("pending"):
                    return
            except PASSING as error:
                log.warning("%s; trying on", error)
            yield pause
            pause = min(2 * pause, OUTAGE_PAUSE_S)

    def _ask_once(self) -> Answer:
        """What came of one ask; nothing where the worker was told to stop meanwhile."""
        asking = Asking(self._ask_server, self._inbox)
        give_up_at: float | None = None
        while True:
            try:
                event = self._inbox.get(timeout=None if give_up_at is None else max(0.0, give_up_at - time.monotonic()))
            except Empty:
                asking.abandon()
                return Answer()
            if isinstance(event, Answer):
                if self._stopping is None or event.trial is None:
                    return event
                give_back(event.trial, self._stopping)
                return Answer()
            if isinstance(event, Stop | Drain):
                give_up_at = time.monotonic() + LAST_ASK_S

    def _ask_server(self) -> Trial | None:
        trial = self._study.ask(
            worker_id=self._worker_id,
            wait_s=self._wait_s,
            freshness=self._freshness,
            reuse=self._reuse,
            timeout=self._wait_s,
        )
        self._reuse = False  # the worker holds nothing now but what it has just been given
        return trial

    def sleep(self, seconds: float) -> None:
        """Pause, but not past a stop."""
        until = time.monotonic() + seconds
        while self._stopping is None and (left := until - time.monotonic()) > 0:
            try:
                self._inbox.get(timeout=left)
            except Empty:
                return


class Asking:
    """One ask under way, in a thread of its own, its answer put into ``inbox``: the server may hold it for most of a minute.

    Once abandoned, it gives back what it is answered.
    """

    def __init__(self, ask: Callable[[], Trial | None], inbox: SimpleQueue[object]) -> None:
        """Begin."""
        self._ask = ask
        self._inbox = inbox
        self._lock = threading.Lock()
        self._abandoned = False
        threading.Thread(target=self._run, name="ask", daemon=True).start()

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        with self._lock:
            self._abandoned = True

    def _run(self) -> None:
        began = time.monotonic()
        trial: Trial | None = None
        error: BonanzaError | None = None
        try:
            trial = self._ask()
        except BonanzaError as found:
            error = found
        answer = Answer(trial, error, time.monotonic() - began)
        with self._lock:
            if not self._abandoned:
                self._inbox.put(answer)
                return
        if trial is not None:
            give_back(trial, "the worker has ended")


def give_back(trial: Trial, reason: str) -> None:
    """Release a trial nobody has worked on; where that fails its lease runs out."""
    try:
        trial.release(reason)
        log.info("trial %d given back (%s)", trial.number, reason)
    except BonanzaError as error:
        log.warning("trial %d could not be given back: %s", trial.number, error)
