"""The demo from beginning to end: a server, the searches, the summary."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console

from bonanza.client import Client
from bonanza.demo.children import Children
from bonanza.demo.own_server import start_server, wait_for
from bonanza.demo.report import Report
from bonanza.demo.search import search
from bonanza.demo.setting import Setting
from bonanza.errors import ServerUnreachable

PATIENCE_S: Final = 5.0  # the server is on this machine: away for longer means dead, and a Ctrl-C waits as long


def run(setting: Setting, console: Console, *, keep: bool) -> Report:
    """Run the demo, showing on ``console`` how it goes.

    Nothing runs on afterwards, however it ends. The database and the logs stay with ``keep``, or if something went wrong.

    Raises:
        MissingExtra: a package is missing; nothing was started.
        BonanzaError: something went wrong; notes say what, and where the logs are.
        KeyboardInterrupt: Ctrl-C, SIGTERM or a closed terminal.
    """
    setting.check_packages()
    folder = Path(tempfile.mkdtemp(prefix="bonanza-demo-"))
    where = f"The database and the logs are in {folder}"
    began = time.monotonic()
    children = Children(folder)
    try:
        with _ending_in_order(children), children:
            report = _searches(setting, children, console, began)
    except KeyboardInterrupt:
        console.print(f"\nStopped. {where}", soft_wrap=True)
        raise
    except Exception as error:
        error.add_note(where)
        raise
    if keep:
        console.print(where, soft_wrap=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _searches(setting: Setting, children: Children, console: Console, began: float) -> Report:
    server, url = start_server(children)
    console.print(
        f"A server on SQLite at {url}; {setting.workers} workers; evaluator {setting.evaluator}; {setting.trials} trials each.",
        soft_wrap=True,
    )
    with Client(url, spool=children.folder / "spool", patience_s=PATIENCE_S) as client:
        wait_for(client, server, children)
        try:
            found = [search(setting, strategy, client, children, server, console) for strategy in setting.strategies]
        except ServerUnreachable:
            children.check(server)  # it may have ended while it was asked something: then its log says more
            raise
    return Report(setting, found[0], found[1] if len(found) > 1 else None, time.monotonic() - began)


@contextmanager
def _ending_in_order(children: Children) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end the demo at its next look at the children.

    A handler that raised could strike inside a fork, where Python swallows what the hooks raise: the Ctrl-C would be lost.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        children.ending = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
