"""Studies of a pool: only its members are asked for, as they were listed, and its list is not read again to ask and tell."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bonanza.spaces import space_from_spec
from bonanza_server.store.database import Database
from bonanza_server.store.models import spaces
from tests.live import NB201, LiveServer
from tests.server.expect import problem
from tests.server.lab import Lab

QUICK = {"name": "bananas", "n_initial": 4, "epochs": 5, "ensemble": 2, "candidates": 20}


def pool(n: int, seed: int = 0) -> dict[str, Any]:
    """Some different networks of NAS-Bench-201, as official strings."""
    rng, space = random.Random(seed), space_from_spec(NB201)
    cells: dict[str, str] = {}
    while len(cells) < n:
        cell = space.sample(rng)
        cells.setdefault(cell.arch_id, cell.text)
    return {"kind": "pool", "of": NB201, "architectures": list(cells.values())}


def listed(spec: dict[str, Any]) -> list[Any]:
    space = space_from_spec(NB201)
    return [space.validate(text).json for text in spec["architectures"]]


def worth(trial: dict[str, Any]) -> float:
    return 60.0 + 5.0 * float(trial["architecture"]["edges"].count("nor_conv_3x3"))


def test_every_member_is_asked_for_once_and_told(lab: Lab) -> None:
    spec = pool(12)
    lab.study(space=spec)
    trials = [lab.one() for _ in range(12)]
    for trial in trials:
        lab.tell(trial, worth(trial))
    assert sorted(map(str, listed(spec))) == sorted(str(trial["architecture"]) for trial in trials)
    assert lab.ask()["reason"] == "space_exhausted"
    assert lab.study(space=spec)["trials"]["complete"] == 12


def test_a_wrong_entry_is_pointed_at_and_a_cell_not_listed_is_refused(lab: Lab) -> None:
    spec = pool(4)
    body = {"space": spec | {"architectures": [*spec["architectures"], {"edges": ["none"] * 5 + ["nne"]}]}}
    body |= {"objective": {"name": "accuracy", "direction": "maximize"}, "strategy": {"name": "random"}}
    answer = lab.server.http.put(f"/v1/studies/{lab.name}", json=body)
    problem(answer, "invalid-space", at="/space/architectures/4/edges/5")
    lab.study(space=spec)
    stranger = next(cell for cell in listed(pool(50, seed=1)) if cell not in listed(spec))
    answer = lab.server.http.post(f"/v1/studies/{lab.name}/queue", json={"architectures": [stranger]})
    problem(answer, "invalid-architecture", at="/architectures/0")


def test_asks_and_tells_never_read_the_list(lab: Lab, shared: tuple[LiveServer, Any, Database]) -> None:
    """It is spoiled in the table once the study is there; whoever read it could not go on."""
    _, _, database = shared
    spec = pool(30)
    stored = lab.study(space=spec)["space"]

    def store(old: Any, new: Any) -> None:
        with database.engine.begin() as connection:
            rows = connection.execute(sa.select(spaces.c.hash, spaces.c.spec)).all()
            [key] = [row.hash for row in rows if row.spec == old]
            connection.execute(sa.update(spaces).where(spaces.c.hash == key).values(spec=new))

    store(stored, {"kind": "spoiled"})
    try:
        trial = lab.one()
        lab.beat(trial)
        lab.tell(trial, worth(trial))
        lab.queue(lab.one()["architecture"])
        assert lab.get("/trials")["trials"][0]["architecture"] in listed(spec)
    finally:
        store({"kind": "spoiled"}, stored)


def test_bananas_searches_a_pool_to_its_end(tmp_path: Path) -> None:
    spec = pool(16)
    with (
        ThreadPoolExecutor(1) as threads,
        LiveServer(f"sqlite:///{tmp_path}/pool.db", executor=threads) as server,
    ):
        server.study(space=spec, strategy=QUICK)
        trials = []
        for _ in range(16):
            trials.append(server.one(wait_s=30))
            server.tell(trials[-1], worth(trials[-1]))
        assert server.ask(wait_s=1)["reason"] == "space_exhausted"
    assert sorted(map(str, listed(spec))) == sorted(str(trial["architecture"]) for trial in trials)
    origins = [trial["origin"] for trial in trials]
    assert origins[:4] == ["initial"] * 4
    assert origins.count("acquisition") >= 9
