"""One search of the demo: a study, its workers, and what they found."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from bonanza import schemas
from bonanza.client import Client
from bonanza.demo.children import Child, Children
from bonanza.demo.progress import display, ended
from bonanza.demo.setting import SPACE, Setting
from bonanza.errors import BonanzaError

POLL_S: Final = 0.2


@dataclass(frozen=True)
class Found:
    """What came out of one search. ``value`` is the best observed one, of trial ``number``."""

    study: str
    trials: int
    number: int
    architecture: str
    value: float
    seconds: float


def search(
    setting: Setting, strategy: Mapping[str, Any], client: Client, children: Children, server: Child, console: Console
) -> Found:
    """Run one study to the end of its budget with real workers.

    Raises:
        ChildEnded: the server or a worker ended before that.
        BonanzaError: every trial failed.
    """
    began = time.monotonic()
    name = strategy["name"]
    study = client.create_study(
        name, space=SPACE, strategy=strategy, budget={"max_trials": setting.trials}, seed=setting.seed
    )
    workers = [
        children.start(
            f"{name}-worker-{n}",
            "worker",
            "--server",
            client.server,
            "--study",
            name,
            "--evaluator",
            setting.evaluator,
            "--worker-id",
            f"{name}-{n}",
        )
        for n in range(setting.workers)
    ]
    with display(console, name, setting.trials) as screen:
        info = study.info
        while ended(info) < setting.trials:
            time.sleep(POLL_S)
            children.check(server)
            for worker in workers:
                children.check(worker, may_end=True)
            info = study.refresh()
            screen.show(info)
            _still_moving(info, workers)
    seconds = time.monotonic() - began
    children.stop(*workers)
    best = study.best()
    if not best or best[0].value is None:
        raise BonanzaError(f"no trial of {name} was completed; the workers' logs say why")
    text = study.space.validate(best[0].architecture).text
    return Found(name, info.trials.get("complete", 0), best[0].number, text, best[0].value, seconds)


def _still_moving(info: schemas.Study, workers: list[Child]) -> None:
    """A search whose workers have all left, or that was paused after too many failures, would never end."""
    if info.state == "paused":
        error = BonanzaError(f"the study was paused: {info.state_reason}")
    elif (
        all(worker.code is not None for worker in workers)
        and info.trials.get("running", 0) == 0
        and info.trials.get("pending", 0) > 0
    ):
        error = BonanzaError("the workers have left before the search was over")
    else:
        return
    error.add_note(workers[0].tail())
    raise error
