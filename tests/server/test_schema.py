"""Migrations: from nothing to the newest schema on both databases, however many start at once, and in step with models.py."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bonanza_server.store import migrate
from bonanza_server.store.database import Database, DatabaseError
from bonanza_server.store.migrate import VERSION_TABLE
from bonanza_server.store.models import metadata, studies

ROOT = Path(__file__).parents[2]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database."""
    with closing(Database(database_url)) as opened:
        yield opened


def tables(database: Database) -> set[str]:
    return set(sa.inspect(database.engine).get_table_names())


def test_an_empty_database_gets_every_table_and_the_version(database: Database) -> None:
    assert migrate.current(database) is None
    assert migrate.upgrade(database)[:2] == (None, migrate.newest())
    assert tables(database) == set(metadata.tables) | {VERSION_TABLE}
    assert migrate.check(database) == migrate.newest()


def test_an_upgrade_of_the_newest_schema_changes_nothing(database: Database) -> None:
    migrate.upgrade(database)
    with database.engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO servers VALUES ('me', 1.5)"))
    assert migrate.upgrade(database)[:2] == (migrate.newest(), migrate.newest())
    with database.engine.begin() as connection:
        assert connection.execute(sa.text("SELECT id, alive_at FROM servers")).all() == [("me", 1.5)]


def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    migrate.upgrade(database)
    with database.engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_the_partial_indexes_that_referee_cells_and_leases_are_there(database: Database) -> None:
    migrate.upgrade(database)
    found = {
        index["name"]: (index["unique"], re.sub(r"[()\s]|::text|character varying", "", str(condition)).lower())
        for table in ("trials", "attempts")
        for index in sa.inspect(database.engine).get_indexes(table)
        if (condition := index["dialect_options"].get(f"{database.engine.dialect.name}_where")) is not None
    }
    assert found["uq_trials_cell"][0]
    assert found["uq_trials_cell"][1].startswith("repeat_ofisnullandnot")
    assert found["uq_attempts_live"][0]
    assert "'leased'" in found["uq_attempts_live"][1]


def test_tables_of_another_program_stay_as_they_are(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(sa.text("INSERT INTO alembic_version VALUES ('theirs')"))
    migrate.upgrade(database)
    with database.engine.begin() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one() == "theirs"


def test_a_failed_upgrade_leaves_nothing_behind(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE zzz (id INTEGER)"))
        connection.execute(
            sa.text("CREATE UNIQUE INDEX uq_trials_cell ON zzz (id)")
        )  # the upgrade stumbles over its name
    with pytest.raises(DatabaseError, match="uq_trials_cell"):
        migrate.upgrade(database)
    assert tables(database) - {VERSION_TABLE} == {"zzz"}
    with database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE zzz"))
    assert migrate.upgrade(database)[:2] == (None, migrate.newest())


def test_processes_that_start_at_once_take_turns(new_database: Callable[[], str]) -> None:
    url = new_database()
    script = (
        "import sys; from bonanza_server.store.database import Database; from bonanza_server.store import migrate\n"
        "database = Database(sys.argv[1]); print('ready', flush=True); sys.stdin.read()\n"
        "print(migrate.upgrade(database)[0])"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", script, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for starter in starters:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "ready\n"
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.close()
        starter.stdin = None
    said = sorted(starter.communicate(timeout=60)[0].strip() for starter in starters)
    assert said == sorted(["None", migrate.newest(), migrate.newest()])
    assert [starter.returncode for starter in starters] == [0, 0, 0]


def test_studies_of_the_first_schema_prune_nothing(database: Database) -> None:
    with migrate._turn(database) as connection:
        command.upgrade(migrate._config(connection), "0001")
        connection.execute(sa.text("INSERT INTO spaces VALUES ('h', '{}')"))
        columns = {column["name"]: column for column in sa.inspect(connection).get_columns("studies")}
        filled = {"name": "old", "space_hash": "h"} | {
            name: "[]" if isinstance(column["type"], sa.JSON) else "x" if isinstance(column["type"], sa.String) else 0
            for name, column in columns.items()
            if not column["nullable"] and name not in {"name", "space_hash", "project"}
        }
        names = ", ".join(filled)
        connection.execute(sa.text(f"INSERT INTO studies ({names}) VALUES (:{', :'.join(filled)})"), filled)
    migrate.upgrade(database)
    with database.engine.connect() as connection:
        assert connection.execute(sa.select(studies.c.name, studies.c.pruner)).all() == [("old", {"name": "none"})]


def test_a_schema_that_is_not_there_is_named_with_the_command_that_makes_it(database: Database) -> None:
    with pytest.raises(DatabaseError, match=r"has no schema yet: run bonanza db upgrade --database \S+"):
        migrate.check(database)


def test_every_migration_follows_one_other_and_says_what_it_does() -> None:
    folder = migrate.migrations_folder()
    scripts = list(ScriptDirectory(str(folder)).walk_revisions())
    assert len(ScriptDirectory(str(folder)).get_heads()) == 1
    revisions = [script.revision for script in scripts]
    assert revisions == sorted(set(revisions), reverse=True)
    assert all(re.fullmatch(r"\d{4}", revision) for revision in revisions)
    assert all(len(script.doc) > 5 for script in scripts)


def test_alembic_itself_runs_in_the_checkout_and_sees_no_drift(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    for arguments in (["upgrade", "head"], ["check"], ["downgrade", "base"], ["upgrade", "head"]):
        ran = subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=ROOT,
            env={"BONANZA_DATABASE_URL": url, "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    with closing(Database(url)) as database:
        assert migrate.check(database) == migrate.newest()
