"""Connections and transactions: SQLite with one writer thread, or PostgreSQL with a bounded pool.

``write`` runs a function in one transaction and returns after the commit; an acknowledged change is on the disk. SQLite: WAL,
``synchronous=FULL``, ``BEGIN IMMEDIATE``, one writer thread, separate read-only connections, one server process a file (an ``flock``).
PostgreSQL: READ COMMITTED, retried on a serialisation failure or a deadlock.
"""

from __future__ import annotations

import asyncio
import contextvars
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from bonanza_server.store import pipeline
from bonanza_server.store.lanes import Job, Lanes

T = TypeVar("T")

RETRIED = {"40001", "40P01"}  # serialization_failure, deadlock_detected
BUSY_TIMEOUT_MS = 30_000


class DatabaseError(Exception):
    """The database cannot be used; the message says what to do."""


class Database:
    """One database for the life of a server process (or of a command). ``close`` it."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        synchronous: str = "FULL",
        sharing: Callable[[Connection], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """Connect lazily to ``url`` (``sqlite:///file.db`` or ``postgresql://…``).

        ``sharing(connection)`` is around the work of a transaction that is that of several (``write``).

        Raises:
            DatabaseError: the URL is of no supported database.
        """
        self.url = parse_url(url)
        self._sharing = sharing
        self.sqlite = self.url.get_backend_name() == "sqlite"
        writers = 1 if self.sqlite else pool_size
        if self.sqlite:
            self._write_engine = _sqlite_engine(self.url, synchronous=synchronous, read_only=False)
            self._read_engine = _sqlite_engine(self.url, synchronous=synchronous, read_only=True)
        else:
            # One engine: every transaction is short, and PostgreSQL's readers do not block its writers.
            self._write_engine = sa.create_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=4,
                pool_use_lifo=True,  # the connection used last: its PostgreSQL process has its plans and its pages at hand
                pool_pre_ping=False,  # a dead connection answers 503 once and is replaced; a ping costs every ask a round trip
                isolation_level="READ COMMITTED",
                connect_args={"connect_timeout": 10, "options": "-c statement_timeout=60000 -c lock_timeout=30000"},
            )
            pipeline.install(self._write_engine)
            # A history is read in several statements, and must be of one moment: a fit is replayed from the event it had read up to.
            self._read_engine = self._write_engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self._writers = Lanes(writers, self._settle)
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="sql-read")

    @property
    def engine(self) -> Engine:
        """The engine that writes; for migrations."""
        return self._write_engine

    @property
    def label(self) -> str:
        """The URL as a person may see it: without the password, and without the driver, which is ours to choose."""
        return self.url.set(drivername=self.url.get_backend_name()).render_as_string(hide_password=True)

    @property
    def file(self) -> Path:
        """The file of a SQLite database; a link to it is it."""
        return Path(str(self.url.database)).resolve()

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction on the calling thread and return its result after the commit."""
        for last in (False, False, False, True):
            try:
                with self._begin() as connection:
                    return work(connection)
            except DBAPIError as error:
                if last or getattr(error.orig, "sqlstate", None) not in RETRIED:
                    raise
        raise AssertionError("unreachable: the last round returns or raises")

    def _begin(self) -> AbstractContextManager[Connection]:
        return self._write_engine.begin() if self.sqlite else pipeline.begin(self._write_engine)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a read-only view of one moment, on the calling thread."""
        with self._read_engine.begin() as connection:
            return work(connection)

    async def write(self, work: Callable[[Connection], T], *, study: str | None = None) -> T:
        """``write_now`` on a writer thread, after what was begun for the same ``study``; the event loop goes on.

        Work of one study that waits for its turn together is done in one transaction (group commit); nobody is answered before the commit, and
        if any of it raises, all of it is undone and each is done in a transaction of its own. So ``work`` must bear being done again.
        """
        return await self._writers.run(study, _in_context(work))

    def _settle(self, jobs: Sequence[Job[Any]]) -> None:
        together = self._together(jobs) if len(jobs) > 1 else None
        if together is not None:
            for job, result in zip(jobs, together, strict=True):
                job.future.set_result(result)
            return
        for job in jobs:
            try:
                result = self.write_now(job.work)
            except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
                job.future.set_exception(error)
            else:
                job.future.set_result(result)

    def _together(self, jobs: Sequence[Job[Any]]) -> list[Any] | None:
        def work(connection: Connection) -> list[Any]:
            with self._sharing(connection):
                return [job.work(connection) for job in jobs]

        try:
            return self.write_now(work)
        except Exception:  # noqa: BLE001 - whose fault it is shows when each is done alone, and is told to that one
            return None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """``read_now`` on a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, _in_context(work))

    def close(self) -> None:
        """Finish what the threads are doing and give the connections back."""
        self._writers.close()
        self._readers.shutdown(wait=True)
        self.disconnect()

    def disconnect(self) -> None:
        """Give the idle connections back: whoever comes next connects anew, to the file that has the name then."""
        self._write_engine.dispose()
        self._read_engine.dispose()


def _in_context(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """``work``, told on whatever thread who asked for it: an executor's thread knows no context variables."""
    context = contextvars.copy_context()
    return lambda connection: context.run(work, connection)


def parse_url(url: str) -> sa.URL:
    """A URL with the driver we ship; a bare ``postgresql://`` means psycopg 3.

    Raises:
        DatabaseError: the URL cannot be read, or names another database.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        raise DatabaseError(
            f"cannot read the database URL {url!r}: write sqlite:///bonanza.db or postgresql://user:password@host/name"
        ) from error
    if backend in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise DatabaseError(
                "an in-memory SQLite would forget every result: give a file, for example sqlite:///bonanza.db"
            )
        return parsed.set(drivername="sqlite")
    raise DatabaseError(f"no support for {backend}: use sqlite:///bonanza.db or postgresql://user:password@host/name")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL if it is not, waiting for whoever writes to it.

    A file changes over once, under a lock that SQLite's busy timeout does not wait for (another waiter could hold what this one needs), so two
    processes that make a database at the same moment would get "database is locked" at once.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _sqlite_engine(url: sa.URL, *, synchronous: str, read_only: bool) -> Engine:
    engine = sa.create_engine(url, connect_args={"check_same_thread": False}, pool_size=4 if read_only else 1)

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        else:
            _use_wal(connection)
            connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # IMMEDIATE: a deferred transaction that upgrades to a write can fail with "database is locked" whatever the timeout.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


class FileLock:
    """Sole use of a SQLite file by one server process: an ``flock``, which the kernel drops when the process dies, however it dies."""

    def __init__(self, database: Path) -> None:
        """Take the lock beside ``database``.

        Raises:
            DatabaseError: another process has it, or the folder cannot be written.
        """
        real = database.resolve()  # a link to the file is the file
        path = real.with_name(real.name + ".lock")
        try:
            self._file: IO[str] = path.open("a+")
        except OSError as error:
            raise DatabaseError(
                f"cannot write beside {database}: {error.strerror}. Give a database in a folder that exists and can be written"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise DatabaseError(
                f"another server (process {holder}) is using {database}. SQLite takes one server process a file: "
                "stop that one, give another file with --database, or use PostgreSQL"
            ) from error
        self._file.seek(0)
        self._file.truncate()
        self._file.write(str(os.getpid()))  # for the message above only; the lock is the flock
        self._file.flush()

    def close(self) -> None:
        """Let another process have the file."""
        self._file.close()
