"""One attempt at one trial: hand it to the evaluator, keep the lease, and tell what came of it, whatever comes in between."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from bonanza.errors import BonanzaError, Invalid, InvalidRequest, ServerUnreachable
from bonanza.schemas import TrialError
from bonanza.schemas.trial import Directive
from bonanza.trial import Trial
from bonanza.worker.asking import Stop
from bonanza.worker.heartbeat import Directed, Heartbeat
from bonanza.worker.messages import Done, Job, Report, Yielded
from bonanza.worker.process import Died, EvaluatorProcess, Said
from bonanza.worker.result import Failure, Result

log = logging.getLogger("bonanza.worker")

PATIENCE_S: Final = 10.0
"""A training that was told to end and has not is killed after this long. Pruning is an offer: who ignores it may finish."""

MARGIN_S: Final = 5.0
"""A training is cut this long before the study's limit (a tenth of it, if that is less): at the limit the server would take the lease away,
and count it as lost, which is tried again, to the same end."""

ENDING: Final[frozenset[Directive]] = frozenset({"cancel", "yield", "superseded"})


@dataclass(frozen=True)
class Ending:
    """How an attempt is over other than by a result: by what the server directed, or for the worker's own ``reason``."""

    directive: Directive
    checkpoint: str | None = None
    reason: str = "yield"


class Attempt:
    """One lease under way, from the ask to the tell.

    Afterwards ``result`` is what came of it (None: it was given back, or is somebody else's), ``told`` says whether the server has it, ``unsent``
    whether it waits in the spool, and ``spoiled`` whether the evaluator's process must be replaced.
    """

    def __init__(
        self,
        trial: Trial,
        process: EvaluatorProcess,
        inbox: SimpleQueue[object],
        *,
        grace_s: float,
        timeout_s: float | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Nothing runs yet.

        Args:
            trial: with its lease.
            process: an evaluator that is ready and idle.
            inbox: where the process, the heartbeat and the signals put what they have to say.
            grace_s: the evaluator's own: how long it may take to leave a checkpoint when the worker is to end.
            timeout_s: the study's limit for one attempt.
            patience_s: instead of ``PATIENCE_S``.
        """
        self._trial = trial
        self._process = process
        self._inbox = inbox
        self._grace_s = grace_s
        self._patience_s = patience_s
        self._started = time.monotonic()
        self._timeout_at = None if timeout_s is None else self._started + timeout_s - min(MARGIN_S, timeout_s / 10)
        self._ending: Ending | None = None
        self._end_at: float | None = None
        self.spoiled = False
        self.result: Result | None = None
        self.told = False
        self.unsent = False

    def run(self) -> None:
        """Measure and tell; returns once the trial is told, given back, or somebody else's."""
        trial = self._trial
        heartbeat = Heartbeat(trial, self._inbox, printed=self._process.log_tail)
        try:
            self._process.evaluate(
                Job(
                    trial.number,
                    trial.architecture,
                    trial.seed,
                    trial.attempt.checkpoint,
                    trial.record.protocol,
                    trial.attempt.traceparent,
                )
            )
            outcome = self._wait(heartbeat)
        finally:
            heartbeat.stop()
        if isinstance(outcome, Result):
            self._tell(outcome)
        else:
            self._end(outcome)

    def _wait(self, heartbeat: Heartbeat) -> Result | Ending:
        """What comes of it first: a result, the evaluator's end, or the end of our patience."""
        while True:
            try:
                event = self._inbox.get(timeout=self._patience_left())
            except Empty:
                return self._cut()
            match event:
                case Said(process, message) if process is self._process:
                    match message:
                        case Report(number, step, metrics) if number == self._trial.number:
                            heartbeat.report(step, metrics)
                        case Done(result, spoiled):
                            self.spoiled = spoiled
                            return result
                        case Yielded(directive, checkpoint):
                            return self._ended(directive, checkpoint)
                        case _:
                            pass
                case Died(process) if process is self._process:
                    self.spoiled = True
                    return self._ending or Result.failed(self._process.failure())
                case Directed(source, directive) if source is heartbeat and self._ending is None:
                    self._process.direct(directive)
                    if directive in ENDING:
                        self._end_within(self._patience_s, Ending(directive))
                case Stop(reason):
                    self._process.direct("yield")
                    self._end_within(self._grace_s, Ending("yield", reason=reason))
                case _:
                    pass

    def _end_within(self, seconds: float, ending: Ending) -> None:
        self._ending = ending
        end_at = time.monotonic() + seconds
        self._end_at = end_at if self._end_at is None else min(self._end_at, end_at)

    def _patience_left(self) -> float | None:
        ends = [at for at in (self._end_at, self._timeout_at) if at is not None]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _cut(self) -> Result | Ending:
        """End a training that will not end by itself in time."""
        self._process.kill()
        self.spoiled = True
        if self._ending is not None:
            return self._ending
        spent = time.monotonic() - self._started
        message = f"not over after {spent:.0f} s; the study's lease.trial_timeout_s is the limit"
        return Result.failed(Failure("timeout", message, self._process.printed() or None))

    def _ended(self, directive: Directive, checkpoint: str | None) -> Ending:
        """The evaluator has stopped: for the reason we have, else for the one it gives."""
        known = self._ending or Ending(directive)
        return Ending(known.directive, checkpoint, known.reason)

    def _end(self, ending: Ending) -> None:
        trial = self._trial
        try:
            if ending.directive == "yield":
                trial.release(ending.reason, checkpoint=ending.checkpoint)
                log.info("trial %d given back (%s)", trial.number, ending.reason)
            elif ending.directive in ENDING:
                # The server has ended the attempt itself: cancelled by a person, out of time, or measured by another.
                log.info("trial %d dropped: the server said %s", trial.number, ending.directive)
            else:
                self._tell(Result(outcome="pruned"))
        except BonanzaError as error:
            log.warning("trial %d ended, but the server does not know: %s", trial.number, _explained(error))

    def _tell(self, result: Result) -> None:
        self.result = result
        try:
            self._send(result)
        except (InvalidRequest, Invalid) as error:
            # The value or a metric is not what the study takes. Without another tell the lease would run out and the cell be tried again,
            # to the same end.
            log.warning("trial %d: the result was refused: %s", self._trial.number, _explained(error))
            self._send_or_log(Result.failed(Failure("code", f"the result was refused: {error}")))
        except ServerUnreachable as error:
            self.unsent = True
            log.warning("trial %d: %s", self._trial.number, _explained(error))
        except BonanzaError as error:
            log.warning("trial %d: the server did not take the result: %s", self._trial.number, _explained(error))

    def _send_or_log(self, result: Result) -> None:
        try:
            self._send(result)
        except BonanzaError as error:
            log.warning("trial %d: the server did not take that either: %s", self._trial.number, error)

    def _send(self, result: Result) -> None:
        failure = result.error
        told = self._trial.tell(
            result.value,
            outcome=result.outcome,
            metrics=result.metrics,
            cost=result.cost,
            seed=result.seed,
            checkpoint=result.checkpoint,
            protocol=result.protocol,
            log_tail=self._process.log_tail() or None,
            error=None
            if failure is None
            else TrialError(kind=failure.kind, message=failure.message, traceback_tail=failure.traceback_tail),
        )
        self.told = True
        log.info("%s", line(self._trial, result, seconds=time.monotonic() - self._started, best=told.is_best))


def line(trial: Trial, result: Result, *, seconds: float, best: bool = False) -> str:
    """One line a trial: number, architecture, value or what became of it, seconds, and whether it is the best so far."""
    came = [] if result.value is None else [f"{result.value:.3f}"]
    if result.error is not None:
        came.append(f"{result.outcome} ({result.error.kind}): {result.error.message}")
    elif result.outcome != "complete":
        came.append(result.outcome)
    return "  ".join([f"trial {trial.number}", trial.arch.text, *came, f"{seconds:.1f} s", *(["best"] if best else [])])


def _explained(error: BonanzaError) -> str:
    return " ".join([str(error), *getattr(error, "__notes__", ())])
