"""A worker of the chaos campaign: ``python -m tests.benchmarks.chaos_worker SERVER STUDY NAME FOLDER MEAN_S``, until SIGTERM.

It says on standard output, a line of JSON each, what it has been given, has measured and has told. SIGUSR1: its clock jumps by up to a day.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bonanza import BonanzaError, Client

DAY_S = 86_400.0


def worth(choices: list[int]) -> float:
    """The accuracy of a cell of ``chaos.SPACE``: additive, every place with another weight, and no cell as good as all fours."""
    return 40.0 + sum((1.0 + 0.1 * place) * choice for place, choice in enumerate(choices)) / 2.0


def say(step: str, **facts: Any) -> None:
    sys.stdout.write(json.dumps({"step": step, **facts}) + "\n")
    sys.stdout.flush()


def jump(rng: random.Random) -> None:
    """Set this process' clock wrong."""
    real, offset = time.time, rng.uniform(-DAY_S, DAY_S)
    time.time = lambda: real() + offset


def labour(server: str, name: str, worker: str, folder: Path, mean_s: float, ended: threading.Event) -> None:
    """Ask, train, tell."""
    rng = random.Random(worker)
    signal.signal(signal.SIGUSR1, lambda *_: jump(rng))
    with Client(server, spool=folder / "spool", patience_s=600.0) as client:
        with contextlib.suppress(BonanzaError):
            client.flush_spool()
        study = client.study(name)
        while not ended.is_set():
            trial = study.ask(worker_id=worker, wait_s=5.0, freshness="any")
            if trial is None:
                ended.wait(0.2)
                continue
            facts = {"number": trial.number, "attempt": trial.attempt.number, "arch_id": trial.record.arch_id}
            say("asked", **facts)
            with trial:
                ended.wait(rng.expovariate(1.0 / mean_s))
                value = worth(trial.architecture["choices"])
                say("measured", **facts)
                trial.tell(value)
            say("told", value=value, **facts)


if __name__ == "__main__":
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    labour(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), float(sys.argv[5]), stop)
