"""What may happen to a study, step by step: each does something to the server, does it to the model, and compares the answers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import httpx

from tests.server.lab import Json
from tests.server.site import Site
from tests.server.study_model import StudyModel
from tests.server.trial_model import Attempt, Trial

ENDED = {"failed", "infeasible", "cancelled"}


class StudySteps:
    """A study on a site and the model of it. ``take`` one step at a time; ``say`` hears the story."""

    def __init__(
        self, site: Site, name: str, model: StudyModel, cells: dict[str, Json], say: Callable[[str], None]
    ) -> None:
        self.site = site
        self.name = name
        self.model = model
        self.cells = cells
        self.say = say
        self.keys = (f"{self.name}/{number}" for number in itertools.count())
        self.last: tuple[str, Json, str, httpx.Response] | None = None

    def take(self, rng: random.Random) -> None:
        """One step of those that may matter where the study stands."""
        self.rng = rng
        weights = self.weights()
        [action] = rng.choices(list(weights), list(weights.values()))
        getattr(self, action)()

    def weights(self) -> dict[str, int]:
        """How likely each action is to come next."""
        running = self.model.state == "running"
        states = {trial.state for trial in self.model.trials}
        people = {"queue": 2, "observe": 2, "set_state": 1, "resume": 0 if running else 10}
        people |= {"cancel": 2 * ("running" in states), "retry": 4 * bool(states & ENDED), "repeat": bool(states)}
        people |= {"invalidate": 2 * ("complete" in states), "same_request_again": 2 * (self.last is not None)}
        some = bool(self.attempts())
        workers = {"ask": 16 if running else 1, "release": 2 * some, "heartbeat": 2 * some, "tell_the_end": 2 * some}
        workers |= {"tell_a_value": 6 * some, "tell_a_failure": 6 * some, "tell_again": bool(self.told())}
        workers |= {"tell_late": 8 * bool(self.late()), "come_back": 6 * bool(self.lost())}
        return people | workers | {"pass_time": 14, "restart": 2}

    # What workers do.

    def ask(self) -> None:
        count, worker = self.rng.choice([1, 1, 2, 4]), self.some_worker()
        reuse = worker is not None and self.rng.choice([True, False])
        answer = self.post("ask", {"count": count, "wait_s": 0, "worker_id": worker, "reuse": reuse})
        assert answer.status_code == 200
        self.model.ask(count, worker, reuse=reuse, answer=answer.json())

    def tell_a_value(self) -> None:
        self.tell(*self.some_attempt(), {"outcome": "complete", "value": self.some_value()})

    def tell_a_failure(self) -> None:
        kind = self.rng.choice(["oom", "oom", "infra", "code"])
        self.tell(*self.some_attempt(), {"outcome": "failed", "error": {"kind": kind}}, self.some_checkpoint())

    def tell_the_end(self) -> None:
        outcome = self.rng.choice(["pruned", "pruned", "infeasible", "cancelled"])
        self.tell(*self.some_attempt(), self.ended(outcome))

    def tell_late(self) -> None:
        outcome = self.rng.choice(["complete", "complete", "pruned", "failed"])
        self.tell(*self.rng.choice(self.late()), self.ended(outcome))

    def ended(self, outcome: str) -> Json:
        return {"outcome": outcome} | ({"value": self.some_value()} if outcome in {"complete", "pruned"} else {})

    def tell(self, trial: Trial, attempt: Attempt, told: Json, checkpoint: str | None = None) -> None:
        answer = self.act(trial, "tell", told | {"lease_token": attempt.token, "checkpoint": checkpoint})
        before = self.model.best
        expected = self.model.tell(trial, attempt, told, checkpoint)
        if isinstance(expected, int):
            assert answer.status_code == expected
            return
        assert answer.status_code == 200, answer.text
        assert {name: answer.json()[name] for name in expected} == expected
        assert answer.json()["is_best"] == (self.model.best is trial is not before)

    def tell_again(self) -> None:
        trial, attempt = self.rng.choice(self.told())
        assert attempt.told is not None
        answer = self.act(trial, "tell", attempt.told | {"lease_token": attempt.token})
        assert (answer.status_code, answer.json()["accepted"]) == (200, attempt.accepted)
        assert answer.json()["duplicate"] is True

    def heartbeat(self) -> None:
        self.beat(*self.some_attempt())

    def come_back(self) -> None:
        self.beat(*self.rng.choice(self.lost()))

    def beat(self, trial: Trial, attempt: Attempt) -> None:
        answer = self.act(trial, "heartbeat", {"lease_token": attempt.token})
        assert answer.json()["directive"] == self.model.heartbeat(trial, attempt)

    def release(self) -> None:
        (trial, attempt), checkpoint = self.some_attempt(), self.some_checkpoint()
        answer = self.act(trial, "release", {"lease_token": attempt.token, "checkpoint": checkpoint})
        assert answer.status_code == 200
        self.model.release(trial, attempt, checkpoint)

    # What the clock does.

    def pass_time(self) -> None:
        seconds, looked_after = self.rng.choice([1, 6, 10, 10, 30]), self.rng.choice([True, True, False])
        self.say(f"{seconds} s pass{', and the leases are looked after' * looked_after}")
        self.site.clock.advance(seconds)
        self.model.now = self.site.clock.now
        if looked_after:
            self.site.look_after_leases()
            self.model.look_after_leases()

    def restart(self) -> None:
        seconds = self.rng.choice([0, 5, 1000])
        self.say(f"restart after {seconds} s")
        self.site.stop()
        self.site.clock.advance(seconds)
        self.model.now = self.site.clock.now
        self.model.extend(seconds)
        self.site.start()

    # What people do.

    def cancel(self) -> None:
        trial = self.some_trial("pending", "running")
        assert self.act(trial, "cancel", {}).status_code == self.model.cancel(trial)

    def retry(self) -> None:
        trial = self.some_trial("failed", "infeasible", "cancelled")
        assert self.act(trial, "retry", {}).status_code == self.model.retry(trial)

    def repeat(self) -> None:
        trial = self.some_trial()
        assert self.act(trial, "repeat", {}).status_code == 201
        self.model.repeat(trial, 1)

    def invalidate(self) -> None:
        trial = self.some_trial("complete")
        answer = self.site.request("PATCH", f"{self.name}/trials/{trial.number}", {"invalidate": True})
        self.say(f"invalidate {trial.number}: {answer.status_code}")
        assert answer.status_code == (200 if trial.invalidated else self.model.invalidate(trial))

    def queue(self) -> None:
        cells, priority = [self.some_cell() for _ in range(self.rng.randint(1, 2))], self.rng.randint(0, 1)
        answer = self.post("queue", {"architectures": [self.cells[cell] for cell in cells], "priority": priority})
        queued = [(entry["number"], entry["created"]) for entry in answer.json()["trials"]]
        assert queued == self.model.queue(cells, priority)

    def observe(self) -> None:
        given = [(self.some_cell(), self.some_value()) for _ in range(self.rng.randint(1, 2))]
        on_duplicate = self.rng.choice(["skip", "measure", "error"])
        observations = [{"architecture": self.cells[cell], "value": value} for cell, value in given]
        answer = self.post("observations", {"observations": observations, "on_duplicate": on_duplicate})
        expected = self.model.observe(given, on_duplicate)
        assert (answer.status_code if isinstance(expected, int) else answer.json()) == expected

    def set_state(self) -> None:
        verb = self.rng.choice(["pause", "finish"])
        assert self.post(verb, {}).status_code == self.model.set_state({"pause": "paused"}.get(verb, "finished"))

    def resume(self) -> None:
        assert self.post("resume", {}).status_code == self.model.set_state("running")

    def same_request_again(self) -> None:
        assert self.last is not None
        verb, body, key, answer = self.last
        again = self.site.request("POST", f"{self.name}/{verb}", body, **{"Idempotency-Key": key})
        assert (again.status_code, again.content) == (answer.status_code, answer.content)
        assert again.headers["Idempotent-Replayed"] == "true"

    # How they do it, and to what.

    def post(self, verb: str, body: Json) -> httpx.Response:
        """Every POST has a key, so that ``same_request_again`` can send it once more."""
        key = next(self.keys)
        answer = self.site.request("POST", f"{self.name}/{verb}", body, **{"Idempotency-Key": key})
        self.say(f"{verb} {body}: {answer.status_code} {answer.text}")
        stored = answer.is_success and (verb != "ask" or answer.json()["trials"])
        self.last = (verb, body, key, answer) if stored else None
        return answer

    def act(self, trial: Trial, verb: str, body: Json) -> httpx.Response:
        return self.post(f"trials/{trial.number}/{verb}", body)

    def attempts(self, *states: str) -> list[tuple[Trial, Attempt]]:
        """The attempts at trials in these states; all, if none are given."""
        return [(t, attempt) for t in self.model.trials if not states or t.state in states for attempt in t.attempts]

    def lost(self) -> list[tuple[Trial, Attempt]]:
        """Attempts that ran out while nobody else has their trial."""
        return [(trial, attempt) for trial, attempt in self.attempts("pending") if attempt.state == "expired"]

    def late(self) -> list[tuple[Trial, Attempt]]:
        """Attempts that are over without a word."""
        return [
            (trial, attempt) for trial, attempt in self.attempts() if attempt.told is None and attempt.state != "leased"
        ]

    def told(self) -> list[tuple[Trial, Attempt]]:
        """Attempts that have told."""
        return [(trial, attempt) for trial, attempt in self.attempts() if attempt.told is not None]

    def some_attempt(self) -> tuple[Trial, Attempt]:
        """Live or long over; mostly one that has told nothing yet."""
        silent = [(trial, attempt) for trial, attempt in self.attempts() if attempt.told is None]
        return self.rng.choice(silent if silent and self.rng.randint(0, 4) else self.attempts())

    def some_trial(self, *states: str) -> Trial:
        """Mostly one in one of these states."""
        fit = [trial for trial in self.model.trials if trial.state in states]
        return self.rng.choice(fit if fit and self.rng.randint(0, 4) else self.model.trials)

    def some_cell(self) -> str:
        return self.rng.choice(list(self.cells))

    def some_worker(self) -> str | None:
        return self.rng.choice(["a", "b", None])

    def some_value(self) -> float:
        return self.rng.choice([10.0, 50.0, 90.0])

    def some_checkpoint(self) -> str | None:
        return self.rng.choice([None, "x", "y"])
