"""Reports: read here, computed and written in a process of their own, with numpy, which the API process never loads."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Literal

from sqlalchemy.engine import Connection

import bonanza
from bonanza_server.errors import Refused
from bonanza_server.evaluation.material import Material, read_material
from bonanza_server.executor import JobLost
from bonanza_server.finding import find_study
from bonanza_server.store.database import Database

Form = Literal["json", "markdown", "html"]
MEDIA: dict[Form, str] = {
    "json": "application/json",
    "markdown": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
MOST_WAITING = 8


class Reporter:
    """Makes reports by ``executor``; belongs to the event loop's thread."""

    def __init__(self, database: Database, executor: Executor, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._executor = executor
        self._clock = clock
        self._waiting = 0

    async def report(self, name: str, form: Form) -> str:
        """A study's report.

        Raises:
            Refused: there is no such study, or too many reports are wanted at once.
        """
        if self._waiting >= MOST_WAITING:
            raise Refused("unavailable", "many reports are being made already: try again", retry_after_s=2)
        self._waiting += 1
        try:
            material = await self._database.read(partial(self._read, name=name))
            return await asyncio.wrap_future(self._executor.submit(made, material, form))
        except JobLost as error:
            raise Refused(
                "unavailable", f"the report could not be made ({error}): try again", retry_after_s=2
            ) from error
        finally:
            self._waiting -= 1

    def _read(self, connection: Connection, *, name: str) -> Material:
        study = find_study(connection, name)
        versions = {"python": platform.python_version(), "bonanza": bonanza.__version__}
        return read_material(connection, study, now=self._clock(), **versions)


def made(material: Material, form: Form) -> str:
    """The report of ``material``, written; a pure function that is sent to the executor."""
    from bonanza_server.evaluation.markdown import markdown
    from bonanza_server.evaluation.page import page
    from bonanza_server.evaluation.report import report_of

    report = report_of(material)
    if form == "json":
        return report.model_dump_json()
    return markdown(report) if form == "markdown" else page(report)
