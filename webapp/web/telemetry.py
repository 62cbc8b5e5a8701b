"""OpenTelemetry traces of requests, statements and jobs; nothing is imported unless an endpoint is set."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, g, request
from sqlalchemy import Engine

from webapp.settings import Settings

ADDRESSES = ("http.target", "http.url", "url.full", "url.path", "url.query")
"""Attributes of a span that hold the address as it was asked for."""


def install(settings: Settings, *, service: str, app: Flask | None = None, engine: Engine | None = None) -> Any:
    """Trace a process when `otlp_endpoint` is set and return its tracer, else None.

    Statements are told without their values; nothing of a header or a form becomes part of a trace.
    """
    if not settings.otlp_endpoint:
        return None
    # Imported only here: an installation without traces pays neither their time nor their memory.
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.instrumentation.flask import FlaskInstrumentor  # noqa: PLC0415
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415

    # What another began, nginx for example, is continued as it was decided there; so a trace is whole or not at all.
    sampler = ParentBased(TraceIdRatioBased(min(max(settings.trace_percent, 0), 100) / 100))
    provider = TracerProvider(sampler=sampler, resource=Resource.create({"service.name": service}))
    endpoint = settings.otlp_endpoint.rstrip("/")
    traces = endpoint if endpoint.endswith("/v1/traces") else f"{endpoint}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=traces)))
    trace.set_tracer_provider(provider)
    if app is not None:
        FlaskInstrumentor().instrument_app(app, tracer_provider=provider, excluded_urls="livez,readyz,static/.*")
        # Before every view, after the span has begun.
        app.before_request(lambda: _tell_route(trace.get_current_span()))
    if engine is not None:
        # The instrumentation names SQLAlchemy 2.0 as its newest; with 2.1 it was seen to work (tests).
        SQLAlchemyInstrumentor().instrument(engine=engine, tracer_provider=provider, skip_dep_check=True)
    return provider.get_tracer("comptoir")


def _tell_route(span: Any) -> None:
    """Put the route where the address would stand: one-time links carry their secret in the address.

    The request's place in the trace is kept for the jobs that it queues.
    """
    here = span.get_span_context()
    g.trace = f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}" if here.is_valid else ""
    route = request.url_rule.rule if request.url_rule else "unmatched"
    for name in ADDRESSES:
        if name in (getattr(span, "attributes", None) or {}):
            span.set_attribute(name, route)


@contextmanager
def span(tracer: Any, name: str, *, parent: str = "", **attributes: str) -> Iterator[dict[str, str]]:
    """Trace one piece of work, a job for example; do nothing without a tracer.

    `parent` is the place from where it was asked for (W3C `traceparent`). What is put into the yielded dictionary
    becomes part of the span, `error` as its failure.
    """
    told: dict[str, str] = {}
    if tracer is None:
        yield told
        return
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - see install
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - see install

    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    with tracer.start_as_current_span(name, context=context, attributes=attributes) as current:
        yield told
        if error := told.pop("error", ""):
            current.set_status(Status(StatusCode.ERROR, error))
        current.set_attributes(told)
