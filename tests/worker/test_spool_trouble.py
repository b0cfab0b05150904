"""A worker whose results cannot be kept or cannot be sent: it says so before it begins, or holds them until they can."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bonanza.spool import writable
from tests.live import LiveServer, ServerProcess
from tests.worker.lab import Cable, WorkerProcess, eventually, write_evaluators


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_evaluators(tmp_path)
    return tmp_path


def test_a_spool_that_cannot_be_written_is_said_before_anything_is_leased(
    live: LiveServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").write_text("")
    monkeypatch.setenv("BONANZA_SPOOL", str(folder / "file" / "spool"))  # not even root can write there
    live.study()
    with WorkerProcess(live.url, "python:lab_evaluators:quick", folder) as worker:
        assert worker.ends() == 2
    assert "cannot be written (Not a directory)" in worker.said
    assert "set BONANZA_SPOOL" in worker.said
    assert live.get("/v1/studies/s/trials")["trials"] == []


def test_a_disk_without_room_is_found_by_writing_to_it(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            writable(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


FULL_DISK = """
    import os, resource, time
    from pathlib import Path

    def measure(architecture, trial):
        # From now on the daemon can write no more than its log has room for: a full disk, as far as it can tell.
        resource.prlimit(os.getppid(), resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        Path("evaluator.pid").touch()
        while not Path("finish").exists():
            time.sleep(0.02)
        return 55.0 + trial.number
"""


def test_a_result_that_no_disk_takes_is_held_until_the_server_is_back(
    live: LiveServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "full_disk.py").write_text("\n".join(line[4:] for line in FULL_DISK.splitlines()))
    live.study(budget={"max_trials": 1}, lease={"ttl_s": 600})
    cable = Cable(live.port)
    try:
        with WorkerProcess(cable.url, "python:full_disk:measure", folder, piped=True) as worker:
            eventually((folder / "evaluator.pid").exists, "the disk is full", worker)
            cable.cut()
            (folder / "finish").touch()
            eventually(lambda: "cannot spool a result" in worker.said, "it says so", worker)
            assert live.trial(0)["state"] == "running"
            cable.mend()
            assert worker.ends() == 0
    finally:
        cable.close()
    assert live.trial(0)["value"] == 55.0
    assert "BONANZA_SPOOL" in worker.said


def test_what_can_neither_be_sent_nor_kept_is_in_the_log_when_the_worker_ends(live: LiveServer, folder: Path) -> None:
    program = (
        "import resource, sys, logging; logging.basicConfig()\n"
        "from bonanza import Client\n"
        "client = Client(sys.argv[1], outage_s=0.1, patience_s=0.1)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try:\n    client.outbox.tell('/v1/studies/s/trials/3/tell', {'lease_token': 't', 'value': 91.5})\n"
        "except Exception as error:\n    print(error.__notes__)\n"
        "client.close()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "http://127.0.0.1:9"], capture_output=True, text=True, check=True
    )
    assert "keeps the result and sends it later" in ran.stdout
    assert "POST http://127.0.0.1:9/v1/studies/s/trials/3/tell" in ran.stderr
    assert json.loads(ran.stderr.strip().splitlines()[-1].split("/tell ")[1]) == {"lease_token": "t", "value": 91.5}


def test_a_server_that_is_killed_and_comes_back_has_every_result_once(folder: Path, tmp_path: Path) -> None:
    server = ServerProcess(f"sqlite:///{tmp_path}/killed.db", tmp_path / "server.log", BONANZA_FIT_SLOTS="0")
    server.start()
    try:
        body = {
            "space": {"kind": "nasbench201"},
            "objective": {"name": "accuracy", "direction": "maximize"},
            "strategy": {"name": "random"},
            "budget": {"max_trials": 3},
            "lease": {"ttl_s": 60, "heartbeat_s": 0.5},
        }
        httpx.put(f"{server.url}/v1/studies/s", json=body).raise_for_status()
        with WorkerProcess(server.url, "python:lab_evaluators:holds_the_lock", folder, slots=2) as worker:
            eventually(lambda: _running(server.url) == 2, "both slots train", worker)
            server.kill()
            server.start()
            assert worker.ends(120) == 0
        found = httpx.get(f"{server.url}/v1/studies/s/trials").json()["trials"]
    finally:
        server.kill()
    assert [(trial["state"], trial["value"], trial["attempts"]) for trial in found] == [("complete", 60.0, 1)] * 3
    assert list((folder / "spool").glob("*")) == []


def _running(url: str) -> int:
    return int(httpx.get(f"{url}/v1/studies/s").json()["trials"]["running"])
