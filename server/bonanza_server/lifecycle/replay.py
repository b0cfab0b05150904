"""Replay: what a study's tables must hold, from its events alone.

Every change of state has exactly one event, and the events carry what the change was made of; so the tables are a function of the events, and this is
it, written a second time without any SQL. Left out is what is no change of state: tokens, deadlines and heartbeats of leases, learning curves, features of
cells, fits' pools and a trial's ``explanation``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bonanza_server.search.spec import reads_features

Row = dict[str, Any]

STATES: Final = ("pending", "running", "complete", "pruned", "failed", "infeasible", "cancelled")
MOVES: Final[dict[str, tuple[frozenset[str], str | None]]] = {
    "trial.started": (frozenset({"pending"}), "running"),
    "trial.revived": (frozenset({"pending"}), "running"),
    "trial.requeued": (frozenset({"running"}), "pending"),
    "trial.retried": (frozenset({"failed", "infeasible", "cancelled"}), "pending"),
    "trial.completed": (frozenset(STATES) - {"complete"}, "complete"),
    "trial.pruned": (frozenset({"running", "pending", "failed"}), "pruned"),
    "trial.failed": (frozenset({"running"}), "failed"),
    "trial.infeasible": (frozenset({"running"}), "infeasible"),
    "trial.cancelled": (frozenset({"running", "pending"}), "cancelled"),
    "trial.measured": (frozenset({"complete"}), None),
    "trial.invalidated": (frozenset({"complete"}), None),
    "trial.ignored": (frozenset(STATES), None),
    "trial.changed": (frozenset(STATES), None),
}
"""The states an event may find its trial in, and the one it leaves it in (None: the same)."""
BIRTHS: Final = {"trial.started": "running", "trial.queued": "pending", "trial.imported": "complete"}
"""The events that make a trial, and its first state."""
RESULTS: Final = {"trial.completed", "trial.measured", "trial.imported", "trial.invalidated"}
"""The trials' events that put the model behind; a pruned one's does too where it has a learning curve."""

REOPENING: Final = frozenset({"budget", "phases"})
"""The fields of a study that, changed, have its search go on."""

_GIVEN = ("architecture", "arch_id", "origin", "phase", "priority", "protocol", "tags", "repeat_of")
_PROPOSED = ("fit_version", "fit_event", "fit_rank", "mean", "std", "acquisition")
_RESULT = ("value", "metrics", "cost", "seed")
_NEW_TRIAL: Final[Row] = {
    **dict.fromkeys((*_GIVEN, *_PROPOSED, "value", "metrics", "cost", "told_seed", "measurements", "error")),
    **dict.fromkeys(("live_attempt", "last_worker", "checkpoint", "curve", "note", "started_at", "finished_at")),
    **dict.fromkeys(("front", "priority", "attempts", "leases"), 0),
    **dict.fromkeys(("late", "invalidated", "started"), False),
    "phase": "search",
}
_NEW_STUDY: Final[Row] = {
    **dict.fromkeys(("failures_in_a_row", "fit_version", "fit_event", "fit_results", "fit_failures"), 0),
    "state": "running",
    "state_reason": None,
    "search_state": "open",
    "phases": None,
    "consistency": "relaxed",
    "revision": 1,
}


class BrokenHistory(ValueError):
    """An event that cannot follow the ones before it: one is missing, doubled, or not of this study."""


@dataclass
class Tables:
    """Rows by key, with the columns that the events decide."""

    study: Row = field(default_factory=dict)
    trials: dict[int, Row] = field(default_factory=dict)
    attempts: dict[tuple[int, int], Row] = field(default_factory=dict)


@dataclass(frozen=True)
class _Step:
    """One event; ``at`` in seconds since the epoch."""

    seq: int
    at: float
    kind: str
    number: int | None
    data: Mapping[str, Any]


class Replay:
    """The tables of a study while its events come one by one."""

    def __init__(self) -> None:
        self.tables = Tables()
        self._seq = 0
        self._results = [0]
        """The events of results that put the model behind."""
        self._features = 0
        """The last event of features that did."""

    def add(self, event: Mapping[str, Any]) -> None:
        """The next event, as a row of the table or as a parsed line of ``GET …/events``.

        Raises:
            BrokenHistory: it cannot follow the ones before it.
        """
        self._seq += 1
        step = _Step(event["seq"], _seconds(event["at"]), event["kind"], event["number"], event["data"])
        if step.seq != self._seq:
            raise BrokenHistory(f"event {self._seq} is missing: the next one has sequence number {step.seq}")
        if (step.kind == "study.created") != (step.seq == 1):
            raise BrokenHistory(f"event {step.seq} is {step.kind}: study.created comes first, and once")
        try:
            if step.number is None:
                _change_study(self.tables.study, step, self._results)
            else:
                _change_trial(self.tables, step, step.number)
        except KeyError as missing:
            raise BrokenHistory(f"event {step.seq}, {step.kind}, lacks {missing}") from missing
        told = step.kind in RESULTS or (step.kind == "trial.pruned" and bool(step.data.get("curve")))
        if told and self.tables.trials[step.number or 0]["protocol"] is None:
            self._results.append(step.seq)
        if step.kind == "features.told" and reads_features(self.tables.study["strategy"]):
            self._features = step.seq

    def study(self) -> Row:
        """The study's row as of the last event, its counters too."""
        counted = {
            "last_event": self._seq,
            "results": len(self._results) - 1,
            "result_event": max(self._results[-1], self._features),
        }
        return self.tables.study | counted | _sums(self.tables)


def replay(events: Iterable[Mapping[str, Any]]) -> Tables:
    """The tables after ``events``: all of a study's, oldest first, as rows of the table or as parsed lines of ``GET …/events``.

    Raises:
        BrokenHistory: they are not a whole history.
    """
    so_far = Replay()
    for event in events:
        so_far.add(event)
    if not so_far.tables.study:
        raise BrokenHistory("there are no events: a study begins with study.created")
    so_far.tables.study = so_far.study()
    return so_far.tables


def _sums(tables: Tables) -> Row:
    """The study's columns that are taken over its trials."""
    trials = tables.trials.values()
    sign = -1 if tables.study["objectives"][0]["direction"] == "maximize" else 1
    valid = [
        trial
        for trial in trials
        if trial["state"] == "complete" and not trial["invalidated"] and trial["protocol"] is None
    ]
    best = min(valid, key=lambda trial: (sign * trial["value"], trial["number"]), default=None)
    return {state: sum(trial["state"] == state for trial in trials) for state in STATES} | {
        "next_number": len(trials),
        "started": sum(trial["started"] for trial in trials),
        "baselines": sum(trial["phase"] == "baseline" for trial in trials),
        "confirmations": sum(trial["phase"] == "confirm" for trial in trials),
        "best_number": best and best["number"],
        "best_value": best and best["value"],
    }


def _change_study(study: Row, step: _Step, results: list[int]) -> None:
    data = step.data
    match step.kind:
        case "study.created":
            study |= _NEW_STUDY | dict(data) | {"created_at": step.at}
        case "study.changed":
            study |= dict(data) | {"revision": study["revision"] + 1}
            if REOPENING & set(data):
                study["search_state"] = "open"
        case "search.ended":
            study["search_state"] = "over"
        case "confirm.chosen":
            study["search_state"] = "confirmed"
        case "study.paused" | "study.resumed" | "study.finished":
            state = {"study.paused": "paused", "study.resumed": "running"}.get(step.kind, "finished")
            study |= {"state": state, "state_reason": data["reason"], "revision": study["revision"] + 1}
            study["failures_in_a_row"] *= state != "running"
        case "fit.published":
            seen = sum(seq <= data["read"] for seq in results) - 1
            study |= {"fit_version": data["version"], "fit_event": data["read"], "fit_results": seen, "fit_failures": 0}
        case "fit.failed":
            study["fit_failures"] = data["in_a_row"]
        case "worker.quarantined" | "features.told":
            pass  # the worker's state, and what is kept of cells: no change of the study's
        case _:
            raise BrokenHistory(f"event {step.seq} is of the unknown kind {step.kind}")


def _change_trial(tables: Tables, step: _Step, number: int) -> None:
    trial = tables.trials.get(number)
    if step.kind not in MOVES and step.kind not in BIRTHS:
        raise BrokenHistory(f"event {step.seq} is of the unknown kind {step.kind}")
    if trial is None:
        if step.kind not in BIRTHS or number != len(tables.trials):
            raise BrokenHistory(f"event {step.seq}, {step.kind}, is of trial {number}, which nothing has made")
        trial = tables.trials[number] = _NEW_TRIAL | {"number": number, "created_at": step.at}
        trial |= {name: step.data[name] for name in (*_GIVEN, *_PROPOSED, "seed") if name in step.data}
        after: str | None = BIRTHS[step.kind]
    else:
        before, after = MOVES.get(step.kind, (frozenset(), None))
        if trial["state"] not in before:
            raise BrokenHistory(f"event {step.seq}, {step.kind}, finds trial {number} {trial['state']}")
    if after is not None:
        trial |= {"state": after, "live_attempt": step.data["attempt"] if after == "running" else None}
        trial["finished_at"] = None if after in {"pending", "running"} else step.at
    trial |= _trial_columns(step, trial)
    for attempt, columns in _attempt_columns(step).items():
        if step.kind != "trial.started" and (number, attempt) not in tables.attempts:
            raise BrokenHistory(f"event {step.seq}, {step.kind}, is of attempt {attempt}, which nothing has leased")
        tables.attempts.setdefault((number, attempt), {}).update(columns)
    tables.study["failures_in_a_row"] = _failures(step, tables.study["failures_in_a_row"])


def _trial_columns(step: _Step, trial: Row) -> Row:
    """What an event changes of its trial besides the state."""
    data = step.data
    match step.kind:
        case "trial.started":
            began = {"started": True, "started_at": trial["started_at"] or step.at, "last_worker": data["worker_id"]}
            return began | {"front": 0, "attempts": trial["attempts"] + 1, "leases": data["attempt"]}
        case "trial.revived":
            return {"front": 0, "attempts": max(1, trial["attempts"])}
        case "trial.requeued":
            error = data["error"] if data["counted"] else trial["error"]
            attempts = trial["attempts"] - (not data["counted"])
            return {"front": 1, "attempts": attempts, "checkpoint": data["checkpoint"], "error": error}
        case "trial.retried":
            return {"front": 1, "attempts": 0, "error": None, "late": False}
        case "trial.failed" | "trial.infeasible":
            return {"error": data["error"], "checkpoint": data["checkpoint"]}
        case "trial.completed" | "trial.pruned":
            return _result(data) | {"late": data["late"], "error": None, "curve": data.get("curve")}
        case "trial.imported":
            return _result(data) | {"origin": "import", "seed": data["trial_seed"]}
        case "trial.measured":
            by = {} if data["attempt"] is None else {"attempt": data["attempt"]}
            return {"measurements": [*(trial["measurements"] or []), by | {name: data[name] for name in _RESULT}]}
        case "trial.invalidated":
            return {"invalidated": True}
        case "trial.changed":
            return dict(data)
    return {}


def _result(data: Mapping[str, Any]) -> Row:
    return {"value": data["value"], "metrics": data["metrics"], "cost": data["cost"], "told_seed": data["seed"]}


def _attempt_columns(step: _Step) -> dict[int, Row]:
    """What an event changes of attempts, by their numbers."""
    data = step.data
    number = data.get("attempt")
    ended: Row = {"ended_at": step.at, "kind": None, "told": data.get("told")}
    if number is None:
        return {}
    match step.kind:
        case "trial.started":
            lease = {"attempt": number, "worker_id": data["worker_id"], "leased_at": step.at}
            return {number: lease | {"state": "leased", "kind": None, "ended_at": None, "told": None}}
        case "trial.revived":
            return {number: {"state": "leased", "ended_at": None}}
        case "trial.ignored":
            return {number: {"told": data["told"]}}
        case "trial.completed" | "trial.measured" | "trial.pruned":
            outcome, state = ("pruned", "pruned") if step.kind == "trial.pruned" else ("complete", "succeeded")
            told = {"outcome": outcome, "error": None} | {name: data[name] for name in _RESULT}
            told |= {"protocol": data["protocol"]} if "protocol" in data else {}
            superseded = data.get("superseded")
            other = {} if superseded is None else {superseded: {"state": "superseded", "ended_at": step.at}}
            return {number: ended | {"state": state, "told": told}} | other
        case "trial.cancelled":
            return {number: ended | {"state": "released" if data["by"] == "worker" else "superseded"}}
        case "trial.infeasible":
            return {number: ended | {"state": "failed", "kind": "oom" if data["why"] == "oom" else None}}
        case "trial.requeued" | "trial.failed" if data["why"] in {"released", "expired"}:
            return {number: ended | {"state": data["why"]}}
        case "trial.requeued" | "trial.failed":
            return {number: ended | {"state": "failed", "kind": data["why"]}}
    return {}


def _failures(step: _Step, in_a_row: int) -> int:
    """How many trials or attempts have failed in a row: a lost lease counts once its trial has failed, a cell that cannot be trained does not."""
    why = step.data.get("why")
    if step.kind in {"trial.completed", "trial.pruned"}:
        return 0
    told_failure = step.kind in {"trial.requeued", "trial.infeasible"} and why not in {"released", "expired", "told"}
    return in_a_row + (told_failure or step.kind == "trial.failed")


def _seconds(at: float | str | datetime) -> float:
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return at.timestamp() if isinstance(at, datetime) else float(at)
