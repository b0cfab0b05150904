"""PostgreSQL transactions in a pipeline: what nobody waits for travels with the next statement, or with the commit.

An ask is seven statements with BEGIN and COMMIT; sent one by one they are seven round trips, in a pipeline three. A statement marked ``UNREAD``
is not waited for; if it fails, whatever comes next raises in its place, at the latest the commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.exc import DBAPIError

UNREAD = {"unread": True}
"""Execution options of a statement whose result nobody looks at; they mean nothing outside a pipeline."""
_PIPELINE = "pipeline"
_OPEN = (None,) * 5


class _Cursor(psycopg.Cursor[Any]):
    """A cursor that describes its columns by plain tuples.

    SQLAlchemy looks at the description after every query, to see whether rows came; psycopg makes an object of each column every time, which for
    a study, its trial and its attempt costs as much as the query.
    """

    @property
    def description(self) -> Any:
        """Name and type of each column, and what DB-API 2.0 leaves open; None where the statement returns no rows."""
        result = self.pgresult
        if result is None or not result.nfields:
            return None
        return [((result.fname(k) or b"").decode(), result.ftype(k), *_OPEN) for k in range(result.nfields)]


def install(engine: Engine) -> None:
    """Have every other statement of a pipeline waited for, before SQLAlchemy looks for its result."""

    @sa.event.listens_for(engine, "connect")
    def _lean(connection: psycopg.Connection[Any], _record: Any) -> None:
        connection.cursor_factory = _Cursor

    @sa.event.listens_for(engine, "after_cursor_execute")
    def _wait(
        connection: Connection, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        pipeline = connection.info.get(_PIPELINE)
        if pipeline is not None and not _unread(context):
            pipeline.sync()


def _unread(context: ExecutionContext | None) -> bool:
    return context is not None and bool(context.execution_options.get("unread"))


@contextmanager
def begin(engine: Engine) -> Iterator[Connection]:
    """``engine.begin()`` in a pipeline: commits at the end, rolls back if the body raises.

    Raises:
        DBAPIError: the commit, or a statement that nobody waited for, has failed; nothing is committed.
    """
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        info = connection.info  # kept, because a connection that was lost has none any more
        try:
            with driver.pipeline() as pipeline:
                info[_PIPELINE] = pipeline
                yield connection
                connection.commit()
        except psycopg.Error as error:
            # Raised as the pipeline ended, where SQLAlchemy does not look; callers retry and answer by its exceptions.
            if driver.closed:
                connection.invalidate(error)
            raise DBAPIError.instance(None, None, error, psycopg.Error, dialect=engine.dialect) from error
        finally:
            info.pop(_PIPELINE, None)
