"""Alembic's entry: the connection comes from bonanza_server.store.migrate, or from BONANZA_DATABASE_URL for the alembic command."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection

from bonanza_server.store.database import Database
from bonanza_server.store.migrate import VERSION_TABLE
from bonanza_server.store.models import metadata


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    with Database(os.environ.get("BONANZA_DATABASE_URL", "sqlite:///bonanza.db")).engine.begin() as opened:
        _run(opened)
