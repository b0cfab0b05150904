"""The service: owns every transaction, answers after the commit, then tells the engine and whoever waits.

A change of one study is ``_change``: lock the study, let the lifecycle work, store the idempotency key with the effect, commit. Answers of POSTs are
made inside the transaction, so that a replayed key gets the very same bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, IntegrityError

from bonanza.schemas import AskAnswer, AskRequest, Study, StudyChange, StudySpec
from bonanza.spaces import Architecture, InvalidSpace, SearchSpace, space_from_spec
from bonanza_server import meters
from bonanza_server.access import my_place, project
from bonanza_server.answers import model_status, study_answer, trial_answer
from bonanza_server.engine import Engine
from bonanza_server.errors import Refused, invalid, wrong_at
from bonanza_server.finding import find_study
from bonanza_server.in_flight import ClientGone, InFlight, Reply
from bonanza_server.lifecycle import studies, transfer
from bonanza_server.lifecycle.archive import Archive, DamagedArchive, read
from bonanza_server.lifecycle.ask import Asking, Served, serve
from bonanza_server.lifecycle.ledger import Ledger, Row, open_ledger
from bonanza_server.lifecycle.pool import Pools
from bonanza_server.search.spec import InvalidStrategy, strategy_spec
from bonanza_server.spaces import Spaces, parse
from bonanza_server.store.database import Database
from bonanza_server.store.idempotency import Key, recall, remember
from bonanza_server.waiting import WaitingRoom

T = TypeVar("T")


class Service:
    """What the API does, for any transport."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        spaces: Spaces,
        pools: Pools,
        waiting: WaitingRoom,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Work on ``database``; ``clock`` gives the seconds since the epoch that everything is dated by."""
        self.database = database
        self.engine = engine
        self.spaces = spaces
        self.waiting = waiting
        self.clock = clock
        self._pools = pools
        self._in_flight = InFlight()

    async def put_study(self, name: str, spec: StudySpec) -> tuple[Study, bool]:
        """Create a study, or get the one that an equal body created; True if created.

        Raises:
            Refused: the space or strategy is not valid, or another study has the name.
        """
        try:
            parsed = await asyncio.to_thread(space_from_spec, spec.space)
            space = await asyncio.to_thread(parsed.spec)
        except InvalidSpace as error:
            raise invalid("invalid-space", error, "/space") from error
        try:
            strategy = strategy_spec(spec.strategy)
        except InvalidStrategy as error:
            raise wrong_at("invalid-strategy", "/strategy" + error.pointer, error.message) from error

        def work(connection: Connection) -> tuple[Row, bool]:
            return studies.create_or_get(
                connection, project(), name, spec, space=space, strategy=strategy, now=self.clock()
            )

        row, created = await self.database.write(work)
        self.spaces.keep(row["space_hash"], parsed)
        answer = study_answer(row, space=space, best=None, refitting=self.engine.fitting(row["id"]))
        return answer, created

    async def patch_study(self, name: str, request: StudyChange, revision: int) -> None:
        """Change a study that is still at ``revision``."""
        await self.change(name, lambda ledger: studies.change(ledger, request, revision))
        self.waiting.announce(my_place(name))

    async def set_state(self, name: str, state: str, reason: str | None, key: Key | None) -> Reply:
        """Pause, resume or finish a study."""

        def work(ledger: Ledger) -> Study:
            studies.set_state(ledger, state, reason)
            return study_answer(ledger.study, space=None, best=None, refitting=False)

        reply = await self.post(name, work, key)
        self.waiting.announce(my_place(name))
        return reply

    async def delete_study(self, name: str) -> None:
        """Delete a study with everything it holds."""
        row = await self.database.write(lambda connection: studies.delete(connection, project(), name))
        self.engine.forget(row["id"])
        self.waiting.announce(my_place(name))

    async def import_study(self, name: str, text: str, key: Key | None) -> Reply:
        """Make the study ``name`` of an export.

        Raises:
            Refused: the text is no whole export, or there is a study of that name.
        """

        async def run() -> Reply:
            try:
                archive, space = await asyncio.to_thread(_open, text)
            except DamagedArchive as error:
                detail = f"{error}. Nothing was imported: export the study again"
                raise Refused("damaged-export", detail, line=error.line) from error

            def work(connection: Connection) -> tuple[Reply, Row | None]:
                replayed = self._recall(connection, key)
                if replayed is not None:
                    return replayed, None
                try:
                    row = transfer.insert(connection, project(), name, archive, now=self.clock())
                except (KeyError, TypeError, ValueError, DataError) as error:
                    # Every line is what its checksum says and the events are a history: somebody wrote this file who is not Bonanza.
                    cause = f"{type(error).__name__}: {error}".splitlines()[0]
                    raise Refused(
                        "damaged-export", f"line 1: no rows can be made of this study ({cause})", line=1
                    ) from error
                body = study_answer(row, space=None, best=None, refitting=False).model_dump_json()
                if key is not None:
                    remember(connection, project(), key, status=201, body=body, now=self.clock())
                return Reply(201, body), row

            reply, row = await self._write(name, work)
            if row is not None:
                self.spaces.keep(row["space_hash"], space)
                self.engine.notify(row)
            return reply

        return await self._in_flight.once(key, run)

    async def change(self, name: str, work: Callable[[Ledger], None]) -> None:
        """Run ``work`` on the locked study in one transaction."""

        def transaction(connection: Connection) -> Row:
            with open_ledger(connection, project(), name, self.clock()) as ledger:
                work(ledger)
            return ledger.study

        self.engine.notify(await self.database.write(transaction, study=my_place(name)))

    async def post(
        self,
        name: str,
        work: Callable[[Ledger], BaseModel],
        key: Key | None,
        *,
        attempt: tuple[int, str] | None = None,
        status: int = 200,
        wakes: int = 1,
    ) -> Reply:
        """``change`` with an answer, stored under ``key``; unless it ``wakes`` none, the asks that wait look again, one after another.

        ``attempt``: the trial's number and the lease token that the request is about, to be locked with the study.
        """
        return await self._in_flight.once(
            key, partial(self._post, name, work, key, attempt=attempt, status=status, wakes=wakes)
        )

    async def post_cells(
        self,
        name: str,
        values: Sequence[object],
        pointer: str,
        work: Callable[[Ledger, list[Architecture]], BaseModel],
        key: Key | None,
        *,
        status: int = 200,
        wakes: int = 1,
    ) -> Reply:
        """``post`` of a body with architectures, which are parsed and identified before it locks the study: thousands take seconds.

        Raises:
            Refused: there is no such study, or one of ``values`` is no architecture of its space; ``pointer`` with its index says where it stands.
        """

        async def run() -> Reply:
            replayed = await self.database.read(partial(self._recall, key=key)) if key is not None else None
            if replayed is not None:
                return replayed
            space_hash, space = await self.database.read(partial(self._space, name=name))
            cells = await asyncio.to_thread(_parsed, space, values, pointer)

            def locked(ledger: Ledger) -> BaseModel:
                if ledger.study["space_hash"] != space_hash:
                    detail = f"study {name!r} was deleted and made anew in another space meanwhile: look at it, then send this again"
                    raise Refused("conflict", detail)
                return work(ledger, cells)

            return await self._post(name, locked, key, status=status, wakes=wakes)

        return await self._in_flight.once(key, run)

    def _space(self, connection: Connection, *, name: str) -> tuple[str, SearchSpace]:
        space_hash: str = find_study(connection, name)["space_hash"]
        return space_hash, self.spaces.get(connection, space_hash)

    async def _post(
        self,
        name: str,
        work: Callable[[Ledger], BaseModel],
        key: Key | None,
        *,
        attempt: tuple[int, str] | None = None,
        status: int,
        wakes: int,
    ) -> Reply:
        def transaction(connection: Connection) -> tuple[Reply, Row | None]:
            with self._locked(connection, name, key, attempt) as ledger:
                if isinstance(ledger, Reply):
                    return ledger, None
                body = work(ledger).model_dump_json()
            if key is not None:
                remember(connection, project(), key, status=status, body=body, now=ledger.now)
            return Reply(status, body), ledger.study

        reply, study = await self._write(name, transaction)
        if study is not None:
            self.engine.notify(study)
            if wakes:
                self.waiting.announce(my_place(name))
        return reply

    async def ask(
        self,
        name: str,
        request: AskRequest,
        key: Key | None,
        gone: Callable[[], Awaitable[bool]],
        *,
        trace: str | None = None,
    ) -> Reply:
        """Lease trials to the asker, waiting up to ``wait_s`` for what is worth waiting for; they keep its ``trace``.

        Raises:
            ClientGone: ``gone()`` said so before anything was leased.
            Refused: there is no such study, or the key was used for another request.
        """
        return await self._in_flight.once(key, partial(self._ask, Asking(request, trace), name, key, gone))

    async def _ask(self, asking: Asking, name: str, key: Key | None, gone: Callable[[], Awaitable[bool]]) -> Reply:
        clock = asyncio.get_running_loop().time
        begun, deadline = time.perf_counter(), clock() + asking.request.wait_s
        with self.waiting.line(my_place(name)) as ticket:
            while True:
                asking.patient = clock() < deadline and not self.waiting.closed
                reply, served, study = await self._write(
                    name, partial(self._try_ask, name=name, asking=asking, key=key)
                )
                if served is None:
                    return reply
                asking.covers = served.covers
                if served.pool is not None and served.trials:
                    served.pool.cursor = max(served.pool.cursor, served.cursor)
                self.engine.notify(study)
                if served.needs_enumeration and not served.trials:
                    asking.every = await self.spaces.enumerate(study["space_hash"])
                    continue
                worth_waiting = served.waits_for_fit or served.reason == "waiting_for_results"
                if served.trials or not worth_waiting or not asking.patient:
                    meters.asked(served.trials, served.avoided, begun)
                    return reply
                if not await ticket.wait(deadline - clock(), gone):
                    raise ClientGone

    def _try_ask(
        self, connection: Connection, *, name: str, asking: Asking, key: Key | None
    ) -> tuple[Reply, Served | None, Row]:
        with self._locked(connection, name, key) as ledger:
            if isinstance(ledger, Reply):
                return ledger, None, {}
            study = ledger.study
            space = self.spaces.get(connection, study["space_hash"])
            pool = self._pools.get(connection, ledger.id, study["fit_id"])
            asking.fit_can_come = self.engine.can_come(study)
            served = serve(ledger, space, pool, asking)
        refitting = self.engine.fitting(ledger.id)
        short = len(served.trials) < asking.request.count
        reason = (served.reason or "waiting_for_results") if short else None
        answer = AskAnswer(
            trials=[trial_answer(trial, attempt, study, token=True) for trial, attempt in served.trials],
            reason=reason,
            retry_after_s=retry_after(study, reason),
            model=model_status(study, refitting=refitting),
        )
        body = answer.model_dump_json()
        if key is not None and served.trials:
            remember(connection, project(), key, status=200, body=body, now=ledger.now)
        return Reply(200, body), served, study

    @contextmanager
    def _locked(
        self, connection: Connection, name: str, key: Key | None, attempt: tuple[int, str] | None = None
    ) -> Iterator[Ledger | Reply]:
        """The locked study, or the answer that ``key`` had before.

        The key is looked up under the lock, so that of two processes with the same request at once one finds what the other has
        answered; and without a lock where the study is gone by now.
        """
        with ExitStack() as stack:
            try:
                ledger = stack.enter_context(open_ledger(connection, project(), name, self.clock(), attempt=attempt))
            except Refused:
                found: Ledger | Reply | None = self._recall(connection, key)
                if found is None:
                    raise
            else:
                found = self._recall(connection, key) or ledger
            yield found

    def _recall(self, connection: Connection, key: Key | None) -> Reply | None:
        stored = None if key is None else recall(connection, project(), key)
        if stored is None or key is None:
            return None
        if stored.fingerprint != key.fingerprint:
            raise Refused(
                "idempotency-key-reused",
                f"Idempotency-Key {key.key!r} was used for another request before: use a new key for a new request",
            )
        return Reply(stored.status, stored.body, replayed=True)

    async def _write(self, name: str, transaction: Callable[[Connection], T]) -> T:
        try:
            return await self.database.write(transaction, study=my_place(name))
        except IntegrityError as error:
            if "idempotency" not in str(error.orig):
                raise
            # Two processes did the same request at once; the key's row of the other is there now.
            raise Refused(
                "request-in-flight", "another server process is doing this very request: send it again", retry_after_s=1
            ) from error


def _parsed(space: SearchSpace, values: Sequence[object], pointer: str) -> list[Architecture]:
    """The architectures, each of which remembers its id by now: that is what takes long."""
    cells = [parse(space, value, pointer.format(index)) for index, value in enumerate(values)]
    for cell in cells:
        _ = cell.arch_id
    return cells


def _open(text: str) -> tuple[Archive, SearchSpace]:
    archive = read(text)
    return archive, transfer.check(archive)


def retry_after(study: Row, reason: str | None) -> float | None:
    """When to ask again; None where asking again is of no use: nothing more will come unless a person changes the study."""
    if reason is None or reason == "finished":
        return None
    if reason in {"budget_reached", "space_exhausted"}:
        # Trials under way may come back, should their workers be lost: somebody has to be there for them.
        return float(study["lease"]["heartbeat_s"]) if study["running"] + study["pending"] else None
    return 5.0 if reason == "paused" else 1.0
