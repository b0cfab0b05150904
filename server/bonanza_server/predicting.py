"""Predictions: what a study's model says of any architecture, by a job beside the fits, in the same processes.

The process that made the newest fit has its model still; any other makes it again from the history, which gives the same model. So a prediction may
take as long as a fit, and waits no longer than its ``wait_s``: the job goes on, and whoever asks again finds it done.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from functools import partial

from sqlalchemy.engine import Connection

from bonanza.schemas import PredictAnswer, Predicted, PredictRequest
from bonanza.spaces import Architecture
from bonanza_server.engine import job_of
from bonanza_server.errors import Refused
from bonanza_server.executor import JobLost
from bonanza_server.finding import find_study
from bonanza_server.fitting import FitJob, predict
from bonanza_server.lifecycle.modelling import read_history
from bonanza_server.spaces import Spaces, parse
from bonanza_server.store.database import Database

MOST_WAITING = 16
"""Jobs in line; more would hold up the fits."""


class Predictor:
    """Answers from the model of a study's whole history."""

    def __init__(self, database: Database, executor: Executor | None, spaces: Spaces) -> None:
        """Send jobs to ``executor``; None: this server fits no models."""
        self._database = database
        self._executor = executor
        self._spaces = spaces
        self._waiting = 0

    async def predict(self, name: str, request: PredictRequest) -> PredictAnswer:
        """Mean and std of each architecture, in the order given.

        Raises:
            Refused: there is no such study, an architecture is none of its space, or there is no answer within ``wait_s``.
        """
        if self._executor is None:
            raise Refused(
                "unavailable", "this server fits no models: start one with BONANZA_FIT_SLOTS above 0", retry_after_s=60
            )
        cells, job = await self._database.read(partial(self._read, name=name, request=request))
        if self._waiting >= MOST_WAITING:
            raise Refused("unavailable", "many predictions are waiting already: try again", retry_after_s=2)
        future = asyncio.wrap_future(self._executor.submit(predict, job, [cell.json for cell in cells]))
        self._waiting += 1
        future.add_done_callback(self._done)
        try:
            found = await asyncio.wait_for(asyncio.shield(future), request.wait_s)
        except TimeoutError:
            detail = f"the model was not ready within {request.wait_s:g} s and is being fitted: ask again"
            raise Refused("unavailable", detail, retry_after_s=2) from None
        except JobLost as error:
            raise Refused(
                "unavailable", f"the model could not be fitted ({error}): ask again", retry_after_s=5
            ) from error
        except asyncio.CancelledError:
            if future.cancelled():
                raise Refused("unavailable", "the server is stopping: ask again", retry_after_s=2) from None
            raise
        predictions = [
            Predicted(arch_id=cell.arch_id, mean=mean, std=std) for cell, (mean, std) in zip(cells, found, strict=True)
        ]
        return PredictAnswer(predictions=predictions, observations=len(job.observations))

    def _read(self, connection: Connection, *, name: str, request: PredictRequest) -> tuple[list[Architecture], FitJob]:
        study = find_study(connection, name)
        space = self._spaces.get(connection, study["space_hash"])
        cells = [parse(space, value, f"/architectures/{k}") for k, value in enumerate(request.architectures)]
        read = read_history(connection, study["id"])
        assert read is not None  # one view of one moment, in which the study was found
        return cells, job_of(read)

    def _done(self, future: asyncio.Future[list[tuple[float | None, float | None]]]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # whoever wanted to hear it may have gone
