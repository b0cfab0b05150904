"""Questions: everything a GET answers, on read-only views of one moment."""

from __future__ import annotations

import asyncio
import heapq
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza.schemas import (
    Event,
    Explanation,
    FeatureList,
    Model,
    Ranked,
    RankedList,
    Study,
    StudyList,
    Trial,
    TrialList,
)
from bonanza_server.access import visible
from bonanza_server.answers import model_answer, moment, study_answer, trial_answer, trial_fields
from bonanza_server.engine import POOL_SIZE, Engine
from bonanza_server.finding import best_architectures, find_study, find_trial, live_attempts
from bonanza_server.lifecycle import features
from bonanza_server.lifecycle.archive import write
from bonanza_server.lifecycle.ledger import Row
from bonanza_server.lifecycle.modelling import measured_cells, rank_correlation
from bonanza_server.lifecycle.pool import Pools
from bonanza_server.lifecycle.posterior import posteriors
from bonanza_server.lifecycle.transfer import records
from bonanza_server.paging import make_token, read_token
from bonanza_server.store.database import Database
from bonanza_server.store.models import events, fits, spaces, studies, trials

EVENTS_A_READ = 500
MOST_BY_NUMBER = 1_000


class Reading:
    """The reading half of the API."""

    def __init__(self, database: Database, engine: Engine, pools: Pools) -> None:
        """Read from ``database``; ask ``engine`` which fits run."""
        self._database = database
        self._engine = engine
        self._pools = pools

    async def study(self, name: str) -> Study:
        """One study with its space."""

        def work(connection: Connection) -> Study:
            row = find_study(connection, name)
            space = connection.execute(sa.select(spaces.c.spec).where(spaces.c.hash == row["space_hash"])).scalar_one()
            best = sa.select(trials.c.architecture).where(
                trials.c.study_id == row["id"], trials.c.number == row["best_number"]
            )
            architecture = connection.execute(best).scalar_one_or_none()
            return study_answer(row, space=space, best=architecture, refitting=self._engine.fitting(row["id"]))

        return await self._database.read(work)

    async def space(self, name: str) -> dict[str, Any]:
        """The spec of a study's space."""

        def work(connection: Connection) -> dict[str, Any]:
            row = find_study(connection, name)
            query = sa.select(spaces.c.spec).where(spaces.c.hash == row["space_hash"])
            spec: dict[str, Any] = connection.execute(query).scalar_one()
            return spec

        return await self._database.read(work)

    async def cells(self, name: str) -> tuple[dict[str, int], bool]:
        """The study's cells, by id the first trial of each, and whether more is better."""

        def work(connection: Connection) -> tuple[dict[str, int], bool]:
            study = find_study(connection, name)
            query = sa.select(trials.c.arch_id, trials.c.number).where(
                trials.c.study_id == study["id"], trials.c.repeat_of.is_(None), sa.not_(trials.c.invalidated)
            )
            found = {row.arch_id: row.number for row in connection.execute(query)}
            return found, study["objectives"][0]["direction"] == "maximize"

        return await self._database.read(work)

    async def by_number(self, name: str, numbers: list[int]) -> list[Trial]:
        """The trials of these numbers, in the order of their numbers, at most 1,000 of them."""

        def work(connection: Connection) -> list[Trial]:
            study = find_study(connection, name)
            some = trials.c.number.in_(numbers[:MOST_BY_NUMBER])
            query = sa.select(trials).where(trials.c.study_id == study["id"], some).order_by(trials.c.number)
            return self._page(connection, study, query, MOST_BY_NUMBER).trials

        return await self._database.read(work)

    async def studies(self, *, state: str | None, tag: str | None, page_size: int, page_token: str | None) -> StudyList:
        """A page of studies by name, without their spaces."""
        after = read_token(page_token, str)

        def work(connection: Connection) -> StudyList:
            query = sa.select(studies).where(visible(studies.c.project, studies.c.name)).order_by(studies.c.name)
            if state is not None:
                query = query.where(studies.c.state == state)
            if after is not None:
                query = query.where(studies.c.name > after)
            # Tags are few and studies at most thousands: filtered here rather than by two dialects' JSON operators.
            rows = [dict(row) for row in connection.execute(query).mappings() if tag is None or tag in row["tags"]]
            page = rows[:page_size]
            best = best_architectures(
                connection, [(row["id"], row["best_number"]) for row in page if row["best_number"] is not None]
            )
            return StudyList(
                studies=[
                    study_answer(row, space=None, best=best.get(row["id"]), refitting=self._engine.fitting(row["id"]))
                    for row in page
                ],
                next_page_token=make_token(page[-1]["name"]) if len(rows) > page_size else None,
            )

        return await self._database.read(work)

    async def trial(self, name: str, number: int) -> Trial:
        """One trial with its live attempt."""

        def work(connection: Connection) -> Trial:
            study = find_study(connection, name)
            trial = find_trial(connection, study, number)
            return trial_answer(trial, live_attempts(connection, study["id"], [number]).get(number), study)

        return await self._database.read(work)

    async def trials(
        self, name: str, *, filters: dict[str, str | None], page_size: int, page_token: str | None
    ) -> TrialList:
        """A page of trials by number; ``filters`` are equalities on state, arch_id and origin."""
        after = read_token(page_token, int)

        def work(connection: Connection) -> TrialList:
            study = find_study(connection, name)
            query = (
                sa.select(trials).where(trials.c.study_id == study["id"]).order_by(trials.c.number).limit(page_size + 1)
            )
            for column, value in filters.items():
                if value is not None:
                    query = query.where(trials.c[column] == value)
            if after is not None:
                query = query.where(trials.c.number > after)
            return self._page(connection, study, query, page_size)

        return await self._database.read(work)

    async def features(self, name: str) -> FeatureList:
        """What is known of a study's architectures without training them."""
        found = await self._database.read(lambda connection: features.read(connection, find_study(connection, name)))
        return await asyncio.to_thread(found.summary)

    async def best(self, name: str, k: int) -> RankedList:
        """The ``k`` best cells, best first, by what is known of their true values; of equal ones the earliest."""

        def work(connection: Connection) -> RankedList:
            study = find_study(connection, name)
            sign = -1.0 if study["objectives"][0]["direction"] == "maximize" else 1.0
            known = posteriors(measured_cells(connection, study["id"]))
            known = heapq.nsmallest(k, known, key=lambda one: (sign * one.mean, one.number))
            numbers = [one.number for one in known]
            query = sa.select(trials).where(trials.c.study_id == study["id"], trials.c.number.in_(numbers))
            rows = {row["number"]: dict(row) for row in connection.execute(query).mappings()}
            ranked = []
            for one in known:
                low, high = one.interval or (None, None)
                posterior = {"mean": one.mean, "std": one.std, "low": low, "high": high, "count": one.count}
                fields = trial_fields(rows[one.number], None, study) | {"posterior": posterior}
                ranked.append(Ranked.model_validate(fields))
            return RankedList(trials=ranked)

        return await self._database.read(work)

    def _page(self, connection: Connection, study: Row, query: sa.Select[Any], page_size: int) -> TrialList:
        rows = [dict(row) for row in connection.execute(query).mappings()]
        page = rows[:page_size]
        live = live_attempts(
            connection, study["id"], [row["number"] for row in page if row["live_attempt"] is not None]
        )
        return TrialList(
            trials=[trial_answer(row, live.get(row["number"]), study) for row in page],
            next_page_token=make_token(page[-1]["number"]) if len(rows) > page_size else None,
        )

    async def explain(self, name: str, number: int) -> Explanation:
        """Why a trial was proposed."""

        def work(connection: Connection) -> Explanation:
            study = find_study(connection, name)
            trial = find_trial(connection, study, number)
            under_way = sa.select(trials.c.number).where(
                trials.c.study_id == study["id"],
                trials.c.number < number,
                sa.or_(trials.c.finished_at.is_(None), trials.c.finished_at > trial["created_at"]),
            )
            return Explanation(
                number=number,
                origin=trial["origin"],
                model_version=trial["fit_version"],
                read_sequence=trial["fit_event"],
                rank=trial["fit_rank"],
                mean=trial["mean"],
                std=trial["std"],
                acquisition=trial["acquisition"],
                pending=list(connection.execute(under_way.order_by(trials.c.number)).scalars()),
                alternatives=trial["explanation"] or [],
            )

        return await self._database.read(work)

    async def model(self, name: str) -> Model:
        """The state and the worth of a study's model."""

        def work(connection: Connection) -> Model:
            study = find_study(connection, name)
            fit = connection.execute(sa.select(fits).where(fits.c.id == study["fit_id"])).mappings().one_or_none()
            pool = self._pools.get(connection, study["id"], study["fit_id"])
            tau, pairs = rank_correlation(connection, study["id"])
            failed = sa.select(events.c.data).where(events.c.study_id == study["id"], events.c.kind == "fit.failed")
            error = connection.execute(failed.order_by(events.c.seq.desc()).limit(1)).scalar_one_or_none()
            return model_answer(
                study,
                None if fit is None else dict(fit),
                refitting=self._engine.fitting(study["id"]),
                pool=pool.left if pool else 0,
                tau=tau,
                pairs=pairs,
                last_error=error and error["error"],
            )

        return await self._database.read(work)

    async def export(self, name: str, now: float) -> list[str]:
        """The lines of a study's export, of one moment."""

        def work(connection: Connection) -> list[str]:
            study = find_study(connection, name)
            return list(write(records(connection, study, pool_size=POOL_SIZE, now=now)))

        return await self._database.read(work)

    async def events(self, name: str, after: int, limit: int = EVENTS_A_READ) -> list[Event]:
        """The events with a sequence number greater than ``after``, oldest first, at most ``limit``."""

        def work(connection: Connection) -> list[Event]:
            study = find_study(connection, name)
            query = (
                sa.select(events)
                .where(events.c.study_id == study["id"], events.c.seq > after)
                .order_by(events.c.seq)
                .limit(limit)
            )
            return [
                Event.model_validate(
                    {"seq": row.seq, "at": moment(row.at), "kind": row.kind, "number": row.number, "data": row.data}
                )
                for row in connection.execute(query)
            ]

        return await self._database.read(work)
