"""Ask: which trials this worker gets, in one short transaction without any model work.

In this order: its own live trials (``reuse``), pending trials (those that come back first, then the queue, the confirmation's among it), the random
baseline where the study has one, the initial design while fewer than ``n_initial`` trials were created, the newest fit's pool, and last an unseen sample, which is never taken while a fit can still come within ``wait_s``.
The unique index on (study, cell) is the referee; on a clash the next candidate is taken.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import sqlalchemy as sa

from bonanza.schemas import AskRequest
from bonanza.schemas.trial import Shortfall
from bonanza.spaces import Architecture, SearchSpace
from bonanza_server.lifecycle import phases
from bonanza_server.lifecycle.lease import new_attempt, take_up
from bonanza_server.lifecycle.ledger import Ledger, Row
from bonanza_server.lifecycle.pool import Pool, taken
from bonanza_server.lifecycle.steer import trial_of_cell, trial_seed
from bonanza_server.lifecycle.tell import better
from bonanza_server.store.models import trials

DRAWS = 200
"""Samples tried for an unseen cell before the space is enumerated: in a space 95 % used up all 200 miss once in 30,000 asks."""
ALTERNATIVES = 5
BATCHES = (1, 2, 6, 24, DRAWS)
"""The first sample is tried alone, for most hit; of the following as many are looked up in one query, or a study of 5,000 cells would ask far slower
than an empty one."""
AHEAD = 32
"""Proposals of a pool that are looked up in one query once one was found to be taken."""
INITIAL_DESIGN = "n_initial"


@dataclass
class Asking:
    """One ask through all its tries."""

    request: AskRequest
    trace: str | None = None
    """The trace it belongs to."""
    patient: bool = True
    """There is time left to wait."""
    fit_can_come: bool = False
    """A fit is running or due."""
    covers: int | None = None
    """The event a model must have read to be fresh: what the first try came to, so that later tells do not hold this ask for ever."""
    every: list[Architecture] | None = None
    """The whole space, once 200 draws have missed."""


@dataclass
class Served:
    """What one try came to."""

    trials: list[tuple[Row, Row]] = field(default_factory=list)
    reason: Shortfall | None = None
    waits_for_fit: bool = False
    needs_enumeration: bool = False
    pool: Pool | None = None
    cursor: int = 0
    covers: int = 0
    avoided: int = 0
    """Proposals passed over, because the study has their cell."""


def serve(ledger: Ledger, space: SearchSpace, pool: Pool | None, asking: Asking) -> Served:
    """Lease up to ``count`` trials, or say why not."""
    study, request = ledger.study, asking.request
    ledger.trace = asking.trace
    covers = study["result_event"] if asking.covers is None else asking.covers
    served = Served(pool=pool, cursor=pool.cursor_in(ledger.connection) if pool else 0, covers=covers)
    if request.reuse and request.worker_id:
        served.trials = take_up(ledger, request.worker_id, request.count)
    if len(served.trials) < request.count and study["state"] != "running":
        served.reason = "paused" if study["state"] == "paused" else "finished"
        return served
    while (
        len(served.trials) < request.count
        and served.reason is None
        and not served.waits_for_fit
        and not served.needs_enumeration
    ):
        leased = _next(ledger, space, asking, served)
        if leased is not None:
            served.trials.append(leased)
    if pool is not None:
        pool.advance_in(ledger.connection, served.cursor)
    return served


def _next(ledger: Ledger, space: SearchSpace, asking: Asking, served: Served) -> tuple[Row, Row] | None:
    study, budget = ledger.study, ledger.study["budget"]
    reached = target_reached(study)
    if time_is_up(study, ledger.now) or (reached and phases.confirm(study) is None):
        served.reason = "budget_reached"
        return None
    if budget["max_parallel"] is not None and study["running"] >= budget["max_parallel"]:
        served.reason = "waiting_for_results"
        return None
    full = budget["max_trials"] is not None and study["started"] >= budget["max_trials"] - phases.kept_back(study)
    if study["pending"] > 0:
        trial = _pending(ledger, asking.request.worker_id, started_only=full, confirming=reached)
        if trial is not None:
            return _lease(ledger, trial, asking.request.worker_id)
    if full or reached or study["search_state"] != "open":
        _after_the_search(ledger, asking, served, why="target" if reached else "budget")
        return None
    if phases.baseline_is_due(study):
        return _baseline(ledger, space, asking)
    n_initial = study["strategy"].get(INITIAL_DESIGN)
    if n_initial is None or study["next_number"] < n_initial:
        return _sample(ledger, space, asking, served, origin="initial")
    return _proposed(ledger, space, asking, served)


def over(study: Row, now: float) -> bool:
    """Whether the study has had its time, or reached its target."""
    return time_is_up(study, now) or target_reached(study)


def time_is_up(study: Row, now: float) -> bool:
    """Whether the study has had its time."""
    most = study["budget"]["max_seconds"]
    return bool(most is not None and now - study["created_at"] >= most)


def target_reached(study: Row) -> bool:
    """Whether a result is as good as was wanted."""
    target, best = study["budget"]["target"], study["best_value"]
    return target is not None and best is not None and not better(study, target, best)


def _after_the_search(ledger: Ledger, asking: Asking, served: Served, *, why: str) -> None:
    """Nothing more is proposed: say so, or have the cells to confirm chosen once the last of the search has ended."""
    study = ledger.study
    if study["search_state"] == "open" and phases.confirm_is_due(study):
        if study["running"] > 0:
            served.reason = "waiting_for_results"
            return
        if study["complete"] > 0:
            phases.end_search(ledger, why)
    if study["search_state"] != "over":
        served.reason = "budget_reached"
    elif asking.patient:
        served.waits_for_fit = True
    else:
        served.reason = "waiting_for_results"


def _baseline(ledger: Ledger, space: SearchSpace, asking: Asking) -> tuple[Row, Row]:
    """The next cell of the random baseline; measured again where the study has it."""
    drawn = space.sample(phases.draws_of(ledger.study))
    given: dict[str, Any] = {"origin": "baseline", "phase": "baseline"}
    seed = (phases.baseline(ledger.study) or {})["seed"]
    if seed is not None:
        given["seed"] = seed
    leased = _start(ledger, drawn.json, drawn.arch_id, asking, **given)
    if leased is None:
        given["repeat_of"] = trial_of_cell(ledger, drawn.arch_id)["number"]
        leased = _start(ledger, drawn.json, drawn.arch_id, asking, **given)
    assert leased is not None, "the unique index does not bind repeats"
    ledger.study["baselines"] += 1
    return leased


def _pending(ledger: Ledger, worker_id: str | None, *, started_only: bool, confirming: bool) -> Row | None:
    """The next pending trial: those that were started before, then by priority; a trial this worker had last goes to another if it can."""
    query = sa.select(trials).where(trials.c.study_id == ledger.id, trials.c.state == "pending")
    if started_only:
        query = query.where(trials.c.started)
    if confirming:
        query = query.where(trials.c.phase == "confirm")
    mine = sa.case((trials.c.last_worker == worker_id, 1), else_=0) if worker_id else sa.literal(0)
    query = query.order_by(trials.c.front.desc(), mine, trials.c.priority.desc(), trials.c.number).limit(1)
    row = ledger.connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def _lease(ledger: Ledger, trial: Row, worker_id: str | None) -> tuple[Row, Row]:
    attempt = new_attempt(ledger, trial["number"], trial["leases"] + 1, worker_id)
    first = not trial["started"]
    ledger.study["started"] += first
    ledger.move(
        trial,
        "running",
        attempts=trial["attempts"] + 1,
        leases=trial["leases"] + 1,
        live_attempt=attempt["attempt"],
        last_worker=worker_id,
        front=0,
        started=True,
        started_at=trial["started_at"] or ledger.now,
    )
    ledger.record("trial.started", trial["number"], attempt=attempt["attempt"], worker_id=worker_id)
    return trial, attempt


def _proposed(ledger: Ledger, space: SearchSpace, asking: Asking, served: Served) -> tuple[Row, Row] | None:
    pool = served.pool
    fresh = pool is not None and _fresh_enough(ledger.study, pool, asking.request, served.covers)
    may_wait = asking.patient and asking.fit_can_come
    # Where nothing was measured there is no fit to come, and no result that an ask could miss.
    must_wait = ledger.study["consistency"] == "ordered" and ledger.study["complete"] > 0
    if not fresh and (may_wait or must_wait):
        served.waits_for_fit = True
        return None
    known: set[str] = set()
    while pool is not None and served.cursor < len(pool.proposals):
        rank = served.cursor
        served.cursor += 1
        proposal = pool.proposals[rank]
        if proposal["arch_id"] in known:
            served.avoided += 1
            continue
        alternatives = pool.proposals[rank + 1 : rank + 1 + ALTERNATIVES]
        model = {"fit_version": pool.version, "fit_event": pool.event, "fit_rank": rank}
        model |= {key: proposal[key] for key in ("mean", "std", "acquisition")}
        leased = _start(
            ledger,
            proposal["architecture"],
            proposal["arch_id"],
            asking,
            origin="acquisition",
            explanation=alternatives,
            **model,
        )
        if leased is not None:
            return leased
        served.avoided += 1
        # Another server process serves from this pool too, and may have taken many: one look for all of them.
        ahead = pool.proposals[served.cursor : served.cursor + AHEAD]
        known = taken(ledger.connection, ledger.id, [proposal["arch_id"] for proposal in ahead])
    if may_wait:
        served.waits_for_fit = True
        return None
    return _sample(ledger, space, asking, served, origin="fallback")


def _fresh_enough(study: Row, pool: Pool, request: AskRequest, covers: int) -> bool:
    if study["consistency"] == "ordered":
        return bool(pool.event >= study["result_event"])
    if request.freshness == "any":
        return True
    if request.freshness == "latest":
        return pool.event >= covers
    return bool(study["results"] - study["fit_results"] <= request.freshness.max_lag)


def sample_rng(study: Row, number: int, origin: str) -> random.Random:
    """The generator of trial ``number`` where no model proposes it."""
    return random.Random(f"{study['seed']}/{number}/{origin}")


def draws(space: SearchSpace, rng: random.Random) -> Iterator[Architecture]:
    """The distinct cells among the first ``DRAWS`` that are drawn."""
    return _distinct(space.sample(rng) for _ in range(DRAWS))


def _sample(
    ledger: Ledger, space: SearchSpace, asking: Asking, served: Served, *, origin: str
) -> tuple[Row, Row] | None:
    """An unseen cell drawn from (study seed, trial number), so that neither the worker nor the order of arrival matters."""
    study = ledger.study
    rng = sample_rng(study, study["next_number"], origin)
    if asking.every is None:
        drawn_cells = draws(space, rng)
        for size in BATCHES:
            batch = list(islice(drawn_cells, size))
            known = taken(ledger.connection, ledger.id, [drawn.arch_id for drawn in batch]) if size > 1 else set()
            for architecture in batch:
                if architecture.arch_id not in known:
                    leased = _start(ledger, architecture.json, architecture.arch_id, asking, origin=origin)
                    if leased is not None:
                        return leased
                served.avoided += 1
        served.needs_enumeration = True
        return None
    seen = set(
        ledger.connection.execute(
            sa.select(trials.c.arch_id).where(
                trials.c.study_id == ledger.id, trials.c.repeat_of.is_(None), sa.not_(trials.c.invalidated)
            )
        ).scalars()
    )
    unseen = [architecture for architecture in asking.every if architecture.arch_id not in seen]
    if not unseen:
        served.reason = "space_exhausted"
        return None
    architecture = unseen[rng.randrange(len(unseen))]
    return _start(ledger, architecture.json, architecture.arch_id, asking, origin=origin)


def _distinct(draws: Iterable[Architecture]) -> Iterator[Architecture]:
    """The first draw of each cell."""
    drawn: set[str] = set()
    for architecture in draws:
        if architecture.arch_id not in drawn:
            drawn.add(architecture.arch_id)
            yield architecture


def _start(
    ledger: Ledger, architecture: dict[str, Any], arch_id: str, asking: Asking, *, origin: str, **model: Any
) -> tuple[Row, Row] | None:
    """A new trial, running from the start, and its first attempt; None where the study has the cell, and this is no repeat."""
    worker_id = asking.request.worker_id
    seed = model.pop("seed", None)
    seed = trial_seed(ledger.study, ledger.study["next_number"]) if seed is None else seed
    trial = ledger.add(
        state="running",
        architecture=architecture,
        arch_id=arch_id,
        origin=origin,
        seed=seed,
        started=True,
        started_at=ledger.now,
        attempts=1,
        leases=1,
        live_attempt=1,
        last_worker=worker_id,
        **model,
    )
    if trial is None:
        return None
    ledger.study["started"] += 1
    attempt = new_attempt(ledger, trial["number"], 1, worker_id)
    facts = {name: value for name, value in model.items() if name != "explanation"}
    ledger.record(
        "trial.started",
        trial["number"],
        attempt=1,
        worker_id=worker_id,
        architecture=architecture,
        arch_id=arch_id,
        origin=origin,
        seed=seed,
        **facts,
    )
    return trial, attempt
