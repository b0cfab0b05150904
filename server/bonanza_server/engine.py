"""The engine: keeps every study's model up with its results, one fit at a time a study, off the API's path.

A tell marks its study; the fit that starts then reads everything told by then, and whatever comes meanwhile is in the next one. A fit is a pure
function of the history, sent to an executor; its pool is stored in SQL, and whoever waits for it is woken. A fit that crashes, hangs or runs
out of memory costs nothing but freshness: the last pool keeps serving, the fit is tried again with back-off, and once it has failed
``DEGRADED_AFTER`` times in a row no ask waits for it any more: without a pool it gets an unseen sample at once. Several processes on one
database share the work: who fits a study claims it first.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from sqlalchemy.engine import Connection

from bonanza_server import meters
from bonanza_server.access import place_of
from bonanza_server.answers import DEGRADED_AFTER
from bonanza_server.fitting import FitJob, FitResult, fit, rank
from bonanza_server.lifecycle.ask import INITIAL_DESIGN, over
from bonanza_server.lifecycle.claim import claim, release, release_all
from bonanza_server.lifecycle.ledger import Row, open_ledger
from bonanza_server.lifecycle.modelling import (
    HistoryRead,
    is_same,
    note_failure,
    publish,
    ranked_by_mean,
    read_history,
    studies_behind,
    study_rows,
)
from bonanza_server.lifecycle.phases import choose, kept_back
from bonanza_server.lifecycle.pool import Pools
from bonanza_server.store.database import Database

log = logging.getLogger(__name__)

T = TypeVar("T")

POOL_SIZE = 320
TOP_UP_BELOW = POOL_SIZE // 4
LONGEST_BACK_OFF_S = 300.0


class FitDropped(RuntimeError):
    """The executor gave a fit up without running it to its end."""


class Engine:
    """Fits the models of all studies. Runs on the event loop's thread; ``due``, ``can_come`` and ``fitting`` only look, from any."""

    def __init__(
        self,
        database: Database,
        executor: Executor | None,
        pools: Pools,
        *,
        clock: Callable[[], float],
        on_change: Callable[[str], None],
    ) -> None:
        """Send fits to ``executor`` (None: this process fits nothing).

        ``on_change(place)`` wakes who waits for the study: a fit was stored, or none will come.
        """
        self.server_id = str(uuid.uuid4())
        self._database = database
        self._executor = executor
        self._pools = pools
        self._clock = clock
        self._on_change = on_change
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._news: set[int] = set()
        self._not_before: dict[int, float] = {}
        self._idle: dict[int, int] = {}
        self._draining = False
        self._failed: list[str] = []

    def now(self) -> float:
        """The time by the server's clock."""
        return self._clock()

    def due(self, study: Row) -> bool:
        """Whether a fit, or a choice of cells to confirm, would change what the next ask gets, and this process fits at all."""
        if self._draining:
            return False
        if self._executor is not None and study["state"] == "running" and study["search_state"] == "over":
            return True
        n_initial = study["strategy"].get(INITIAL_DESIGN)
        most = study["budget"]["max_trials"]
        if (
            self._executor is None
            or n_initial is None
            or study["state"] != "running"
            or study["next_number"] < n_initial
        ):
            return False
        if (
            study["search_state"] != "open"
            or study["complete"] == 0
            or (most is not None and study["started"] >= most - kept_back(study))
            or over(study, self._clock())
        ):
            return False
        return study["result_event"] > study["fit_event"] or self._runs_low(study)

    def _runs_low(self, study: Row) -> bool:
        pool = self._pools.newest(study["id"])
        # A fit that found fewer proposals than it was asked for has used the space up: another would find no more.
        return (
            pool is not None
            and pool.fit_id == study["fit_id"]
            and len(pool.proposals) >= POOL_SIZE
            and pool.left < TOP_UP_BELOW
        )

    def fitting(self, study_id: int) -> bool:
        """Whether this process is at a fit of the study."""
        return study_id in self._tasks

    def can_come(self, study: Row) -> bool:
        """Whether waiting for a fit makes sense: one is running or due, here or in another process, and the last ones did not fail."""
        if study["fit_failures"] >= DEGRADED_AFTER:
            return False
        if study["fit_server"] is not None or self.fitting(study["id"]):
            return True
        return self._not_before.get(study["id"], 0.0) <= self._clock() and self.due(study)

    def notify(self, study: Row) -> None:
        """A study's row after a commit: start a fit if it needs one that nobody makes."""
        key = study["id"]
        if self._not_before.get(key, 0.0) > self._clock() or not self.due(study):
            return
        if study["fit_server"] not in {None, self.server_id}:
            return
        if key in self._tasks:
            self._news.add(key)
        else:
            self._tasks[key] = asyncio.create_task(self._keep_up(study), name=f"fit-{study['name']}")

    async def sweep(self) -> None:
        """Start the fits that nobody told this process of: after a start or a back-off, or because another process took the tell."""
        behind = await self._database.read(studies_behind)
        # What is not due stays so until something happens to the study; whatever does has an event.
        found = [key for key, event in behind if key not in self._tasks and self._idle.get(key) != event]
        for study in await self._database.read(partial(study_rows, keys=found)) if found else []:
            if self.due(study):
                self.notify(study)
            else:
                self._idle[study["id"]] = study["last_event"]

    def trouble(self) -> str | None:
        """What is wrong with the fits of this process, once so many in a row have failed, of whichever study; None while they work."""
        if len(self._failed) < DEGRADED_AFTER:
            return None
        return f"the last {DEGRADED_AFTER} fits failed, the newest with {self._failed[-1].splitlines()[0]}"

    def forget(self, study_id: int) -> None:
        """A study was deleted."""
        task = self._tasks.get(study_id)
        if task is not None:
            task.cancel()
        for known in (self._not_before, self._idle):
            known.pop(study_id, None)
        self._pools.forget(study_id)

    def drain(self) -> None:
        """Begin no more fits: other processes make them. One that runs may end."""
        self._draining = True

    async def close(self) -> None:
        """Stop; a fit that runs is thrown away and made again by the next server."""
        executor, self._executor = self._executor, None  # so that nothing more is due
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if executor is None:
            return
        await asyncio.to_thread(partial(executor.shutdown, cancel_futures=True))
        try:
            await self._database.write(partial(release_all, server=self.server_id))
        except Exception:  # noqa: BLE001 - the database may be why the server stops; the claims run out by themselves
            log.warning("could not let go of the studies this server fits")

    async def _keep_up(self, study: Row) -> None:
        """Fit until the model is up with the results."""
        key = study["id"]
        try:
            while True:
                self._news.discard(key)
                if await self._database.write(partial(self._claim, study=study), study=place_of(study)):
                    await self._fit_once(study)
                elif key not in self._news:
                    return
        except Exception as error:  # noqa: BLE001 - whatever a fit does, the service goes on; CancelledError is no Exception
            await self._give_up(study, error)
        finally:
            self._tasks.pop(key, None)
            self._news.discard(key)
            self._on_change(place_of(study))

    def _claim(self, connection: Connection, *, study: Row) -> bool:
        """Make the study's next fit this process's; False where there is none to make, or another process makes it."""
        with open_ledger(connection, study["project"], study["name"], self._clock()) as ledger:
            return is_same(ledger.study, study) and self.due(ledger.study) and claim(ledger, self.server_id)

    async def _fit_once(self, study: Row) -> None:
        read = await self._database.read(partial(read_history, study_id=study["id"]))
        if read is None:
            return  # deleted meanwhile
        if read.study["search_state"] == "over":
            await self._choose(read)
            return
        if read.observations:
            result = await self._run(fit, job_of(read))
        else:
            result = FitResult(proposals=[], diagnostics={"empty": "every result was invalidated"}, seconds=0.0)

        def store(connection: Connection) -> tuple[bool, Row]:
            with open_ledger(connection, study["project"], study["name"], self._clock()) as ledger:
                published = publish(
                    ledger,
                    read.study,
                    observations=len(read.observations),
                    sources=read.sources,
                    proposals=result.proposals,
                    diagnostics=result.diagnostics,
                    seconds=result.seconds,
                )
                release(ledger, self.server_id)
            return published, ledger.study

        published, after = await self._database.write(store, study=place_of(study))
        self._not_before.pop(study["id"], None)
        if published:
            meters.fitted(result.seconds)
            self._failed.clear()
            self._pools.put(after["id"], after["fit_id"], after["fit_version"], after["fit_event"], result.proposals)
            self._on_change(place_of(study))

    async def _choose(self, read: HistoryRead) -> None:
        """Have the model say which cells are the best of all measured, and queue them to be confirmed."""
        by, ranked = "mean", ranked_by_mean(read)
        if read.observations and read.study["fit_failures"] < DEGRADED_AFTER:
            by, ranked = "model", await self._run(rank, job_of(read))

        def store(connection: Connection) -> Row:
            with open_ledger(connection, read.study["project"], read.study["name"], self._clock()) as ledger:
                if is_same(ledger.study, read.study) and ledger.study["search_state"] == "over":
                    choose(ledger, ranked, read=read.study["last_event"], by=by, sources=read.sources)
                    ledger.study["fit_failures"] = 0
                release(ledger, self.server_id)
            return ledger.study

        after = await self._database.write(store, study=place_of(read.study))
        self._not_before.pop(after["id"], None)
        self._on_change(place_of(after))

    async def _run(self, work: Callable[[FitJob], T], job: FitJob) -> T:
        assert self._executor is not None
        try:
            with meters.FITTING.track_inprogress():
                return await asyncio.wrap_future(self._executor.submit(work, job))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise FitDropped("the executor dropped the fit") from None

    async def _give_up(self, study: Row, error: Exception) -> None:
        message = f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode()
        log.warning("fit of study %s failed: %s", study["name"], message)
        meters.FITS.labels("failed").inc()
        self._failed = [*self._failed, message][-DEGRADED_AFTER:]

        def note(connection: Connection) -> int:
            with open_ledger(connection, study["project"], study["name"], self._clock()) as ledger:
                release(ledger, self.server_id)
                return note_failure(ledger, message) if is_same(ledger.study, study) else 0

        try:
            failures = await self._database.write(note, study=place_of(study))
        except Exception:  # noqa: BLE001 - the study is gone or the database is down: then there is nothing to note it in
            log.warning("could not record the failed fit of study %s", study["name"])
            failures = DEGRADED_AFTER
        self._not_before[study["id"]] = self._clock() + min(LONGEST_BACK_OFF_S, 2.0 ** min(failures, 10))


def job_of(read: HistoryRead, *, pool_size: int = POOL_SIZE) -> FitJob:
    """The fit of a history."""
    study = read.study
    return FitJob(
        space=read.space,
        strategy=study["strategy"],
        seed=study["seed"],
        # Not the newest event: fits have events too, and when they happen to end must not change what is proposed.
        seq=study["results"],
        maximize=read.maximize,
        observations=read.observations,
        pending=read.pending,
        excluded=read.excluded,
        pool_size=pool_size,
        sources=read.sources,
        pruned=read.pruned,
        curves=read.curves,
        features=read.features,
    )
