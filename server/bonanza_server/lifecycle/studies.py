"""Studies: created once by an equal body, changed under a revision, paused, resumed and finished."""

from __future__ import annotations

import hashlib
import json
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from bonanza.schemas import Phases, StudyChange, StudySpec
from bonanza.worker.protocols import pinned
from bonanza_server.errors import Refused, wrong_at
from bonanza_server.lifecycle.ledger import Ledger, Row, lock_study
from bonanza_server.lifecycle.replay import REOPENING
from bonanza_server.search.spec import sources_of
from bonanza_server.store.models import attempts, events, features, reports, spaces, studies, trials

_INSERT_SPACE = {
    "sqlite": sqlite.insert(spaces).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(spaces).on_conflict_do_nothing(),
}
_INSERT_STUDY = {
    "sqlite": sqlite.insert(studies).on_conflict_do_nothing().returning(studies.c.id),
    "postgresql": postgresql.insert(studies).on_conflict_do_nothing().returning(studies.c.id),
}
COUNTERS = [
    "next_number",
    "last_event",
    "started",
    "failures_in_a_row",
    "pending",
    "running",
    "complete",
    "pruned",
    "failed",
    "infeasible",
    "cancelled",
    "baselines",
    "confirmations",
    "results",
    "result_event",
    "fit_version",
    "fit_event",
    "fit_results",
    "fit_failures",
]
COMPARED = (
    "objectives",
    "strategy",
    "pruner",
    "budget",
    "lease",
    "seed",
    "phases",
    "consistency",
    "protocol",
    "tags",
    "description",
)


def fingerprint(value: Any) -> str:
    """A stable hash of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def create_or_get(
    connection: Connection,
    project: str,
    name: str,
    spec: StudySpec,
    *,
    space: dict[str, Any],
    strategy: dict[str, Any],
    now: float,
) -> tuple[Row, bool]:
    """The study of that name and whether this call created it. ``space`` and ``strategy`` are the validated forms, with defaults filled in.

    Raises:
        Refused: a study of that name exists and differs, with the fields that do; or it is new and names a source that there is not.
    """
    body = spec.model_dump(mode="json", exclude={"objective"})
    row: Row = {
        "project": project,
        "name": name,
        "space_hash": fingerprint(space),
        "strategy": strategy,
        "spec_hash": fingerprint(body),
        "state": "running",
        "search_state": "open",
        "revision": 1,
        "created_at": now,
    }
    row |= {field: body[field] for field in COMPARED if field != "strategy"}
    row["protocol"] = pinned(body["protocol"])  # a name must mean in a year what it means today
    row |= dict.fromkeys(COUNTERS, 0)
    dialect = connection.dialect.name
    connection.execute(_INSERT_SPACE[dialect], {"hash": row["space_hash"], "spec": space})
    created = connection.execute(_INSERT_STUDY[dialect], row).scalar_one_or_none()
    if created is not None:
        _check_sources(connection, row)
        blank: Row = {column.name: None for column in studies.columns}
        ledger = Ledger(connection, blank | row | {"id": created}, now)
        facts = {field: row[field] for field in COMPARED}
        ledger.record("study.created", space_hash=row["space_hash"], **facts)
        ledger.close()
        return ledger.study, True
    existing = lock_study(connection, project, name)
    if existing["spec_hash"] == row["spec_hash"]:
        return existing, False
    differences = [field for field in COMPARED if existing[field] != row[field]]
    if existing["space_hash"] != row["space_hash"]:
        differences.insert(0, "space")
    if differences:
        raise Refused(
            "study-exists-different",
            f"study {name!r} exists and differs in {', '.join(differences)}: PATCH it to change budget, lease, tags or description, or take another name",
            errors=[(f"/{field}", "differs from the study that exists") for field in differences],
            differences={
                field: {
                    "exists": _stored(connection, existing, field),
                    "sent": space if field == "space" else row[field],
                }
                for field in differences
            },
        )
    return existing, False


def _check_sources(connection: Connection, study: Row) -> None:
    named = sources_of(study["strategy"])
    if not named:
        return
    query = sa.select(studies.c.name, studies.c.space_hash).where(studies.c.project == study["project"])
    known = {row.name: row.space_hash for row in connection.execute(query)}
    del known[study["name"]]  # a study is no source of its own
    for pointer, source in named.items():
        if source not in known:
            near = get_close_matches(source, known, 1)
            meant = f"do you mean {near[0]!r}?" if near else "GET /v1/studies lists them"
            raise wrong_at("invalid-strategy", f"/strategy{pointer}", f"there is no other study {source!r}: {meant}")
        if pointer.startswith("/warm_start_from/") and known[source] != study["space_hash"]:
            instead = f'if its ops are the same, {{"name": "bonas", "pretrain_from": ["{source}"]}} can learn from it'
            wrong = f"study {source!r} searches another space, whose results are of no cell of this one: {instead}"
            raise wrong_at("invalid-strategy", f"/strategy{pointer}", wrong)


def _stored(connection: Connection, study: Row, field: str) -> Any:
    if field != "space":
        return study[field]
    return connection.execute(sa.select(spaces.c.spec).where(spaces.c.hash == study["space_hash"])).scalar_one()


def change(ledger: Ledger, request: StudyChange, revision: int) -> None:
    """Apply a PATCH made against ``revision``.

    Raises:
        Refused: the study has changed since, or its phases would leave nothing to search with.
    """
    study = ledger.study
    if study["revision"] != revision:
        detail = f"study {study['name']!r} is at revision {study['revision']}, you changed {revision}: GET it again, then PATCH with its ETag"
        raise Refused("stale-revision", detail, revision=study["revision"])
    fields = {
        name: value
        for name, value in request.model_dump(mode="json").items()
        if name in request.model_fields_set and value is not None
    }
    changed = {name: value for name, value in fields.items() if study[name] != value}
    if changed:
        _check_phases(study | changed)
        study.update(changed, revision=study["revision"] + 1)
        if REOPENING & set(changed):
            study["search_state"] = "open"
        ledger.record("study.changed", **changed)


def _check_phases(study: Row) -> None:
    most, phases = study["budget"]["max_trials"], Phases.model_validate(study["phases"] or {})
    if most is not None and most <= phases.trials:
        detail = f"max_trials is {most} and the phases take {phases.trials} of them: nothing is left to search with"
        raise Refused("invalid", detail, errors=[("/phases", "take the whole budget")])


def set_state(ledger: Ledger, state: str, reason: str | None) -> None:
    """Pause, resume or finish; doing so twice changes nothing. Running trials may still tell, whatever the state.

    Raises:
        Refused: a finished study can be resumed, but not paused.
    """
    study = ledger.study
    if study["state"] == state:
        return
    if study["state"] == "finished" and state == "paused":
        raise Refused("conflict", f"study {study['name']!r} is finished: resume it first", state="finished")
    study.update(state=state, state_reason=reason, revision=study["revision"] + 1)
    if state == "running":
        study["failures_in_a_row"] = 0
    kind = {"paused": "study.paused", "running": "study.resumed", "finished": "study.finished"}[state]
    ledger.record(kind, reason=reason, by="person")


def delete(connection: Connection, project: str, name: str) -> Row:
    """Delete a study with everything it holds, and return what its row was.

    Raises:
        Refused: there is no such study.
    """
    study = lock_study(connection, project, name)
    for table in (reports, attempts, features, events, trials):
        connection.execute(sa.delete(table).where(table.c.study_id == study["id"]))
    connection.execute(sa.delete(studies).where(studies.c.id == study["id"]))
    return study
