"""The log: one line a record whatever is in it, for people or for machines, with the request it was written in."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bonanza_server import logs
from bonanza_server.readiness import judged
from tests.live import LiveServer


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_json_lines_carry_the_id_of_their_request_and_a_line_a_request(
    root: logging.Logger, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=0) as server:
        logs.configure("json", None)
        server.study()
        capfd.readouterr()
        answer = server.http.get("/v1/studies/s", headers={"X-Request-Id": "from-me"})
        assert answer.headers["x-request-id"] == "from-me"
        server.http.get("/v1/studies/none%0A%22forged")
        server.app.state.reading = None  # whatever fails
        assert server.http.get("/v1/studies/s", headers={"X-Request-Id": "broken"}).status_code == 500
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    mine = [line for line in lines if line.get("request_id") == "from-me"]
    assert [(line["method"], line["path"], line["status"], line["level"]) for line in mine] == [
        ("GET", "/v1/studies/s", 200, "info")
    ]
    assert mine[0]["ms"] >= 0
    [failed] = [line for line in lines if line.get("request_id") == "broken" and line["level"] == "error"]
    assert "AttributeError" in failed["error"]
    assert {200, 422, 500} <= {line["status"] for line in lines if "status" in line}


def test_lines_for_people_are_one_line_each_and_say_warnings_only(
    root: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure("text", None)
    logging.getLogger("bonanza_server").info("hidden")
    logging.getLogger("bonanza_server").warning("a\nforged line: %s", "b\r\x1b[2Kc")
    [line] = capfd.readouterr().err.splitlines()
    assert line.endswith("WARNING bonanza_server: a\\nforged line: b\\r\\x1b[2Kc")
    logs.configure("text", "info")
    logging.getLogger("bonanza_server").info("shown")
    assert "shown" in capfd.readouterr().err


def test_a_server_is_unready_for_what_keeps_it_from_work_and_degraded_for_what_a_person_should_mend() -> None:
    assert judged({"database": "ok", "engine": "ok"}).status == "ready"
    assert judged({"database": "ok", "engine": "degraded: fits fail"}).status == "degraded"
    assert judged({"database": "does not answer", "engine": "degraded: fits fail"}).status == "unavailable"


def test_readyz_names_a_schema_a_disk_and_an_engine_that_are_not_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=0) as server:
        assert server.get("/readyz") == {
            "status": "ready",
            "checks": {"database": "ok", "schema": "ok", "engine": "ok", "disk": "ok"},
        }
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10 << 20}))
        said = server.get("/readyz")
        assert said["status"] == "degraded"
        assert "10 MB are free beside s.db: make room" in said["checks"]["disk"]
        monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1 << 20}))
        assert server.get("/readyz", status=503)["checks"]["disk"].startswith("1 MB are free")
        monkeypatch.undo()
        service = server.app.state.service
        service.engine._failed = ["JobTimedOut: too slow"] * 3
        assert "the last 3 fits failed, the newest with JobTimedOut" in server.get("/readyz")["checks"]["engine"]
        service.database.write_now(
            lambda connection: connection.exec_driver_sql("UPDATE bonanza_version SET version_num = '0001'")
        )
        said = server.get("/readyz", status=503)
        assert "is at schema 0001" in said["checks"]["schema"]
        assert "bonanza db upgrade" in said["checks"]["schema"]
        server.app.state.upkeep._awake_at -= 1000
        assert "nothing was looked after for 10" in server.get("/readyz", status=503)["checks"]["engine"]
