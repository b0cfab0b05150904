"""What the tables of a study hold after every transaction, whatever was done: design.md 5, its last line, and the counters that asks and tells rely on.

Written over plain rows, without the server's own code, except for ``audit``, which replays the events.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza_server.lifecycle.audit import StudyRows, audit, read_rows
from bonanza_server.store.models import studies

Row = dict[str, Any]
STATES = ("pending", "running", "complete", "pruned", "failed", "infeasible", "cancelled")


def rows_of(connection: Connection, name: str) -> StudyRows:
    """The rows of the study of that name."""
    return read_rows(connection, connection.execute(sa.select(studies.c.id).where(studies.c.name == name)).scalar_one())


def broken_invariants(rows: StudyRows) -> list[str]:
    """What is wrong with a study; empty when nothing is."""
    study, held, tried, events = rows
    found = list(map(str, audit(rows)))
    if [event["seq"] for event in events] != list(range(1, study["last_event"] + 1)):
        found.append("the events are not dense")
    if [row["number"] for row in held] != list(range(study["next_number"])):
        found.append("the numbers are not dense")
    cells = Counter(row["arch_id"] for row in held if row["repeat_of"] is None and not row["invalidated"])
    found += [f"cell {cell} has {count} trials" for cell, count in cells.items() if count > 1]
    for state in STATES:
        if study[state] != sum(row["state"] == state for row in held):
            found.append(f"the study counts {study[state]} trials as {state}")
    if study["started"] != sum(row["started"] for row in held):
        found.append(f"the study counts {study['started']} trials as started")
    for row in held:
        mine = [attempt for attempt in tried if attempt["number"] == row["number"]]
        found += [f"trial {row['number']}: {wrong}" for wrong in _broken_trial(study, row, mine)]
    return found


def _broken_trial(study: Row, trial: Row, tried: list[Row]) -> list[str]:
    live = [attempt["attempt"] for attempt in tried if attempt["state"] == "leased"]
    expected = [trial["live_attempt"]] if trial["state"] == "running" else []
    wrong = []
    if live != expected:
        wrong.append(f"is {trial['state']} with live attempt {trial['live_attempt']}, and attempts {live} are leased")
    if sorted(attempt["attempt"] for attempt in tried) != list(range(1, trial["leases"] + 1)):
        wrong.append(f"counts {trial['leases']} leases")
    if not 0 <= trial["attempts"] <= min(trial["leases"], study["lease"]["max_attempts"]):
        wrong.append(f"counts {trial['attempts']} attempts of {trial['leases']} leases")
    if trial["started"] != bool(tried):
        wrong.append("was started without a lease, or leased without a start")
    if trial["state"] == "complete" and trial["value"] is None:
        wrong.append("is complete without a value")
    if (trial["finished_at"] is None) != (trial["state"] in {"pending", "running"}):
        wrong.append(f"is {trial['state']}, finished at {trial['finished_at']}")
    return wrong
