"""Every study at a glance: state, trials, workers, and its best so far as a line of a few dozen points."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bonanza.schemas import Overview, StudyGlance
from bonanza_server.access import visible
from bonanza_server.answers import moment, study_answer
from bonanza_server.columns import kind_of_space, short, thinned
from bonanza_server.finding import best_architectures
from bonanza_server.lifecycle.ledger import Row
from bonanza_server.store.database import Database
from bonanza_server.store.models import attempts, studies, trials

MOST_STUDIES = 1_000
POINTS = 48


class Line(NamedTuple):
    """A study's best so far, as of its ``results``."""

    results: int
    points: list[float]
    last_result_at: float | None


class Glances:
    """Reads studies at a glance; a line is read again only where results have come or gone."""

    def __init__(self, database: Database) -> None:
        """Read from ``database``."""
        self._database = database
        self._lines: dict[tuple[int, float], Line] = {}

    async def overview(self) -> Overview:
        """The studies, the last created first, at most ``MOST_STUDIES``."""
        return await self._database.read(self._read)

    def _read(self, connection: Connection) -> Overview:
        query = (
            sa.select(studies).where(visible(studies.c.project, studies.c.name)).order_by(studies.c.created_at.desc())
        )
        rows = [dict(row) for row in connection.execute(query.limit(MOST_STUDIES)).mappings()]
        busy = (
            sa.select(attempts.c.study_id, sa.func.count(attempts.c.worker_id.distinct()))
            .where(attempts.c.state == "leased")
            .group_by(attempts.c.study_id)
        )
        workers: dict[int, int] = {row[0]: row[1] for row in connection.execute(busy)}
        best = best_architectures(
            connection, [(row["id"], row["best_number"]) for row in rows if row["best_number"] is not None]
        )
        return Overview(studies=[self._glance(connection, row, workers, best) for row in rows])

    def _glance(self, connection: Connection, row: Row, workers: dict[int, int], best: dict[int, Row]) -> StudyGlance:
        key = (row["id"], row["created_at"])
        line = self._lines.get(key)
        if line is None or line.results != row["results"]:
            line = self._lines[key] = _line(connection, row)
        return StudyGlance(
            study=study_answer(row, space=None, best=best.get(row["id"]), refitting=row["fit_server"] is not None),
            space_kind=kind_of_space(connection, row["space_hash"]),
            workers=workers.get(row["id"], 0),
            best_so_far=line.points,
            last_result_at=moment(line.last_result_at),
        )


def _line(connection: Connection, study: Row) -> Line:
    query = (
        sa.select(trials.c.value, trials.c.finished_at)
        .where(trials.c.study_id == study["id"], trials.c.state == "complete", sa.not_(trials.c.invalidated))
        .order_by(trials.c.finished_at, trials.c.number)
    )
    better = max if study["objectives"][0]["direction"] == "maximize" else min
    points: list[float] = []
    last = None
    for value, last in connection.execute(query):  # noqa: B007 - the last one is what is wanted
        points.append(value if not points else better(value, points[-1]))
    return Line(study["results"], [short(point) or 0.0 for point in thinned(points, POINTS)], last)
