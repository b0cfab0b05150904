"""Webhooks: what the events of studies say, sent to one address: a new best, a study finished or paused, a worker in quarantine.

They are driven from the events table. Each study's row says which event was the last that needs no webhook any more; it moves on once what was to be sent has been taken.
So a server that stops loses none, and may send the last one again: at least once, with the same ``webhook-id``. An address that does not take one is tried again with back-off,
in order, for ``GIVE_UP_S``. Of several server processes one delivers, for as long as it renews its hold.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import httpx
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from bonanza_server import meters
from bonanza_server.lifecycle import phases
from bonanza_server.lifecycle.ask import over
from bonanza_server.lifecycle.ledger import Row
from bonanza_server.settings import Settings
from bonanza_server.standard_webhook import Message, headers, key_of
from bonanza_server.store.database import Database
from bonanza_server.store.models import events, studies, webhooks

log = logging.getLogger(__name__)

LOOK_S = 1.0
HOLD_S = 30.0
TIMEOUT_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 600.0
GIVE_UP_S = 3 * 86_400.0
EVENTS_A_LOOK, STUDIES_A_LOOK = 500, 100
SAVE_EVERY = 1_000
"""Events without news that are passed before the study's row says so: a restart looks at them again, and nothing more."""

NEWS = {"study.finished": "study.finished", "study.paused": "study.paused", "worker.quarantined": "worker.quarantined"}
ENDS = {"trial.completed", "trial.pruned", "trial.failed", "trial.infeasible", "trial.cancelled"}


Place = tuple[int, float]
"""A study's key and when it was made: SQLite gives the key of a deleted study again."""


class Target(NamedTuple):
    """Where webhooks go, and what signs them."""

    url: str
    key: bytes

    @property
    def hash(self) -> str:
        """What stands for it in the database, where no secret of a URL belongs."""
        return hashlib.sha256(self.url.encode()).hexdigest()


class Webhooks:
    """The deliveries of one server process; ``target`` None: nothing is sent."""

    def __init__(
        self,
        database: Database,
        target: Target | None,
        server: str,
        *,
        clock: Callable[[], float],
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        """Deliver what ``database`` has to ``target``, as the process ``server``."""
        self._database = database
        self._target = target
        self._server = server
        self._clock = clock
        self._first_pause = first_pause_s
        self._http: httpx.AsyncClient | None = None
        self._task: asyncio.Task[None] | None = None
        self._seen: dict[Place, int] = {}
        self._since = 0.0
        self._held_until = 0.0
        self._failures = 0

    @classmethod
    def of(cls, settings: Settings, database: Database, server: str, *, clock: Callable[[], float]) -> Webhooks:
        """As the settings say."""
        url, secret = settings.webhook_url, settings.webhook_secret
        if url is None or secret is None:
            return cls(database, None, server, clock=clock)
        return cls(database, Target(url, key_of(secret.get_secret_value())), server, clock=clock)

    async def start(self) -> None:
        """Note since when this address is told, or that none is; then deliver until ``close``."""
        self._since = await self._database.write(partial(_since, target=self._target, now=self._clock()))
        if self._target is not None:
            self._http = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False)
            self._task = asyncio.create_task(self._go_on(), name="webhooks")

    async def close(self) -> None:
        """Stop; what was not taken yet is sent by the next server."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()
        if self._held_until:
            with suppress(DBAPIError):  # then the hold runs out by itself
                await self._database.write(partial(_let_go, server=self._server))

    async def _go_on(self) -> None:
        while True:
            pause = LOOK_S
            try:
                if await self._holds():
                    pause = await self._round()
            except DBAPIError as error:
                log.warning("webhooks wait for the database: %s", error.orig)
            except Exception:
                log.exception("webhooks failed, and go on")
            await asyncio.sleep(pause)

    async def _holds(self) -> bool:
        """Whether this process is the one that delivers."""
        if self._database.sqlite:
            return True
        if self._held_until - self._clock() < HOLD_S / 2:
            assert self._target is not None
            work = partial(_hold, target=self._target, server=self._server, now=self._clock())
            self._held_until = self._clock() + HOLD_S if await self._database.write(work) else 0.0
            if not self._held_until:
                self._seen.clear()  # whoever holds it moves the studies' rows on
        return self._held_until > 0

    async def _round(self) -> float:
        """Send what is new; return how long to wait before the next look."""
        more = False
        for study, page in await self._database.read(partial(_look, seen=self._seen)):
            whole = page[-1]["seq"] == study["last_event"]
            ended = max((event["seq"] for event in page if event["kind"] in ENDS), default=None) if whole else None
            more |= not whole
            for event in page:
                last_end = event["seq"] == ended
                message = None if event["at"] < self._since else news(study, event, last_end=last_end)
                if message is not None and not await self._delivered(message):
                    return min(LONGEST_PAUSE_S, self._first_pause * 2.0 ** min(self._failures - 1, 20))
                seq = self._seen[study["id"], study["created_at"]] = event["seq"]
                if message is not None or seq - study["webhook_event"] >= SAVE_EVERY:
                    await self._database.write(partial(_move_on, study=study["id"], to=seq))
                    study["webhook_event"] = seq
        return 0.0 if more else LOOK_S

    async def _delivered(self, message: Message) -> bool:
        """Whether the address took it, or it is so old that it is left."""
        assert self._target is not None
        assert self._http is not None
        sent = headers(message, self._target.key, time.time())  # the receiver compares it with its own clock
        try:
            answer = await self._http.post(self._target.url, content=message.body, headers=sent)
            if answer.is_success:
                self._failures = 0
                meters.WEBHOOKS.labels("delivered").inc()
                return True
            cause = f"it answered {answer.status_code}"
        except httpx.HTTPError as error:
            cause = f"{type(error).__name__}: {error}"
        if message.at < self._clock() - GIVE_UP_S:
            log.error("webhook %s (%s) is given up: %s", message.id, message.type, cause)
            meters.WEBHOOKS.labels("given_up").inc()
            return True
        self._failures += 1
        meters.WEBHOOKS.labels("failed").inc()
        log.warning("webhook %s (%s) was not taken, trying again: %s", message.id, message.type, cause)
        return False


def news(study: Row, event: Row, *, last_end: bool) -> Message | None:
    """What an event is worth telling, if anything. ``study`` is its row as of now, and ``last_end`` says that no attempt at it has ended since."""
    data = event["data"]
    about = {"project": study["project"], "study": study["name"], "event": event["seq"]}
    kind = NEWS.get(event["kind"])
    if kind is not None:
        about |= {name: data[name] for name in ("reason", "by", "worker", "slot", "error") if name in data}
    elif data.get("best"):
        kind = "study.new_best"
        about |= {"trial": event["number"], "value": data["value"], "objective": study["objectives"][0]["name"]}
    elif last_end and _spent(study, event["at"]):
        kind = "study.finished"
        about |= {"reason": "the budget is spent and nothing runs any more", "by": "budget"}
    if kind is None:
        return None
    identity = f"{study['project']}/{study['name']}/{study['created_at']}/{event['seq']}"
    return Message(f"msg_{hashlib.sha256(identity.encode()).hexdigest()[:27]}", kind, event["at"], about)


def _spent(study: Row, at: float) -> bool:
    """Whether nothing more will be started, and nothing is under way."""
    if study["running"] + study["pending"] > 0 or study["state"] != "running":
        return False
    most = study["budget"]["max_trials"]
    confirmed = phases.confirm(study) is None or study["search_state"] == "confirmed"
    return (most is not None and study["started"] >= most) or (confirmed and over(study, at))


def _since(connection: Connection, *, target: Target | None, now: float) -> float:
    """Since when ``target`` is told; addresses that are told no more are forgotten."""
    mine = "" if target is None else target.hash
    connection.execute(sa.delete(webhooks).where(webhooks.c.url_hash != mine))
    if target is None:
        return now
    found = connection.execute(sa.select(webhooks.c.since).where(webhooks.c.url_hash == mine)).scalar_one_or_none()
    if found is None:
        connection.execute(sa.insert(webhooks), {"url_hash": mine, "since": now, "held_until": 0.0})
    return now if found is None else float(found)


def _hold(connection: Connection, *, target: Target, server: str, now: float) -> bool:
    free = sa.or_(webhooks.c.holder.is_(None), webhooks.c.holder == server, webhooks.c.held_until < now)
    mine = sa.update(webhooks).where(webhooks.c.url_hash == target.hash, free)
    return connection.execute(mine.values(holder=server, held_until=now + HOLD_S)).rowcount == 1


def _let_go(connection: Connection, *, server: str) -> None:
    connection.execute(sa.update(webhooks).where(webhooks.c.holder == server).values(holder=None))


def _look(connection: Connection, *, seen: dict[Place, int]) -> list[tuple[Row, list[Row]]]:
    """The studies with events that were not looked at yet, and these: of one moment, and not too many at once."""
    behind = sa.select(studies.c.id, studies.c.created_at, studies.c.last_event, studies.c.webhook_event).where(
        studies.c.last_event > studies.c.webhook_event
    )
    found: list[tuple[Row, list[Row]]] = []
    for key, created_at, last, done in connection.execute(behind).all():
        after = max(done, seen.get((key, created_at), 0))
        if last > after and len(found) < STUDIES_A_LOOK:
            study = connection.execute(sa.select(studies).where(studies.c.id == key)).mappings().one()
            query = sa.select(events).where(events.c.study_id == key, events.c.seq > after)
            page = connection.execute(query.order_by(events.c.seq).limit(EVENTS_A_LOOK)).mappings()
            found.append((dict(study), [dict(row) for row in page]))
    return [(study, page) for study, page in found if page]


def _move_on(connection: Connection, *, study: int, to: int) -> None:
    mine = sa.update(studies).where(studies.c.id == study, studies.c.webhook_event < to)
    connection.execute(mine.values(webhook_event=to))
