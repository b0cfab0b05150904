"""Traces by OpenTelemetry, from the ask through the training to the tell; the server and the worker use it alike.

On where ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set and the extra ``otel`` is installed; otherwise nothing of it is imported, and a trace that comes from outside (a
``traceparent`` header, W3C Trace Context) is handed on as it is.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

log = logging.getLogger(__name__)

WHERE: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
VARIABLE: Final = "TRACEPARENT"
"""In the environment of a training: the trace that it is part of."""
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def accepted(traceparent: str | None) -> str | None:
    """A ``traceparent`` as it may be kept; None where there is none, or it is none: the standard has it ignored then."""
    return traceparent if traceparent is not None and _TRACEPARENT.fullmatch(traceparent) else None


@contextmanager
def span(name: str, parent: str | None, **attributes: Any) -> Iterator[str | None]:
    """A span around the body; gives the ``traceparent`` to hand on, which without tracing is the parent's."""
    tracer = _tracer()
    if tracer is None:
        yield accepted(parent)
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    with tracer.start_as_current_span(name, context=_context(parent), attributes=_given(attributes)):
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        yield accepted(carrier.get("traceparent"))


def record(name: str, parent: str | None, seconds: float, **attributes: Any) -> None:
    """A span of something that took ``seconds`` and is over now, where its parent was not known before."""
    tracer = _tracer()
    if tracer is not None:
        end = time.time_ns()
        begun = end - int(seconds * 1e9)
        tracer.start_span(name, context=_context(parent), attributes=_given(attributes), start_time=begun).end(end)


def flush() -> None:
    """Send what was recorded: this process may be killed before it would be."""
    if _tracer() is not None:
        _provider().force_flush(2_000)


def _given(attributes: dict[str, Any]) -> dict[str, Any]:
    return {f"bonanza.{name}": value for name, value in attributes.items() if value is not None}


def _context(parent: str | None) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {} if parent is None else {"traceparent": parent}
    return TraceContextTextMapPropagator().extract(carrier, context=Context())


@cache
def _tracer() -> Any:
    if not any(os.environ.get(name) for name in WHERE):
        return None
    try:
        return _provider().get_tracer("bonanza")
    except ModuleNotFoundError:
        log.warning("%s is set, but traces need OpenTelemetry: pip install 'bonanza[otel]'", WHERE[0])
        return None


@cache
def _provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "bonanza")})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
