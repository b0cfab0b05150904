"""Audit: what is wrong with a study's tables: where they differ from what its events say, and where they break an invariant (design.md, section 5).

They never should; a backup that was cut short, a hand in the database, or a bug may. It is written over plain rows of one moment, by other code than that
which keeps the tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.lifecycle.replay import BIRTHS, MOVES, BrokenHistory, Row, replay
from bonanza_server.store.models import attempts, events, studies, trials

ATTEMPT_KEY = (attempts.c.number, attempts.c.attempt)


class StudyRows(NamedTuple):
    """Every row of one study, from one moment."""

    study: Row
    trials: list[Row]
    attempts: list[Row]
    events: list[Row]


class Violation(NamedTuple):
    """Something that must not be: ``what``, of which ``trial`` (None: of the study), and the ``rows`` that show it, each a table and a key in it."""

    what: str
    trial: int | None = None
    rows: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.what


def read_rows(connection: Connection, study_id: int) -> StudyRows:
    """The whole of a study: for a check now and then, not for every start."""
    [study] = _rows(connection, sa.select(studies).where(studies.c.id == study_id))
    return StudyRows(
        study,
        _rows(connection, sa.select(trials).where(trials.c.study_id == study_id).order_by(trials.c.number)),
        _rows(connection, sa.select(attempts).where(attempts.c.study_id == study_id).order_by(*ATTEMPT_KEY)),
        _rows(connection, sa.select(events).where(events.c.study_id == study_id).order_by(events.c.seq)),
    )


def audit(rows: StudyRows) -> list[Violation]:
    """What is wrong with a study; empty when its invariants hold and its events, replayed, give its tables."""
    return [*_replayed(rows), *_one_cell_one_trial(rows), *_leases(rows), *_beyond_the_budget(rows.events)]


def _replayed(rows: StudyRows) -> Iterator[Violation]:
    try:
        said = replay(rows.events)
    except BrokenHistory as broken:
        yield Violation(str(broken), rows=("events",))
        return
    tried = {(row["number"], row["attempt"]): row for row in rows.attempts}
    for what in _differences("the study", said.study, rows.study):
        yield Violation(what, rows=(f"studies {rows.study['id']}",))
    for number, what in _compare("trial {}", said.trials, {row["number"]: row for row in rows.trials}):
        yield Violation(what, number, (f"trials {number}",))
    for (number, attempt), what in _compare("trial {0[0]}, attempt {0[1]}", said.attempts, tried):
        yield Violation(what, number, (f"attempts {number}/{attempt}",))


def _one_cell_one_trial(rows: StudyRows) -> Iterator[Violation]:
    """One trial a (study, architecture id) where ``repeat_of`` is null; an invalidated result frees its cell."""
    cells: dict[str, list[int]] = defaultdict(list)
    for row in rows.trials:
        if row["repeat_of"] is None and not row["invalidated"]:
            cells[row["arch_id"]].append(row["number"])
    for cell, numbers in cells.items():
        if len(numbers) > 1:
            what = f"trials {', '.join(map(str, numbers))} are of one cell, {cell}"
            yield Violation(what, numbers[0], tuple(f"trials {number}" for number in numbers))


def _leases(rows: StudyRows) -> Iterator[Violation]:
    """One leased attempt a running trial, the one it names, and none of any other; every lease that was counted has its row."""
    tried: dict[int, list[Row]] = defaultdict(list)
    for attempt in rows.attempts:
        tried[attempt["number"]].append(attempt)
    for trial in rows.trials:
        number, mine = trial["number"], tried[trial["number"]]
        live = [attempt["attempt"] for attempt in mine if attempt["state"] == "leased"]
        wrong = []
        if live != ([trial["live_attempt"]] if trial["state"] == "running" else []):
            wrong.append(
                f"is {trial['state']} with live attempt {trial['live_attempt']}, and the attempts {live} are leased"
            )
        if sorted(attempt["attempt"] for attempt in mine) != list(range(1, trial["leases"] + 1)):
            wrong.append(f"counts {trial['leases']} leases, and has the attempts {[row['attempt'] for row in mine]}")
        if not 0 <= trial["attempts"] <= trial["leases"]:
            wrong.append(f"counts {trial['attempts']} attempts of {trial['leases']} leases")
        if trial["state"] == "complete" and trial["value"] is None:
            wrong.append("is complete without a value")
        if (trial["finished_at"] is None) != (trial["state"] in {"pending", "running"}):
            wrong.append(f"is {trial['state']}, finished at {trial['finished_at']}")
        shown = (f"trials {number}", *(f"attempts {number}/{attempt['attempt']}" for attempt in mine))
        for what in wrong:
            yield Violation(f"trial {number}: {what}", number, shown)


def _beyond_the_budget(history: Iterable[Row]) -> Iterator[Violation]:
    """Asks that started a trial beyond the budget of their moment. Late results may exceed it, and a budget may be cut below what was started."""
    budget: Mapping[str, Any] = {}
    created_at = 0.0
    started: set[int] = set()
    running: set[int] = set()
    for event in history:
        kind, number, data = event["kind"], event["number"], event["data"]
        if number is None:
            budget = data.get("budget", budget)
            created_at = event["at"] if kind == "study.created" else created_at
            continue
        after = BIRTHS[kind] if kind in BIRTHS and number not in started else MOVES.get(kind, (None, None))[1]
        if after is not None:
            (running.add if after == "running" else running.discard)(number)
        if kind != "trial.started":
            continue
        started.add(number)
        shown = (f"events {event['seq']}", f"trials {number}")
        spent = event["at"] - created_at
        for name, used, over in (
            ("max_trials", len(started), 1),
            ("max_parallel", len(running), 1),
            ("max_seconds", spent, 0),
        ):
            most = budget.get(name)
            if most is not None and used >= most + over:
                yield Violation(f"trial {number}: was started beyond {name}: {used:g} of {most:g}", number, shown)


def _rows(connection: Connection, query: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _compare(name: str, said: Mapping[Any, Row], rows: Mapping[Any, Row]) -> Iterator[tuple[Any, str]]:
    for key in sorted({*rows, *said}):
        what = name.format(key)
        if key not in rows:
            yield key, f"{what} is missing from its table"
        elif key not in said:
            yield key, f"{what} has no event"
        else:
            for difference in _differences(what, said[key], rows[key]):
                yield key, difference


def _differences(what: str, said: Row, row: Row) -> list[str]:
    return [
        f"{what}: {column} is {row[column]!r}, the events say {value!r}"
        for column, value in said.items()
        if row[column] != value
    ]
