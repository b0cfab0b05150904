"""A small model of design.md 5, to hold the server to: what each request must do, said in terms of trials and attempts in memory.

The server chooses which unseen cell a new trial has; everything else is foreseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.server.trial_model import Attempt, Trial

Json = dict[str, Any]
CONFLICT = 409


@dataclass
class StudyModel:
    """A study with its budget and its lease policy."""

    cells: Sequence[str]
    maximize: bool
    now: float
    ttl: float
    timeout: float | None
    max_attempts: int
    max_trials: int | None
    max_parallel: int | None
    max_failures: int
    state: str = "running"
    failures: int = 0
    trials: list[Trial] = field(default_factory=list)

    @property
    def seen(self) -> set[str]:
        """Cells that no new trial may have."""
        return {trial.cell for trial in self.trials if trial.repeat_of is None and not trial.invalidated}

    @property
    def best(self) -> Trial | None:
        """The best valid result; of equal ones the earliest trial's."""
        valid = [trial for trial in self.trials if trial.state == "complete" and not trial.invalidated]
        sign = -1 if self.maximize else 1
        return min(valid, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)

    def count(self, state: str) -> int:
        """How many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)

    # Asking.

    def ask(self, count: int, worker: str | None, *, reuse: bool, answer: Json) -> None:
        """Check an ask's answer trial by trial, leasing as it goes."""
        got = list(answer["trials"])
        held = [trial.live for trial in self.trials if reuse and trial.live is not None]
        mine = [a for a in held if a.worker == worker and (a.deadline is None or a.deadline > self.now)][:count]
        assert [trial["attempt"]["token"] for trial in got[: len(mine)]] == [attempt.token for attempt in mine]
        for attempt in mine:
            attempt.expires = self._expiry(attempt.deadline)
        for place in range(len(mine), count):
            reasons = self._short(worker, nothing_yet=not got)
            if reasons:
                assert len(got) == place, f"the server gave more than the model: {got[place:]}"
                assert answer["reason"] in reasons
                return
            assert len(got) > place, f"the server gave too little, because of {answer['reason']}"
            self._lease(got[place], worker)
        assert len(got) == count
        assert answer["reason"] is None

    def _short(self, worker: str | None, *, nothing_yet: bool) -> set[str]:
        """Why nothing more can be started, or nothing."""
        if self.state != "running":
            return {self.state}
        if self.max_parallel is not None and self.count("running") >= self.max_parallel:
            return {"waiting_for_results"}
        if self._waiting(worker):
            return set()
        if self._full:
            return {"budget_reached"}
        if set(self.cells) <= self.seen:
            # An ask that brought something has not looked at the whole space: the next one will say so.
            return {"space_exhausted"} if nothing_yet else {"space_exhausted", "waiting_for_results"}
        return set()

    @property
    def _full(self) -> bool:
        return self.max_trials is not None and sum(trial.started for trial in self.trials) >= self.max_trials

    def _waiting(self, worker: str | None) -> list[Trial]:
        """Pending trials in the order they are to be started: those that were started before, first to another worker; then the queue."""
        pending = [t for t in self.trials if t.state == "pending" and (t.started or not self._full)]
        last = {t.number: worker is not None and t.last_worker == worker for t in pending}
        return sorted(pending, key=lambda t: (not t.front, last[t.number], -t.priority, t.number))

    def _lease(self, given: Json, worker: str | None) -> None:
        waiting = self._waiting(worker)
        if waiting:
            trial = waiting[0]
        else:
            assert given["arch_id"] in set(self.cells) - self.seen, "a cell was proposed twice"
            trial = Trial(len(self.trials), given["arch_id"])
            self.trials.append(trial)
        assert given["number"] == trial.number
        assert given["attempt"]["checkpoint"] == trial.checkpoint
        trial.state, trial.front, trial.started = "running", False, True
        trial.counted += 1
        deadline = None if self.timeout is None else self.now + self.timeout
        token = given["attempt"]["token"]
        trial.attempts.append(Attempt(len(trial.attempts) + 1, token, worker, self._expiry(deadline), deadline))

    def _expiry(self, deadline: float | None) -> float:
        return self.now + self.ttl if deadline is None else min(self.now + self.ttl, deadline)

    # Telling.

    def tell(self, trial: Trial, attempt: Attempt, told: Json, checkpoint: str | None = None) -> Json | int:
        """What the answer must say, or the status of the refusal."""
        if attempt.told is not None:
            same = attempt.told == told
            return {"duplicate": True, "accepted": attempt.accepted} if same else CONFLICT
        live = attempt.state == "leased"
        attempt.told = told
        if told["outcome"] == "complete":
            self._value(trial, attempt, told["value"], live=live)
        elif told["outcome"] == "pruned" and (live or trial.state in {"pending", "failed"}):
            attempt.state, attempt.kind = "pruned", None
            trial.value, trial.late, trial.error = told.get("value"), not live, None
            trial.state = "pruned"
            self.failures = 0
        elif not live:
            attempt.accepted = False
        elif told["outcome"] == "cancelled":
            attempt.state, trial.state = "released", "cancelled"
        elif told["outcome"] == "infeasible":
            attempt.state, trial.state, trial.error = "failed", "infeasible", None
        else:
            self._failure(trial, attempt, told.get("error", {"kind": "code"})["kind"], checkpoint)
        return {"duplicate": False, "accepted": attempt.accepted}

    def _value(self, trial: Trial, attempt: Attempt, value: float, *, live: bool) -> None:
        if trial.state == "complete":
            trial.further.append(value)
        else:
            if trial.live is not None and trial.live is not attempt:
                trial.live.state = "superseded"
            trial.state, trial.value, trial.late, trial.error = "complete", value, not live, None
            self.failures = 0
        attempt.state, attempt.kind = "succeeded", None

    def _failure(self, trial: Trial, attempt: Attempt, kind: str, checkpoint: str | None) -> None:
        attempt.state, attempt.kind, trial.error = "failed", kind, kind
        trial.checkpoint = checkpoint or trial.checkpoint
        others = [a for a in trial.attempts if a is not attempt and a.kind == "oom"]
        if kind == "oom" and any(other.worker is None or other.worker != attempt.worker for other in others):
            trial.state = "infeasible"
        elif kind in {"oom", "infra", "lost"} and trial.counted < self.max_attempts:
            trial.state, trial.front = "pending", True
        else:
            trial.state = "failed"
        self._count_failure()

    def _count_failure(self) -> None:
        self.failures += 1
        if self.failures >= self.max_failures and self.state == "running":
            self.state = "paused"

    # Leases.

    def heartbeat(self, trial: Trial, attempt: Attempt) -> str:
        """The directive a worker must get."""
        overdue = attempt.deadline is not None and attempt.deadline <= self.now
        back = attempt.state == "expired" and attempt.told is None and trial.state == "pending"
        if (attempt.state == "leased" or back) and not overdue:
            attempt.state, attempt.expires = "leased", self._expiry(attempt.deadline)
            if back:
                trial.state, trial.front, trial.counted = "running", False, max(1, trial.counted)
            return "continue"
        return "cancel" if trial.state == "cancelled" or overdue else "superseded"

    def release(self, trial: Trial, attempt: Attempt, checkpoint: str | None) -> None:
        """A lease is given back."""
        if attempt.state == "leased":
            attempt.state, trial.state, trial.front = "released", "pending", True
            trial.counted -= 1
            trial.checkpoint = checkpoint or trial.checkpoint

    def look_after_leases(self) -> None:
        """End the leases that have run out."""
        for trial in self.trials:
            attempt = trial.live
            if attempt is None or attempt.expires > self.now:
                continue
            if attempt.expires == attempt.deadline:
                attempt.state, attempt.kind = "failed", "timeout"
                trial.state, trial.error = "failed", "timeout"
            else:
                attempt.state, trial.error = "expired", "lost"
                back = trial.counted < self.max_attempts
                trial.state, trial.front = ("pending", True) if back else ("failed", trial.front)
            if trial.state == "failed":
                self._count_failure()

    def extend(self, seconds: float) -> None:
        """No server was there for so long."""
        for trial in self.trials:
            if trial.live is not None:
                trial.live.expires += seconds
                if trial.live.deadline is not None:
                    trial.live.deadline += seconds

    # People.

    def cancel(self, trial: Trial) -> int:
        """The status of cancelling a trial."""
        if trial.state not in {"pending", "running", "cancelled"}:
            return CONFLICT
        if trial.live is not None:
            trial.live.state = "superseded"
        trial.state = "cancelled"
        return 200

    def retry(self, trial: Trial) -> int:
        """The status of bringing a trial back."""
        if trial.state not in {"failed", "infeasible", "cancelled"}:
            return CONFLICT
        trial.state, trial.front, trial.counted, trial.error, trial.late = "pending", True, 0, None, False
        return 200

    def repeat(self, trial: Trial, count: int) -> None:
        """Further trials of the same cell."""
        first = trial.number if trial.repeat_of is None else trial.repeat_of
        for _ in range(count):
            self.trials.append(Trial(len(self.trials), trial.cell, repeat_of=first))

    def queue(self, cells: Iterable[str], priority: int) -> list[tuple[int, bool]]:
        """(number, created) for each cell."""
        queued = []
        for cell in cells:
            there = self._holder(cell)
            if there is None:
                self.trials.append(Trial(len(self.trials), cell, priority=priority))
            queued.append((len(self.trials) - 1, True) if there is None else (there.number, False))
        return queued

    def observe(self, results: Iterable[tuple[str, float]], on_duplicate: str) -> Json | int:
        """How many were added, measured and skipped; or the status of the refusal."""
        given = list(results)
        cells = [cell for cell, _ in given]
        if on_duplicate == "error" and (set(cells) & self.seen or len(set(cells)) < len(cells)):
            return CONFLICT
        done = {"added": 0, "measured": 0, "skipped": 0}
        for cell, value in given:
            there = self._holder(cell)
            if there is None:
                self.trials.append(Trial(len(self.trials), cell, state="complete", value=value))
                done["added"] += 1
            elif on_duplicate == "measure" and there.state == "complete":
                there.further.append(value)
                done["measured"] += 1
            else:
                done["skipped"] += 1
        return done

    def _holder(self, cell: str) -> Trial | None:
        holders = [t for t in self.trials if t.cell == cell and t.repeat_of is None and not t.invalidated]
        return holders[0] if holders else None

    def invalidate(self, trial: Trial) -> int:
        """The status of invalidating a result."""
        if trial.state != "complete":
            return CONFLICT
        trial.invalidated = True
        return 200

    def set_state(self, state: str) -> int:
        """The status of pausing, resuming or finishing."""
        if self.state == "finished" and state == "paused":
            return CONFLICT
        if state == "running" and self.state != "running":
            self.failures = 0
        self.state = state
        return 200
