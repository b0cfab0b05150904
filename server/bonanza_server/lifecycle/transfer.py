"""A study out of the tables and into others: export reads every row of it from one moment, import writes what its events say.

What an import cannot know it makes anew: the tokens of leases that were live, which run out by themselves if their workers do not come, since they know
another server.
"""

from __future__ import annotations

import platform
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.engine import Connection

import bonanza
from bonanza.schemas.features import KnownCell
from bonanza.spaces import InvalidArchitecture, InvalidSpace, SearchSpace, space_from_spec
from bonanza_server.errors import Refused
from bonanza_server.lifecycle.archive import FORMAT, VERSION, Archive, DamagedArchive
from bonanza_server.lifecycle.ledger import Row
from bonanza_server.lifecycle.studies import fingerprint
from bonanza_server.store.models import attempts, events, features, fits, reports, spaces, studies, trials

Record = tuple[str, dict[str, Any]]
FIT = ("version", "event", "results", "observations", "seconds", "diagnostics", "pool", "created_at")
FEATURE = ("seq", "arch_id", "architecture", "known")
BATCH = 500
"""Rows of an insert."""


def records(connection: Connection, study: Row, *, pool_size: int, now: float) -> Iterator[Record]:
    """Everything of a study, as ``archive.write`` takes it. ``pool_size`` is how many proposals its fits were asked for."""
    key = study["id"]
    space = connection.execute(sa.select(spaces.c.spec).where(spaces.c.hash == study["space_hash"])).scalar_one()
    yield (
        "study",
        {
            "format": FORMAT,
            "version": VERSION,
            "name": study["name"],
            "space": space,
            "spec_hash": study["spec_hash"],
            "pool_size": pool_size,
            "bonanza": bonanza.__version__,
            "python": platform.python_version(),
            "exported_at": datetime.fromtimestamp(now, UTC).isoformat(),
        },
    )
    found = sa.select(events.c.seq, events.c.at, events.c.kind, events.c.number, events.c.data)
    for event in connection.execute(found.where(events.c.study_id == key).order_by(events.c.seq)).mappings():
        yield "event", dict(event)
    made = sa.select(*(fits.c[name] for name in FIT)).where(fits.c.study_id == key).order_by(fits.c.version)
    for fit in connection.execute(made).mappings():
        yield "fit", dict(fit)
    order = (reports.c.number, reports.c.attempt, reports.c.step)
    told = connection.execute(sa.select(reports).where(reports.c.study_id == key).order_by(*order))
    for (number, attempt), points in groupby(told, key=lambda point: (point.number, point.attempt)):
        content = [[point.step, point.metrics, point.at] for point in points]
        yield "curve", {"number": number, "attempt": attempt, "points": content}
    explained = sa.select(trials.c.number, trials.c.explanation).where(
        trials.c.study_id == key, trials.c.explanation.is_not(None)
    )
    for row in connection.execute(explained.order_by(trials.c.number)):
        yield "explanation", {"number": row.number, "alternatives": row.explanation}
    known = sa.select(*(features.c[name] for name in FEATURE)).where(features.c.study_id == key)
    for feature in connection.execute(known.order_by(features.c.seq, features.c.arch_id)).mappings():
        yield "feature", dict(feature)


def check(archive: Archive) -> SearchSpace:
    """The space of an archive; every architecture in it is one of the space, under the id it has there.

    Raises:
        DamagedArchive: it is not, or the space is none that this version knows.
    """
    study = archive.replay.tables.study
    try:
        space = space_from_spec(archive.header["space"])
        if fingerprint(archive.header["space"]) != study["space_hash"]:
            raise DamagedArchive(1, "the space is not the one that the study was created with")
    except (InvalidSpace, KeyError) as error:
        raise DamagedArchive(1, f"this version of bonanza does not take the space: {error}") from error
    for line, event in zip(archive.lines, archive.events, strict=True):
        if event["data"].get("architecture") is not None:
            _check_cell(space, line, event["data"])
    _check_features(archive, space)
    return space


def _check_features(archive: Archive, space: SearchSpace) -> None:
    """Every feature is of an event that told it, and of the cells that an event told none is missing."""
    said: dict[int, tuple[int, frozenset[str]]] = {}
    for line, event in zip(archive.lines, archive.events, strict=True):
        if event["kind"] == "features.told":
            cells, names = event["data"].get("cells"), event["data"].get("names")
            if (
                type(cells) is not int
                or not isinstance(names, list)
                or not all(isinstance(name, str) for name in names)
            ):
                raise DamagedArchive(line, "the event does not say of how many cells which features were told")
            said[event["seq"]] = cells, frozenset(names)
    left = Counter({seq: cells for seq, (cells, _) in said.items()})
    met: set[tuple[int, str]] = set()
    for line, feature in archive.features:
        _check_cell(space, line, feature)
        seq = feature.get("seq")
        if type(seq) is not int or seq not in said or (seq, feature["arch_id"]) in met:
            raise DamagedArchive(line, "no event says that these features were told")
        try:
            known = KnownCell.model_validate(
                {"architecture": feature["architecture"], "features": feature.get("known")}
            )
        except ValidationError as error:
            raise DamagedArchive(line, "features are finite numbers by name") from error
        if not said[seq][1].issuperset(known.features):
            raise DamagedArchive(line, "the event that told these features names others")
        met.add((seq, feature["arch_id"]))
        left[seq] -= 1
    if missing := [seq for seq, count in left.items() if count]:
        raise DamagedArchive(archive.lines[missing[0] - 1], "the features that this event told are not all there")


def _check_cell(space: SearchSpace, line: int, said: Mapping[str, Any]) -> None:
    try:
        arch_id = space.validate(said.get("architecture")).arch_id
    except InvalidArchitecture as error:
        raise DamagedArchive(line, f"the architecture is not one of the space: {error}") from error
    if arch_id != said.get("arch_id"):
        raise DamagedArchive(line, f"the architecture has the id {arch_id} here, and {said.get('arch_id')} there")


def insert(connection: Connection, project: str, name: str, archive: Archive, *, now: float) -> Row:
    """Make the study ``name`` of what an archive says; return its row.

    Raises:
        Refused: there is a study of that name.
    """
    if connection.execute(sa.select(studies.c.id).where(studies.c.project == project, studies.c.name == name)).first():
        raise Refused("conflict", f"there is a study {name!r} already: import under another name, or delete that one")
    said = archive.replay.study()
    _insert_space(connection, said["space_hash"], archive.header["space"])
    row = said | {"project": project, "name": name, "spec_hash": archive.header["spec_hash"]}
    row["webhook_event"] = row["last_event"]
    key = connection.execute(
        sa.insert(studies).values({column.name: row[column.name] for column in studies.columns if column.name in row})
    ).inserted_primary_key
    assert key is not None
    study_id = int(key[0])
    explained = {content["number"]: content["alternatives"] for content in archive.explanations}
    tables = archive.replay.tables
    _insert(
        connection,
        trials,
        (
            trial | {"study_id": study_id, "explanation": explained.get(number)}
            for number, trial in tables.trials.items()
        ),
    )
    tried = ({"number": number, "attempt": attempt} | held for (number, attempt), held in tables.attempts.items())
    ttl = float(said["lease"]["ttl_s"])
    _insert(connection, attempts, (_attempt(study_id, held, now, ttl) for held in tried))
    _insert(connection, events, (event | {"study_id": study_id} for event in archive.events))
    points = (
        {"study_id": study_id, "number": curve["number"], "attempt": curve["attempt"]}
        | {"step": step, "metrics": metrics, "at": at}
        for curve in archive.curves
        for step, metrics, at in curve["points"]
    )
    _insert(connection, reports, points)
    _insert(connection, fits, ({name: fit[name] for name in FIT} | {"study_id": study_id} for fit in archive.fits))
    _insert(connection, features, (feature | {"study_id": study_id} for _, feature in archive.features))
    newest = connection.execute(
        sa.select(fits.c.id).where(fits.c.study_id == study_id, fits.c.version == said["fit_version"])
    ).scalar_one_or_none()
    connection.execute(sa.update(studies).where(studies.c.id == study_id).values(fit_id=newest))
    return dict(connection.execute(sa.select(studies).where(studies.c.id == study_id)).mappings().one())


def _attempt(study_id: int, held: Row, now: float, ttl: float) -> Row:
    ends = now + ttl if held["state"] == "leased" else held["ended_at"]
    return held | {"study_id": study_id, "token": secrets.token_urlsafe(18), "expires_at": ends}


def _insert_space(connection: Connection, space_hash: str, spec: dict[str, Any]) -> None:
    if connection.execute(sa.select(spaces.c.hash).where(spaces.c.hash == space_hash)).first() is None:
        connection.execute(sa.insert(spaces), {"hash": space_hash, "spec": spec})


def _insert(connection: Connection, table: sa.Table, rows: Iterable[Row]) -> None:
    names = [column.name for column in table.columns if not (column.name == "id" and table is fits)]
    batch: list[Row] = []
    for row in rows:
        batch.append({name: row.get(name) for name in names})
        if len(batch) == BATCH:
            connection.execute(sa.insert(table), batch)
            batch = []
    if batch:
        connection.execute(sa.insert(table), batch)
