"""Traces: one from the ask through a worker's training to the tell; without OpenTelemetry a trace from outside is handed on, and nothing else is done."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bonanza import tracing
from tests.live import LiveServer
from tests.server.lab import Lab

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{SPAN}-01"


class Collector:
    """Takes spans as an OpenTelemetry collector does, over HTTP in protobuf."""

    def __init__(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        self.spans: dict[str, Any] = {}
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans |= {span.name: span for span in scope.spans}
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that this process, and every worker it starts, sends its spans to."""
    made = Collector()
    monkeypatch.setenv(tracing.WHERE[0], made.url)
    for known in (tracing._tracer, tracing._provider):
        known.cache_clear()
    yield made
    tracing._provider().shutdown()
    for known in (tracing._tracer, tracing._provider):
        known.cache_clear()
    made.close()


def test_one_trace_goes_from_the_ask_through_the_program_to_the_tell(collector: Collector, tmp_path: Path) -> None:
    program = tmp_path / "train.sh"
    program.write_text('#!/bin/sh\nprintenv TRACEPARENT > "$(dirname "$0")/seen"\necho 90\n')
    program.chmod(0o755)
    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=0) as server:
        server.study()
        command = [sys.executable, "-m", "bonanza.cli", "worker", "--server", server.url, "--study", "s", "--once"]
        ran = subprocess.run(
            [*command, "--evaluator", f"command:{program}"],
            env=os.environ | {"TRACEPARENT": GIVEN, "BONANZA_SPOOL": str(tmp_path / "spool")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert server.trial(0)["value"] == 90.0
    tracing.flush()
    ask, evaluate, tell = (collector.spans[name] for name in ("ask", "evaluate", "tell"))
    assert {span.trace_id.hex() for span in (ask, evaluate, tell)} == {TRACE}
    assert ask.parent_span_id.hex() == SPAN
    assert evaluate.parent_span_id == tell.parent_span_id == ask.span_id
    assert (tmp_path / "seen").read_text() == f"00-{TRACE}-{evaluate.span_id.hex()}-01\n"
    told = {attribute.key: attribute.value for attribute in tell.attributes}
    assert told["bonanza.outcome"].string_value == "complete"
    assert tell.end_time_unix_nano > tell.start_time_unix_nano >= ask.start_time_unix_nano


@pytest.mark.parametrize(
    "header", [None, "nonsense", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", GIVEN.upper(), GIVEN + "-x"]
)
def test_what_is_no_trace_is_ignored(header: str | None) -> None:
    assert tracing.accepted(header) is None


def test_without_opentelemetry_a_trace_is_kept_with_the_attempt_and_handed_on(lab: Lab) -> None:
    lab.study()
    [trial] = lab.post("ask", {"wait_s": 0}, traceparent=GIVEN)["trials"]
    assert trial["attempt"]["traceparent"] == GIVEN
    assert lab.trial(trial)["attempt"]["traceparent"] == GIVEN
    lab.tell(trial, 90.0)
    assert lab.one()["attempt"]["traceparent"] is None
    with tracing.span("evaluate", GIVEN) as handed_on:
        assert handed_on == GIVEN
