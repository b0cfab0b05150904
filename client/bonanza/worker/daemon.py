"""The worker daemon: a slot for every place, each in a thread, and one word to the server about them all."""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from bonanza import schemas
from bonanza.client import Client
from bonanza.errors import BonanzaError, InvalidRequest, NotFound
from bonanza.schemas.worker import WorkerState
from bonanza.spool import default_folder, writable
from bonanza.worker.evaluator import BrokenEvaluator
from bonanza.worker.gpus import read_gpus
from bonanza.worker.limits import Limits
from bonanza.worker.places import Place, places
from bonanza.worker.presence import PERIOD_S, Presence
from bonanza.worker.quarantine import AFTER, Quarantine
from bonanza.worker.signals import obey_signals
from bonanza.worker.slot import Slot
from bonanza.worker.versions import versions

log = logging.getLogger("bonanza.worker")

ORDERLY_S: Final = 9.0
"""To end in order, besides the evaluator's own grace: a second, unless the server is away. Docker kills after ten."""


@dataclass
class _End:
    """How a slot ended: a reason in words, or an error."""

    slot: Slot
    reason: str = ""
    error: BaseException | None = None


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a worker does besides measuring; the command line's options of these names."""

    max_trials: int | None = None
    once: bool = False
    idle_exit: float | None = None
    drain: bool = False
    quarantine_after: int | None = AFTER
    wait_s: float = 10.0
    reuse: bool = False
    at: tuple[Place, ...] = field(default_factory=lambda: (Place(),))


class Daemon:
    """Works on one study at all its places until each slot has ended."""

    def __init__(self, client: Client, study: str, evaluator: str | None, worker_id: str, options: Options) -> None:
        """Find the study; nothing runs yet.

        Raises:
            BonanzaError: the study is not there, or the server refuses.
            BrokenEvaluator: nothing says how to measure.
        """
        info = client.study(study).info
        self.worker_id = worker_id
        self.evaluator = evaluator or _evaluator_of(info)
        self._client = client
        self._options = options
        self._state: WorkerState = "running"
        self._presence: Presence | None = None
        self._ends: SimpleQueue[_End] = SimpleQueue()
        self._gpus = list(dict.fromkeys(place.gpu for place in options.at if place.gpu is not None))
        self._versions = versions()
        self._study = study
        self._period_s = min(PERIOD_S, info.lease.heartbeat_s or PERIOD_S)
        most = len(options.at) if options.once else options.max_trials
        limits = Limits(max_trials=most, idle_s=options.idle_exit)
        self.slots = [
            Slot(
                client.study(study),  # its own: what the last ask came to is kept there
                self.evaluator,
                worker_id=f"{worker_id}:{place.name}" if len(options.at) > 1 else worker_id,
                place=place if len(options.at) > 1 else Place("", place.gpu, place.environment),
                limits=Limits(max_trials=1, idle_s=options.idle_exit) if options.once else limits,
                quarantine=Quarantine(options.quarantine_after),
                wait_s=options.wait_s,
                reuse=options.reuse,
                on_change=self._changed,
            )
            for place in options.at
        ]

    def stop(self, reason: str) -> float:
        """Give what is under way back and end ``run``; from a signal handler too. Returns the seconds it may take."""
        return max(slot.stop(reason) for slot in self.slots) + ORDERLY_S

    def drain(self, reason: str) -> None:
        """Finish what is under way and end ``run``; from a signal handler too."""
        self._state = "draining"
        for slot in self.slots:
            slot.drain(f"{reason}, drained")

    def run(self) -> str:
        """Work until every slot has ended; returns why the last one did.

        Raises:
            BrokenEvaluator: the evaluator cannot work, at none of the places.
            BonanzaError: the server refuses for good, and no slot ended otherwise.
        """
        self._presence = Presence(self._client, self.worker_id, self.report, period_s=self._period_s)
        try:
            for slot in self.slots:
                threading.Thread(target=self._run, args=(slot,), name=slot.place.name or "slot", daemon=True).start()
            ends = []
            for _ in self.slots:
                end = self._ends.get()
                ends.append(end)
                if end.error is not None and len(self.slots) > 1:
                    log.critical("slot %s ends: %s", end.slot.place.name, end.error)
        finally:
            self._presence.leave()
        errors = [end.error for end in ends if end.error is not None]
        if len(errors) == len(ends):
            raise errors[0]
        return next(end.reason for end in reversed(ends) if end.error is None)

    def report(self) -> schemas.WorkerReport:
        """What this worker says of itself."""
        return schemas.WorkerReport(
            study=self._study,
            evaluator=self.evaluator[:10_000],
            state=self._state,
            host=socket.gethostname(),
            versions=self._versions,
            slots=[slot.status() for slot in self.slots],
            gpus=read_gpus(self._gpus) if self._gpus else [],
        )

    def _run(self, slot: Slot) -> None:
        try:
            self._ends.put(_End(slot, slot.run()))
        except BaseException as error:  # noqa: BLE001 - whatever ends a slot, the daemon must not wait for it for ever
            self._ends.put(_End(slot, error=error))

    def _changed(self) -> None:
        if self._presence is not None:
            self._presence.changed()


def _evaluator_of(info: schemas.Study) -> str:
    """The evaluator that a study's own protocol asks for."""
    for name in ("data", "dataset"):
        given = (info.protocol or {}).get(name)
        if isinstance(given, str) and given:
            return f"train:{given}"
    raise BrokenEvaluator(
        f"say how to measure: --evaluator train:DATA, python:MODULE:FUNCTION, command:PROGRAM or tabular:FILE. "
        f"Study {info.name} has no protocol that names its data"
    )


def run_worker(
    server: str,
    study: str,
    evaluator: str | None = None,
    worker_id: str | None = None,
    key: str | None = None,
    max_trials: int | None = None,
    wait_s: float = 10.0,
    *,
    gpus: str | None = None,
    per_gpu: int = 1,
    slots: int | None = None,
    once: bool = False,
    drain: bool = False,
    idle_exit: float | None = None,
    quarantine_after: int | None = AFTER,
) -> int:
    """Run a worker in this process until the study is over or a signal comes; the exit code of ``bonanza worker``.

    0: the study is over, ``max_trials`` are measured, or SIGTERM or SIGINT came. 1: the server or the study is not there or refuses. 2: the
    evaluator, the spool or a place cannot work. The log says why. A worker that was given its ``worker_id`` takes up the trials it held when it was
    killed. SIGUSR1, and with ``drain`` the first SIGTERM or SIGINT too, has it finish what it has and end.
    """
    try:
        at = places(gpus, per_gpu, slots)
        logging.basicConfig(level=logging.INFO, format=_format(len(at)), datefmt="%H:%M:%S")
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a line a request
        writable(default_folder())
    except (InvalidRequest, OSError, RuntimeError) as error:
        logging.basicConfig(level=logging.INFO, format=_format(1), datefmt="%H:%M:%S")
        log.critical("%s", error if isinstance(error, InvalidRequest) else _unwritable(error))
        return 2
    options = Options(
        max_trials=max_trials,
        once=once,
        idle_exit=idle_exit,
        drain=drain,
        quarantine_after=quarantine_after,
        wait_s=wait_s,
        reuse=worker_id is not None,
        at=tuple(at),
    )
    try:
        with Client(server, key=key) as client:
            daemon = Daemon(client, study, evaluator, worker_id or f"{socket.gethostname()}:{os.getpid()}", options)
            where = ", ".join(place.name for place in at if place.name)
            log.info("worker %s of study %s at %s, by %s", daemon.worker_id, study, server, daemon.evaluator)
            if where:
                log.info("slots: %s", where)
            with obey_signals(daemon.stop, daemon.drain, drain_first=drain, last=client.outbox.last_words):
                reason = daemon.run()
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
    log.info("worker %s ends: %s", daemon.worker_id, reason)
    return 0


def _format(count: int) -> str:
    return "%(asctime)s [%(threadName)s] %(message)s" if count > 1 else "%(asctime)s %(message)s"


def _unwritable(error: Exception) -> str:
    try:
        folder: Path | str = default_folder()
    except RuntimeError:
        folder = "in your home folder"
    why = error.strerror if isinstance(error, OSError) else str(error)
    return (
        f"the spool {folder} cannot be written ({why}): a result that the server cannot take at once would be lost. "
        "Make room there, or set BONANZA_SPOOL to a folder that can be written"
    )
