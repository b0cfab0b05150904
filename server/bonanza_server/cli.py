"""The server's half of ``bonanza serve``: settings, what may be wrong with them, and the lines a person sees."""

from __future__ import annotations

import errno
import logging
import os
import socket
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.markup import escape

from bonanza.cli.console import say
from bonanza.errors import BonanzaError, MissingExtra
from bonanza.version import __version__
from bonanza_server import app, key_command
from bonanza_server.cluster import ClusterUnavailable, DaskExecutor, VersionsDiffer
from bonanza_server.settings import Settings, is_loopback, refusal_to_listen
from bonanza_server.store.database import DatabaseError
from bonanza_server.store.keys import listed

log = logging.getLogger(__name__)

FITTING = ("numpy", "torch")
"""What only the processes that fit models import; missing, it would show much later, as fits that fail."""


class CannotStart(BonanzaError):
    """The server or the database command cannot do its work; the message says what to do."""


def serve(
    *,
    database: str | None,
    host: str | None,
    port: int | None,
    log_format: str | None = None,
    log_level: str | None = None,
) -> None:
    """Run the server until it is told to stop; what is None comes from the environment.

    Raises:
        CannotStart: a setting is wrong, a key is missing, the address is taken, or the database cannot be used; nothing listens then.
        MissingExtra: the processes that fit models would lack a package.
    """
    settings = read_settings(database_url=database, host=host, port=port, log_format=log_format, log_level=log_level)
    try:
        refusal = refusal_to_listen(settings, has_key=settings.admin_key is None and key_command.has_key(settings))
    except DatabaseError as error:
        raise CannotStart(str(error)) from error
    if refusal is not None:
        raise CannotStart(refusal)
    if settings.fit_slots and settings.scheduler is not None:
        _try_cluster(settings)
    elif settings.fit_slots and (missing := [name for name in FITTING if find_spec(name) is None]):
        raise MissingExtra(f"fitting models needs {' and '.join(missing)}: pip install 'bonanza[server]'")
    settings = settings.model_copy(update={"port": free_port(settings.host, settings.port)})
    try:
        label, wants_key = _try_database(settings)
    except DatabaseError as error:
        raise CannotStart(str(error)) from error
    if not app.serve(settings, on_ready=lambda: _greet(banner(settings, database=label, wants_key=wants_key))):
        raise CannotStart("the server could not start; the lines above say why")


def read_settings(**given: Any) -> Settings:
    """The settings of the environment, with what is given instead where it is not None.

    Raises:
        CannotStart: a value does not fit; the message names its environment variable.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"BONANZA_{'_'.join(map(str, e['loc'])).upper()}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        raise CannotStart(f"a setting is wrong: {wrong}") from error


def free_port(host: str, port: int) -> int:
    """``port`` where it can be listened on, or a free one for 0.

    Raises:
        CannotStart: the port is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as uvicorn does: a port of a server just gone is free
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"port {port} of {host} is taken: is a server running already? Give another with --port"
            ) from error
        raise CannotStart(
            f"cannot listen on {host} port {port}: {os.strerror(error.errno) if isinstance(error.errno, int) and error.errno > 0 else error}"
        ) from error


def _try_cluster(settings: Settings) -> None:
    """That fits can be sent to the cluster. One that is away costs freshness and no more, as it does later on: then the log says so."""
    if find_spec("distributed") is None:
        raise MissingExtra("BONANZA_EXECUTOR=dask://… needs distributed: pip install 'bonanza[server,dask]'")
    executor = app.fitters(settings)
    assert isinstance(executor, DaskExecutor)
    try:
        executor.connect()
    except ClusterUnavailable as error:
        log.warning("%s. The server starts; the fits come when the scheduler does", error)
    except VersionsDiffer as error:
        raise CannotStart(str(error)) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _try_database(settings: Settings) -> tuple[str, bool]:
    """The database as a person may see it, once it is known to work, and whether it has keys: a server that starts and then fails has said too much."""
    database, lock = app.open_database(settings)
    try:
        wants_key = bool(database.read_now(lambda connection: listed(connection, None)))
    finally:
        database.close()
        if lock is not None:
            lock.close()
    if not database.sqlite:
        return database.label, wants_key
    return f"{database.label}  ({Path(str(database.url.database)).resolve()})", wants_key


def _greet(lines: list[str]) -> None:
    """Say ``lines``, where they can be said: a server whose output goes to a full disk, or to nobody any more, serves all the same."""
    with suppress(OSError):
        say(*lines)


def banner(settings: Settings, *, database: str, wants_key: bool = False) -> list[str]:
    """What a person should know of a server that starts: where, on which database, and what to do next; lines of rich markup."""
    host = settings.host if is_loopback(settings.host) else socket.gethostname()
    url = escape(f"http://{f'[{host}]' if ':' in host else host}:{settings.port}")
    admin = settings.admin_key is not None
    variable = "BONANZA_ADMIN_KEY" if admin else "BONANZA_KEY"
    bearer = f' -H "Authorization: Bearer ${variable}"' if admin or wants_key else ""
    body = '{"space": {"kind": "nasbench201"}, "objective": {"name": "accuracy", "direction": "maximize"}, "budget": {"max_trials": 100}}'
    return [
        f"[bold]Bonanza {__version__}[/] listens on [bold cyan]{url}[/]  (the API: {url}/docs)",
        f"  dashboard [bold cyan]{url}/ui[/]",
        f"  database  {escape(database)}",
        f"  key       {_whose_key(admin=admin, stored=wants_key)}",
        "",
        "Make a study:",
        f"  [cyan]bonanza study create first --space nasbench201 --max-trials 100 --server {url}[/]",
        f"  [cyan]curl -X PUT {url}/v1/studies/first{bearer} -H 'Content-Type: application/json' -d '{body}'[/]",
        "and give it a worker:",
        f"  [cyan]bonanza worker --server {url} --study first --evaluator tabular:nasbench201/cifar10[/]",
        "",
    ]


def _whose_key(*, admin: bool, stored: bool) -> str:
    if admin:
        return "BONANZA_ADMIN_KEY; workers give it, or better one of [cyan]bonanza key create[/], as BONANZA_KEY"
    if stored:
        return "one of [cyan]bonanza key list[/]; workers and commands give theirs as BONANZA_KEY"
    return "none needed, as only this machine can reach it"
