"""A worker that keeps a diary: ``python -m tests.e2e.laborer SERVER STUDY NAME FOLDER SECONDS FRESHNESS``, until nothing more is to be done.

The diary, ``FOLDER/NAME.diary``, has a line of JSON for each step, written before the next one begins; so it holds whatever this process knew
when it was killed. A worker that is replaced keeps its name, its diary and its spool.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Literal

from bonanza import Client

OPS = {"none": 0.0, "skip_connect": 2.0, "nor_conv_1x1": 5.0, "nor_conv_3x3": 6.0, "avg_pool_3x3": 1.0}


def worth(architecture: dict[str, Any]) -> float:
    """The accuracy of a NAS-Bench-201 cell as these tests have it: additive, with every edge another weight, and no two cells alike."""
    ops = architecture["edges"]
    depth = 3.0 * (ops[0] != "none" and ops[2] != "none" and ops[5] != "none")
    return 50.0 + depth + sum(OPS[op] * (1.0 + 0.07 * place) for place, op in enumerate(ops))


def labour(
    server: str, name: str, worker: str, folder: Path, seconds: float, freshness: Literal["latest", "any"]
) -> None:
    """Ask, train for ``seconds``, tell, until every trial has ended."""
    diary = os.open(folder / f"{worker}.diary", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(step: str, **facts: Any) -> None:
        os.write(diary, (json.dumps({"step": step, **facts}) + "\n").encode())

    with Client(server, spool=folder / "spool", patience_s=120.0) as client:
        client.flush_spool()
        study = client.study(name)
        while True:
            trial = study.ask(worker_id=worker, wait_s=30.0, freshness=freshness)
            if trial is None:
                left = study.refresh().trials
                if not left["running"] + left["pending"]:
                    return
                time.sleep(0.2)  # a worker may be lost, and its trial come back
                continue
            facts = {"number": trial.number, "attempt": trial.attempt.number, "arch_id": trial.record.arch_id}
            note("asked", **facts)
            with trial:
                time.sleep(seconds)
                value = worth(trial.architecture)
                note("measured", **facts)
                trial.tell(value)
            note("told", value=value, **facts)


if __name__ == "__main__":
    labour(
        sys.argv[1],
        sys.argv[2],
        sys.argv[3],
        Path(sys.argv[4]),
        float(sys.argv[5]),
        "latest" if sys.argv[6] == "latest" else "any",
    )
