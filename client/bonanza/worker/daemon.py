"""The worker: ask, measure, tell, until the study is over or somebody says stop."""

from __future__ import annotations

import logging
import os
import socket
from queue import SimpleQueue
from typing import Final

from bonanza.client import Client
from bonanza.errors import BonanzaError, NotFound
from bonanza.study import Freshness, Study
from bonanza.trial import Trial
from bonanza.worker.asking import Asker, Stop, give_back
from bonanza.worker.attempt import PATIENCE_S, Attempt
from bonanza.worker.evaluator import BrokenEvaluator
from bonanza.worker.messages import Broken, Ready, Setup
from bonanza.worker.process import Died, EvaluatorProcess, Said
from bonanza.worker.signals import obey_signals

log = logging.getLogger("bonanza.worker")


ORDERLY_S: Final = 9.0
"""To end in order, besides the evaluator's own grace: a second, unless the server is away. Docker kills after ten."""


class Worker:
    """Measures the trials of one study, one at a time, with the evaluator a text names (``bonanza.worker.evaluator``)."""

    def __init__(
        self,
        study: Study,
        evaluator: str,
        *,
        worker_id: str,
        max_trials: int | None = None,
        wait_s: float = 10.0,
        freshness: Freshness = "latest",
        reuse: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Nothing runs yet.

        Args:
            study: what to work on.
            evaluator: how to measure.
            worker_id: this worker's name on the server.
            max_trials: end after so many results.
            wait_s: how long the server may hold an ask, 0 to 50.
            freshness: how old the model behind an ask may be.
            reuse: take up the trial that a worker of this id held when it was killed.
            patience_s: how long a training may go on after the server told it to end.
        """
        self.study = study
        self.worker_id = worker_id
        self.measured = 0
        self._max_trials = max_trials
        self._patience_s = patience_s
        info = study.info
        self._setup = Setup(evaluator, info.space or study.space.spec(), study.name, info.protocol)
        self._timeout_s = info.lease.trial_timeout_s
        self._inbox: SimpleQueue[object] = SimpleQueue()
        self._asker = Asker(study, self._inbox, worker_id=worker_id, wait_s=wait_s, freshness=freshness, reuse=reuse)
        self._stopping: str | None = None
        self._process: EvaluatorProcess | None = None
        self._grace_s = 0.0
        self._unsent = True  # perhaps: an earlier worker may have left results on the disk

    def stop(self, reason: str) -> float:
        """Give the trial under way back and end ``run``; from any thread, or from a signal handler. Returns the seconds it may take."""
        self._stopping = reason
        self._asker.stop(reason)
        self._inbox.put(Stop(reason))
        return self._grace_s + ORDERLY_S

    def run(self) -> str:
        """Work until the study is over, ``max_trials`` are measured, or ``stop``; returns which, in words.

        Raises:
            BrokenEvaluator: the evaluator cannot work; nothing is leased.
            BonanzaError: the server refuses for good: the study is gone, the key is wrong.
        """
        try:
            # Ready before it asks: a trial must not wait, unheard of, for torch to be imported.
            while self._ready() is not None and self._stopping is None:
                if self._max_trials is not None and self.measured >= self._max_trials:
                    return f"{self.measured} trials measured"
                trial = self._asker.next_trial()
                self._flush()
                if trial is None:
                    break
                self._measure(trial)
            return self._stopping or f"study {self.study.name}: {self.study.last_reason}"
        finally:
            self.kill()

    def kill(self) -> None:
        """End the evaluator's process, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def _ready(self) -> EvaluatorProcess | None:
        """An evaluator that is ready and idle, started if need be; None if the worker was told to stop meanwhile."""
        if self._process is not None and self._process.alive:
            return self._process
        self.kill()
        process = self._process = EvaluatorProcess(self._setup, self._inbox)
        while True:
            match self._inbox.get():
                case Said(speaker, Ready(grace_s)) if speaker is process:
                    self._grace_s = grace_s
                    return process
                case Said(speaker, Broken(message)) if speaker is process:
                    raise BrokenEvaluator(message)
                case Died(speaker) if speaker is process:
                    raise BrokenEvaluator(
                        f"{self._setup.evaluator} could not start: {process.failure().message}; see above"
                    )
                case Stop():
                    return None
                case _:
                    pass  # of a process before this one

    def _measure(self, trial: Trial) -> None:
        try:
            process = self._ready()
        except BrokenEvaluator:
            give_back(trial, "the evaluator is broken")
            raise
        if process is None:
            give_back(trial, self._stopping or "stopping")
            return
        attempt = Attempt(
            trial,
            process,
            self._inbox,
            grace_s=self._grace_s,
            timeout_s=self._timeout_s,
            patience_s=self._patience_s,
        )
        attempt.run()
        self.measured += attempt.told or attempt.unsent
        self._unsent |= attempt.unsent
        if attempt.spoiled:
            self.kill()

    def _flush(self) -> None:
        """Send results that wait on the disk, now that the server is known to answer."""
        if self._unsent and self._stopping is None:
            flushed = self.study.outbox.flush()
            self._unsent = flushed.left > 0
            if flushed.sent:
                log.info("sent %d results that were waiting on the disk", flushed.sent)


def run_worker(
    server: str,
    study: str,
    evaluator: str,
    worker_id: str | None = None,
    key: str | None = None,
    max_trials: int | None = None,
    wait_s: float = 10.0,
) -> int:
    """Run a worker in this process until the study is over or a signal comes; the exit code of ``bonanza worker``.

    0: the study is over, ``max_trials`` are measured, or SIGTERM or SIGINT came. 1: the server or the study is not there or refuses. 2: the
    evaluator cannot work. The log says why. A worker that was given its ``worker_id`` takes up the trial it held when it was killed.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line a request
    try:
        with Client(server, key=key) as client:
            worker = Worker(
                client.study(study),
                evaluator,
                worker_id=worker_id or f"{socket.gethostname()}:{os.getpid()}",
                max_trials=max_trials,
                wait_s=wait_s,
                reuse=worker_id is not None,
            )
            log.info("worker %s of study %s at %s, by %s", worker.worker_id, study, server, evaluator)
            with obey_signals(worker.stop):
                reason = worker.run()
    except BrokenEvaluator as error:
        log.critical("%s", error)
        return 2
    except KeyboardInterrupt:  # before there was a worker to stop
        return 0
    except NotFound as error:
        log.critical("%s (bonanza study list --server %s shows what there is)", error, server)
        return 1
    except BonanzaError as error:
        log.critical("%s", error)
        return 1
    log.info("worker %s ends: %s", worker.worker_id, reason)
    return 0
