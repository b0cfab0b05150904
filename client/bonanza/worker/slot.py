"""A slot: ask, measure, tell, until the study is over or somebody says stop. One trial at a time, in an evaluator's process of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import SimpleQueue

from bonanza import schemas
from bonanza.schemas.worker import SlotState
from bonanza.study import Freshness, Study
from bonanza.trial import Trial
from bonanza.worker.asking import Asker, Drain, Stop, give_back
from bonanza.worker.attempt import PATIENCE_S, Attempt
from bonanza.worker.evaluator import BrokenEvaluator
from bonanza.worker.limits import Limits
from bonanza.worker.messages import Broken, Ready, Setup
from bonanza.worker.places import Place
from bonanza.worker.process import Died, EvaluatorProcess, Said
from bonanza.worker.quarantine import Quarantine

log = logging.getLogger("bonanza.worker")


class Slot:
    """Measures the trials of one study at one place, with the evaluator a text names (``bonanza.worker.evaluator``)."""

    def __init__(
        self,
        study: Study,
        evaluator: str,
        *,
        worker_id: str,
        place: Place | None = None,
        limits: Limits | None = None,
        quarantine: Quarantine | None = None,
        wait_s: float = 10.0,
        freshness: Freshness = "latest",
        reuse: bool = False,
        patience_s: float = PATIENCE_S,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing runs yet.

        Args:
            study: what to work on; a slot of its own needs a ``Study`` of its own.
            evaluator: how to measure.
            worker_id: this slot's name on the server.
            place: where the evaluator runs.
            limits: shared with the worker's other slots.
            quarantine: what has failed here.
            wait_s: how long the server may hold an ask, 0 to 50.
            freshness: how old the model behind an ask may be.
            reuse: take up the trial that a slot of this id held when it was killed.
            patience_s: how long a training may go on after the server told it to end.
            on_change: called when ``status`` has changed, from the slot's thread.
        """
        self.study = study
        self.worker_id = worker_id
        self.place = place or Place()
        self.measured = 0
        self._failed = 0
        self._limits = limits or Limits()
        self._quarantine = quarantine or Quarantine()
        self._patience_s = patience_s
        self._on_change = on_change
        info = study.info
        self._setup = Setup(evaluator, info.space or study.space.spec(), study.name, info.protocol)
        self._timeout_s = info.lease.trial_timeout_s
        self._inbox: SimpleQueue[object] = SimpleQueue()
        self._asker = Asker(
            study,
            self._inbox,
            worker_id=worker_id,
            wait_s=wait_s,
            freshness=freshness,
            reuse=reuse,
            idle=self._limits.idle,
        )
        self._stopping: str | None = None
        self._process: EvaluatorProcess | None = None
        self._grace_s = 0.0
        self._unsent = True  # perhaps: an earlier worker may have left results on the disk
        self._state: SlotState = "starting"
        self._trial: int | None = None

    def stop(self, reason: str) -> float:
        """Give the trial under way back and end ``run``; from any thread, or from a signal handler. Returns the seconds a checkpoint may take."""
        self._stopping = reason
        self._asker.stop(reason)
        self._inbox.put(Stop(reason))
        return self._grace_s

    def drain(self, reason: str) -> None:
        """Finish the trial under way and end ``run``; from any thread, or from a signal handler."""
        self._stopping = reason
        self._asker.stop(reason)
        self._inbox.put(Drain(reason))

    def status(self) -> schemas.Slot:
        """How it is now, from any thread."""
        return schemas.Slot(
            name=self.place.name or "all",
            state=self._state,
            trial=self._trial,
            measured=self.measured,
            failed=self._failed,
            failures_in_a_row=self._quarantine.in_a_row,
            error=(self._quarantine.error or "")[:2_000] or None,
        )

    def run(self) -> str:
        """Work until the study is over, the limits are reached, or ``stop``; returns which, in words.

        Raises:
            BrokenEvaluator: the evaluator cannot work; nothing is leased.
            BonanzaError: the server refuses for good: the study is gone, the key is wrong.
        """
        try:
            # Ready before it asks: a trial must not wait, unheard of, for torch to be imported.
            while self._ready() is not None and self._stopping is None:
                self._sit_out()
                self._become("idle")
                if not self._limits.take():
                    return f"{self.measured} trials measured"
                trial = self._asker.next_trial()
                self._flush()
                counted = trial is not None and self._measure(trial)
                if not counted:
                    self._limits.put_back()
                if trial is None:
                    break
            if self._stopping is None and self._limits.idle():
                return "there was nothing to do for as long as --idle-exit allows"
            return self._stopping or f"study {self.study.name}: {self.study.last_reason}"
        finally:
            self.kill()
            self._become("ended")

    def kill(self) -> None:
        """End the evaluator's process, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def _become(self, state: SlotState, trial: int | None = None) -> None:
        self._state, self._trial = state, trial
        self._on_change()

    def _ready(self) -> EvaluatorProcess | None:
        """An evaluator that is ready and idle, started if need be; None if the worker was told to stop meanwhile."""
        if self._process is not None and self._process.alive:
            return self._process
        self.kill()
        process = self._process = EvaluatorProcess(
            self._setup, self._inbox, environment=self.place.environment, label=self.place.name
        )
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
                case Stop() | Drain():
                    return None
                case _:
                    pass  # of a process before this one

    def _sit_out(self) -> None:
        """Wait out the quarantine, if there is one."""
        if self._quarantine.needed:
            pause = self._quarantine.pause_s
            log.error(
                "%d failures in a row: no trial for %.0f minutes, then one to see. The last was %s",
                self._quarantine.in_a_row,
                pause / 60,
                self._quarantine.error,
            )
            self._become("quarantined")
            self._asker.sleep(pause)

    def _measure(self, trial: Trial) -> bool:
        """Whether a result came of it, sent or spooled."""
        self._limits.begin()
        try:
            process = self._ready()
            if process is None:
                give_back(trial, self._stopping or "stopping")
                return False
            self._become("evaluating", trial.number)
            attempt = Attempt(
                trial,
                process,
                self._inbox,
                grace_s=self._grace_s,
                timeout_s=self._timeout_s,
                patience_s=self._patience_s,
            )
            attempt.run()
        except BrokenEvaluator:
            give_back(trial, "the evaluator is broken")
            raise
        finally:
            self._limits.end()
        counted = attempt.told or attempt.unsent
        self.measured += counted
        self._unsent |= attempt.unsent
        if attempt.result is not None:
            self._failed += self._quarantine.note(attempt.result)
        if attempt.spoiled:
            self.kill()
        return counted

    def _flush(self) -> None:
        """Send results that wait, now that the server is known to answer."""
        if self._unsent and self._stopping is None:
            flushed = self.study.outbox.flush()
            self._unsent = flushed.left > 0
            if flushed.sent:
                log.info("sent %d results that were waiting on the disk", flushed.sent)
