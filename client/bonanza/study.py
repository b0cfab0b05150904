"""A study as a client sees it: ask, look, steer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import quote

from pydantic import ValidationError

from bonanza import schemas
from bonanza.errors import AskTimeout, BonanzaError, InvalidRequest, TooLarge
from bonanza.outbox import Outbox
from bonanza.schemas.trial import Shortfall, TrialState
from bonanza.spaces import Architecture, SearchSpace, space_from_spec
from bonanza.transport import Transport
from bonanza.trial import Trial

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

Freshness: TypeAlias = Literal["latest", "any"] | int
"""How old a model may be: ``latest`` waits for a fit that has seen every result, ``any`` never waits, ``k`` may be k results behind."""

Encoded: TypeAlias = Mapping[str, Any] | str | Architecture
"""An architecture in its space's JSON form, as the space's official string, or as a value of the space."""

OVER: Final[frozenset[str]] = frozenset({"finished", "budget_reached", "space_exhausted"})
PAUSE_S: Final = 1.0  # between two asks, where the server names no time
CELLS_AT_ONCE: Final = 5_000  # half of the wire's limit; what a server does in a second or two


class Study:
    """One study of one server. ``info`` is as of the last answer; ``refresh`` fetches it again.

    ``for trial in study`` asks until nothing more will come. While the body trains, a thread heartbeats; a body that raises, or leaves
    the loop without telling, releases its trial. One trial at a time: run the loop in as many processes as you like.
    """

    def __init__(self, transport: Transport, outbox: Outbox, info: schemas.Study, *, created: bool = False) -> None:
        """Made by a ``Client``; ``created`` tells whether ``create_study`` made it or found it."""
        self.transport = transport
        self.outbox = outbox
        self.info = info
        self.created = created
        self.last_reason: Shortfall | None = None
        self.last_model: schemas.ModelStatus = info.model
        self._retry_after_s: float | None = None

    def __repr__(self) -> str:
        return f"<Study {self.name} at {self.transport.server}: {self.info.state}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the study as it was last read, with its best cell."""
        from bonanza.notebook import html

        return html.study(self)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.info.name

    @property
    def path(self) -> str:
        """Where the study is on its server."""
        return f"/v1/studies/{quote(self.name, safe='')}"

    @cached_property
    def space(self) -> SearchSpace:
        """The search space, as a value."""
        spec = self.info.space
        return space_from_spec(self.refresh().space or {} if spec is None else spec)  # lists leave the space out

    def refresh(self) -> schemas.Study:
        """Fetch ``info`` again and return it."""
        self.info = self.transport.send("GET", self.path).read(schemas.Study)
        return self.info

    def ask(
        self,
        *,
        worker_id: str | None = None,
        wait_s: float = 10.0,
        freshness: Freshness = "latest",
        reuse: bool = False,
        timeout: float | None = None,
    ) -> Trial | None:
        """The next trial to train, leased to this caller; None once nothing more will come (``last_reason`` says why).

        Waits while the study is paused, or while it has nothing to give before other results are in.

        Args:
            worker_id: this worker's own name, kept between restarts if ``reuse`` is to find its trials.
            wait_s: how long the server may hold one request, 0 to 50; not a limit of the whole call.
            freshness: how old the model may be.
            reuse: first give back what ``worker_id`` already holds.
            timeout: seconds the whole call may take; for ever by default.

        Raises:
            AskTimeout: the time is over, the study is not.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            held = wait_s if deadline is None else max(0.0, min(wait_s, deadline - time.monotonic()))
            if trials := self.ask_many(1, worker_id=worker_id, wait_s=held, freshness=freshness, reuse=reuse):
                return trials[0]
            if self.last_reason in OVER:
                return None
            pause = PAUSE_S if self._retry_after_s is None else self._retry_after_s
            if deadline is not None and time.monotonic() + pause > deadline:
                raise AskTimeout(f"study {self.name} had no trial to give within {timeout:g} s: {self.last_reason}")
            time.sleep(pause)

    def ask_many(
        self,
        count: int,
        *,
        worker_id: str | None = None,
        wait_s: float = 10.0,
        freshness: Freshness = "latest",
        reuse: bool = False,
    ) -> list[Trial]:
        """Up to ``count`` (1 to 64) trials from one request; where the list is short, ``last_reason`` says why. ``last_model`` is as of the answer."""
        fresh = {"max_lag": freshness} if isinstance(freshness, int) else freshness
        body = _checked(
            schemas.AskRequest, count=count, worker_id=worker_id, wait_s=wait_s, freshness=fresh, reuse=reuse or None
        )
        answer = self.transport.send("POST", f"{self.path}/ask", body=body, hold_s=wait_s).read(schemas.AskAnswer)
        self.last_reason, self.last_model, self._retry_after_s = answer.reason, answer.model, answer.retry_after_s
        return [Trial(self, record) for record in answer.trials]

    def __iter__(self) -> Iterator[Trial]:
        while (trial := self.ask()) is not None:
            with trial:
                yield trial

    def best(self, k: int = 1) -> list[schemas.Ranked]:
        """At most ``k`` cells, the best first, by their posterior mean: all measurements of a cell count, not the luckiest."""
        return self.transport.send("GET", f"{self.path}/best", params={"k": k}).read(schemas.RankedList).trials

    def export(self) -> str:
        """The whole study as ndjson: for ``bonanza replay``, or for ``Client.import_study`` at another server."""
        reply = self.transport.send("GET", f"{self.path}/export")
        return str(reply.body or "")

    def report(self) -> schemas.Report:
        """What the study found, against random architectures, with intervals and costs."""
        return self.transport.send("GET", f"{self.path}/report").read(schemas.Report)

    def report_text(self, form: Literal["markdown", "html"] = "markdown") -> str:
        """The report for people; HTML is one file that opens from a disk."""
        return str(self.transport.send("GET", f"{self.path}/report", params={"format": form}).body or "")

    def confirm(self, top: int | None = None, seeds: int | None = None) -> schemas.Study:
        """End the search and have the best cells trained again; what is left out is as the study's phases say, or 5 cells and 3 seeds."""
        body = _checked(schemas.ConfirmRequest, top=top, seeds=seeds)
        self.info = self.transport.send("POST", f"{self.path}/confirm", body=body).read(schemas.Study)
        return self.info

    def trials(self, *, state: TrialState | None = None, page_size: int = 500) -> Iterator[schemas.Trial]:
        """Every trial, or those in one state, by number; fetched a page at a time as the iterator goes on."""
        params: dict[str, str | int] = {"page_size": page_size} | ({"state": state} if state is not None else {})
        while True:
            page = self.transport.send("GET", f"{self.path}/trials", params=params).read(schemas.TrialList)
            yield from page.trials
            if page.next_page_token is None:
                return
            params["page_token"] = page.next_page_token

    def trial(self, number: int) -> schemas.Trial:
        """One trial."""
        return self.transport.send("GET", f"{self.path}/trials/{number}").read(schemas.Trial)

    def queue(
        self, architectures: Iterable[Encoded], *, priority: int = 0, tags: Iterable[str] = ()
    ) -> list[schemas.Queued]:
        """Have these cells measured before the strategy's own; one entry each, in order, ``created`` false where the study had the cell."""
        body = _checked(
            schemas.QueueRequest, architectures=[_encoded(a) for a in architectures], priority=priority, tags=list(tags)
        )
        return self.transport.send("POST", f"{self.path}/queue", body=body).read(schemas.QueueAnswer).trials

    def observe(
        self, observations: Iterable[Mapping[str, Any]], *, on_duplicate: Literal["skip", "measure", "error"] = "skip"
    ) -> schemas.ObservationsAnswer:
        """Tell results measured elsewhere, all or nothing: mappings with ``architecture``, ``value``, and what else ``schemas.Imported`` has."""
        given = [
            {**observation, "architecture": _encoded(observation.get("architecture", {}))}
            for observation in observations
        ]
        body = _checked(schemas.ObservationsRequest, observations=given, on_duplicate=on_duplicate)
        return self.transport.send("POST", f"{self.path}/observations", body=body).read(schemas.ObservationsAnswer)

    def tell_features(self, cells: Iterable[tuple[Encoded, Mapping[str, float]]]) -> schemas.FeaturesAnswer:
        """Tell what is known of cells without training them: (architecture, {feature: value}) of any number.

        All are checked before any is sent. They go out some thousands a request, each all or nothing, fewer where the server finds that too large; telling
        again what the study knows changes nothing. The note of an error of a later request says how many were told before it.
        """
        given = [{"architecture": _encoded(architecture), "features": dict(known)} for architecture, known in cells]
        checked = _checked(schemas.KnownCells, cells=given)["cells"]
        told = schemas.FeaturesAnswer(changed=0, unchanged=0)
        first, size = 0, CELLS_AT_ONCE
        while first < len(checked):
            size = min(size, len(checked) - first)
            body = {"cells": checked[first : first + size]}
            try:
                answer = self.transport.send("POST", f"{self.path}/features", body=body).read(schemas.FeaturesAnswer)
            except BonanzaError as error:
                if isinstance(error, TooLarge) and size > 1:
                    size //= 2
                    continue
                if first:
                    error.add_note(f"The {first:,} cells before were told; /cells/0 is the next one.")
                raise
            first += size
            told.changed += answer.changed
            told.unchanged += answer.unchanged
        return told

    def features(self) -> schemas.FeatureList:
        """The features that were told: how many cells have each, and how well it orders those that were measured."""
        return self.transport.send("GET", f"{self.path}/features").read(schemas.FeatureList)

    def events(self, *, after: int = 0) -> Iterator[schemas.Event]:
        """What has happened since event ``after``, in order."""
        reply = self.transport.send("GET", f"{self.path}/events", params={"after": after})
        return iter(reply.lines(schemas.Event))

    def model(self) -> schemas.Model:
        """How fresh the surrogate is and how well it has predicted."""
        return self.transport.send("GET", f"{self.path}/model").read(schemas.Model)

    def predict(self, architectures: Iterable[Encoded], *, wait_s: float = 50) -> list[schemas.Predicted]:
        """What the model says of these architectures, in order, in the objective's unit.

        Raises:
            Unavailable: the model was not fitted within ``wait_s``, nor in the tries after it.
        """
        body = _checked(schemas.PredictRequest, architectures=[_encoded(a) for a in architectures], wait_s=wait_s)
        reply = self.transport.send("POST", f"{self.path}/predict", body=body, keyed=False, hold_s=wait_s)
        return reply.read(schemas.PredictAnswer).predictions

    def columns(self, *, after: int | None = None) -> schemas.StudyColumns:
        """Every trial as columns, or those that events after ``after`` are about: what plots and tables read."""
        params = None if after is None else {"after": after}
        return self.transport.send("GET", f"{self.path}/columns", params=params).read(schemas.StudyColumns)

    def live(self) -> schemas.Live:
        """The attempts under way with what they have reported, and the workers."""
        return self.transport.send("GET", f"{self.path}/live").read(schemas.Live)

    def atlas(self) -> schemas.Atlas:
        """The measured cells laid out in the plane, and what each choice at each place goes with."""
        return self.transport.send("GET", f"{self.path}/atlas", hold_s=50).read(schemas.Atlas)

    def attempts(self, number: int) -> list[schemas.AttemptRecord]:
        """Every attempt at a trial, with what it reported and told."""
        return self.transport.send("GET", f"{self.path}/trials/{number}/attempts").read(schemas.AttemptList).attempts

    def neighbours(self, number: int) -> list[schemas.Neighbour]:
        """The study's trials whose cells are one edit from that of trial ``number``, best first."""
        reply = self.transport.send("GET", f"{self.path}/trials/{number}/neighbours", hold_s=30)
        return reply.read(schemas.NeighbourList).trials

    def to_dataframe(self) -> pandas.DataFrame:
        """The trials as a pandas data frame, one row each, indexed by number (extra ``plot``)."""
        from bonanza.notebook.frame import dataframe

        return dataframe(self)

    def plot_best(self, ax: Axes | None = None, *, against: Literal["trials", "seconds", "clock"] = "trials") -> Axes:
        """Results, best so far, and random search beside it (extra ``plot``, as all plots)."""
        from bonanza.notebook.plots import best

        return best(self, ax, against=against)

    def plot_predicted(self, ax: Axes | None = None) -> Axes:
        """Measured against predicted values."""
        from bonanza.notebook.plots import predicted

        return predicted(self, ax)

    def plot_map(self, ax: Axes | None = None) -> Axes:
        """The measured cells in the plane, coloured by value."""
        from bonanza.notebook.plots import atlas

        return atlas(self, ax)

    def plot_importance(self, ax: Axes | None = None) -> Axes:
        """Which choice at which place helps."""
        from bonanza.notebook.plots import importance

        return importance(self, ax)

    def plot_curves(self, ax: Axes | None = None, *, metric: str | None = None) -> Axes:
        """The learning curves of what is being trained."""
        from bonanza.notebook.plots import curves

        return curves(self, ax, metric=metric)

    def pause(self, reason: str | None = None) -> schemas.Study:
        """Start no more trials until ``resume``; those under way go on."""
        return self._steer("pause", reason)

    def resume(self, reason: str | None = None) -> schemas.Study:
        """Start trials again."""
        return self._steer("resume", reason)

    def finish(self, reason: str | None = None) -> schemas.Study:
        """Start no more trials; results that are still on their way are kept."""
        return self._steer("finish", reason)

    def cancel(self, number: int, reason: str | None = None) -> schemas.Trial:
        """Do not measure a trial (any more); its worker learns it at its next heartbeat."""
        body = _checked(schemas.Reason, reason=reason)
        return self.transport.send("POST", f"{self.path}/trials/{number}/cancel", body=body).read(schemas.Trial)

    def retry(self, number: int) -> schemas.Trial:
        """Have a failed or cancelled trial measured after all."""
        return self.transport.send("POST", f"{self.path}/trials/{number}/retry", body={}).read(schemas.Trial)

    def repeat(self, number: int, count: int = 1) -> list[schemas.Trial]:
        """Have the cell of a trial measured ``count`` times more, with other seeds."""
        body = _checked(schemas.RepeatRequest, count=count)
        return (
            self.transport.send("POST", f"{self.path}/trials/{number}/repeat", body=body).read(schemas.TrialList).trials
        )

    def invalidate(self, number: int, note: str | None = None) -> schemas.Trial:
        """Drop a completed result from the model: it is kept in the events, and the cell may be proposed again."""
        body = _checked(schemas.TrialChange, invalidate=True, note=note)
        return self.transport.send("PATCH", f"{self.path}/trials/{number}", body=body).read(schemas.Trial)

    def explain(self, number: int) -> schemas.Explanation:
        """Why a trial was proposed: the fit, the prediction, its rank, what was not taken."""
        return self.transport.send("GET", f"{self.path}/trials/{number}/explain").read(schemas.Explanation)

    def change(self, **changes: Any) -> schemas.Study:
        """Change ``budget``, ``lease``, ``tags`` or ``description`` of the study as it was last read; each is replaced as a whole.

        Raises:
            StaleRevision: somebody changed it meanwhile; ``refresh`` and look again.
        """
        body = _checked(schemas.StudyChange, **changes)
        reply = self.transport.send("PATCH", self.path, body=body, if_match=f'"{self.info.revision}"')
        self.info = reply.read(schemas.Study)
        return self.info

    def delete(self) -> None:
        """Delete the study with all its trials; there is no way back."""
        self.transport.send("DELETE", self.path)

    def _steer(self, verb: str, reason: str | None) -> schemas.Study:
        body = _checked(schemas.Reason, reason=reason)
        self.info = self.transport.send("POST", f"{self.path}/{verb}", body=body).read(schemas.Study)
        return self.info


def _checked(request: type[schemas.Request], **fields: Any) -> dict[str, Any]:
    """The JSON of a request; what is None is left out.

    Raises:
        InvalidRequest: a field does not fit.
    """
    try:
        checked = request.model_validate({name: field for name, field in fields.items() if field is not None})
    except ValidationError as error:
        raise InvalidRequest.from_validation(error) from error
    return checked.model_dump(mode="json", exclude_unset=True)


def _encoded(architecture: Encoded) -> dict[str, Any] | str:
    if isinstance(architecture, Architecture):
        return architecture.json
    return architecture if isinstance(architecture, str) else dict(architecture)
